//! A head of your own for a class of each pixel, on a backbone of the zoo.

use striate::data::{DataError, Mask, Sample, Target};
use striate::imaging::Image;
use striate::prelude::*;
use striate::zoo::{Backbone, find};

const SIDE: usize = 64;
const STRIDES: [usize; 2] = [4, 16];

/// What is seen at a stride of 16, enlarged, beside what is seen at 4.
#[derive(Module)]
pub struct Segmenter {
    backbone: Backbone,
    mix: Conv2d,
    output: Conv2d,
}

impl Segmenter {
    /// With an untrained head for so many classes.
    pub fn new(classes: usize, rng: &mut Generator) -> Result<Segmenter, String> {
        let backbone = Backbone::new(find("resnet18").expect("it is in the zoo"), 3, rng)?;
        let channels = backbone.channels(&STRIDES).iter().sum();
        let mix = Conv2d::options(channels, 32, 3).padding(1).build(rng);
        Ok(Segmenter { backbone, mix, output: Conv2d::new(32, classes, 1, rng) })
    }
}

impl Forward for Segmenter {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let size = [x.size(2), x.size(3)];
        let maps = self.backbone.maps(x, &STRIDES, pass);
        let fine = [maps[0].size(2), maps[0].size(3)];
        let coarse = maps[1].clone().interpolate(fine, Interpolation::Nearest);
        let mixed = self.mix.forward(Tensor::cat(&[maps[0].clone(), coarse], 1), pass).relu();
        let logits = self.output.forward(mixed, pass);
        logits.interpolate(size, Interpolation::Bilinear { align_corners: false })
    }
}

/// Images of a bright disc on noise, with its mask.
struct Discs(u64);

impl Dataset for Discs {
    type Item = Sample;

    fn len(&self) -> usize {
        32
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let rng = &mut Generator::new(self.0 + index as u64);
        let [x, y] = [0, 1].map(|_| 12.0 + rng.uniform() * (SIDE as f64 - 24.0));
        let inside = |i: usize| ((i % SIDE) as f64 - x).hypot((i / SIDE) as f64 - y) < 11.0;
        let mask: Vec<u8> = (0..SIDE * SIDE).map(|i| inside(i).into()).collect();
        let light = Tensor::from_vec(mask.iter().map(|&m| m as f32).collect(), [1, SIDE, SIDE]);
        let image = Tensor::rand([3, SIDE, SIDE], DType::F32, rng) * 0.5 + &light;
        let mask = Mask::Classes(Image::new(SIDE, SIDE, 1, mask).into());
        Ok(Sample { image, target: Target::Mask(mask) })
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut net = Segmenter::new(2, &mut Generator::new(0))?;
    let (train, held_out) = (DataLoader::new(Discs(0), 4).shuffle(0), DataLoader::new(Discs(1000), 8));
    let trainer = Trainer::new(&mut net, Segmentation::new(2)).optimizer(AdamW::new(0.001)).epochs(3);
    let outcome = trainer.fit(&train, &held_out)?;
    println!("mean IoU: {:.3}", outcome.best().map_or(f64::NAN, |best| best.value("mean_iou")));
    Ok(())
}
