//! A detector of your own on a backbone of the zoo: one map, no pyramid.

use striate::data::{DataError, Object, Sample, Target};
use striate::model::{Places, detections};
use striate::prelude::*;
use striate::zoo::{BOX_VALUES, Backbone, find};

const SIDE: usize = 64;
const STRIDE: usize = 8;

/// For each place of the map at a stride of 8 the logits of the classes, the edges of the box around it, and the centerness.
#[derive(Module)]
pub struct Detector {
    backbone: Backbone,
    hidden: Conv2d,
    output: Conv2d,
}

impl Detector {
    /// With an untrained head for so many classes.
    pub fn new(classes: usize, rng: &mut Generator) -> Result<Detector, String> {
        let backbone = Backbone::new(find("shufflenet-v2-x0-5").expect("it is in the zoo"), 3, rng)?;
        let hidden = Conv2d::options(backbone.channels(&[STRIDE])[0], 32, 3).padding(1).build(rng);
        Ok(Detector { backbone, hidden, output: Conv2d::new(32, classes + BOX_VALUES, 1, rng) })
    }
}

impl Forward for Detector {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let map = self.backbone.maps(x, &[STRIDE], pass).remove(0);
        let outputs = self.output.forward(self.hidden.forward(map, pass).relu(), pass);
        outputs.flatten(2, 3).transpose(1, 2)
    }
}

/// Images of a bright square on noise.
struct Squares(u64);

impl Dataset for Squares {
    type Item = Sample;

    fn len(&self) -> usize {
        64
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let rng = &mut Generator::new(self.0 + index as u64);
        let [x, y] = [0, 1].map(|_| rng.below(SIDE as u64 - 24) as usize);
        let mut image = (Tensor::rand([3, SIDE, SIDE], DType::F32, rng) * 0.3).to_vec::<f32>();
        for (row, channel) in (y..y + 24).flat_map(|row| (0..3).map(move |channel| (row, channel))) {
            image[(channel * SIDE + row) * SIDE + x..][..24].fill(1.0);
        }
        let bbox = [x, y, x + 24, y + 24].map(|edge| edge as f32);
        let target = Target::Objects(vec![Object::new(0, bbox)]);
        Ok(Sample { image: Tensor::from_vec(image, [3, SIDE, SIDE]), target })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Detector::new(1, &mut Generator::new(0))?;
    let (train, held_out) = (DataLoader::new(Squares(0), 8).shuffle(0), DataLoader::new(Squares(1000), 16));
    let trainer = Trainer::new(&mut net, Detection::new(1, &[STRIDE])).optimizer(AdamW::new(0.003)).epochs(12);
    let outcome = trainer.fit(&train, &held_out)?;
    println!("mAP at .5: {:.3}", outcome.best().map_or(f64::NAN, |best| best.value("map50")));
    let sample = Squares(1000).get(0)?;
    let outputs = net.forward(sample.image.unsqueeze(0), &Pass::eval());
    let found = detections(&outputs, &Places::new([SIDE, SIDE], &[STRIDE]), &Default::default());
    println!("there is {:?}, found {:?}", sample.target.objects()[0].bbox, found[0].first());
    Ok(())
}
