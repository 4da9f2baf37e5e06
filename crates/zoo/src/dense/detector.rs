//! [`Detector`]: a one-stage anchor-free detector.

use super::backbone::Backbone;
use super::pyramid::Pyramid;
use striate_nn::{BatchNorm2d, Classifier, Conv2d, Forward, Linear, Module, Parameter, Pass, init};
use striate_tensor::{DType, Generator, Tensor};

/// The strides of the backbone's maps that objects are looked for in.
pub(crate) const STRIDES: [usize; 3] = [8, 16, 32];
/// Numbers for each place besides its classes: the distances to the left, top, right and bottom edge, and the centerness.
pub const BOX_VALUES: usize = 5;
/// The probability that a fresh network gives every class at every place, so that the many places without an object do not drown the others in the first steps
/// (Lin et al., Focal loss for dense object detection, 2017).
const PRIOR: f64 = 0.01;

/// An anchor-free detector on a feature pyramid, in the manner of FCOS (Tian et al., 2019): for each place of each map the logits of the classes, the distances to the
/// four edges of the box around it, and how central it is. As in YOLOX (Ge et al., 2021) the last layers are 1×1; as in EfficientDet (Tan et al., 2020) the towers'
/// convolutions are shared over the maps and their normalizations are not.
///
/// Takes `[n, c, h, w]`, gives `[n, places, classes + 5]`: the places of the finest map first, row by row.
#[derive(Module)]
pub(crate) struct Detector {
    backbone: Backbone,
    pyramid: Pyramid,
    class_tower: Tower,
    box_tower: Tower,
    head: Head,
}

impl Detector {
    /// With maps of `width` channels, towers of `convs` convolutions, and `coarser` maps beyond those of the backbone.
    pub fn new(
        backbone: Backbone,
        [width, convs, coarser]: [usize; 3],
        classes: usize,
        rng: &mut Generator,
    ) -> Detector {
        let pyramid = Pyramid::new(&backbone.channels(&STRIDES), width, coarser, rng);
        let maps = STRIDES.len() + coarser;
        let class_tower = Tower::new(width, convs, maps, rng);
        let box_tower = Tower::new(width, convs, maps, rng);
        let mut head = Head { cls: linear(width, classes, rng), reg: linear(width, BOX_VALUES, rng) };
        if let Some(bias) = &mut head.cls.bias {
            bias.set(Tensor::full(fresh_bias() as f64, [classes], DType::F32));
        }
        Detector { backbone, pyramid, class_tower, box_tower, head }
    }
}

/// The bias of a class's logit that gives it [`PRIOR`].
fn fresh_bias() -> f32 {
    -((1.0 - PRIOR) / PRIOR).ln() as f32
}

fn linear(from: usize, to: usize, rng: &mut Generator) -> Linear {
    let weight = init::normal([to, from], 0.0, PRIOR, rng);
    let bias = Tensor::zeros([to], DType::F32);
    Linear { weight: Parameter::new(weight), bias: Some(Parameter::new(bias)) }
}

forward_in_parts!(Detector);

impl Classifier for Detector {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let maps = self.pyramid.maps(self.backbone.maps(x, &STRIDES, pass), pass);
        let rows = |map: Tensor| map.flatten(2, 3).transpose(1, 2);
        let of_map = |(level, map): (usize, Tensor)| {
            let classes = self.class_tower.forward(map.clone(), level, pass);
            let boxes = self.box_tower.forward(map, level, pass);
            rows(Tensor::cat(&[classes, boxes], 1))
        };
        Tensor::cat(&maps.into_iter().enumerate().map(of_map).collect::<Vec<_>>(), 1)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        let width = features.size(2) / 2;
        let classes = self.head.cls.forward(features.clone().narrow(2, 0, width), pass);
        let boxes = self.head.reg.forward(features.narrow(2, width, width), pass);
        Tensor::cat(&[classes, boxes], 2)
    }

    fn head_name(&self) -> String {
        "head.cls".to_string()
    }

    fn fresh_head_bias(&self) -> Option<f32> {
        Some(fresh_bias())
    }
}

/// The last layers.
#[derive(Debug, Module)]
struct Head {
    cls: Linear,
    reg: Linear,
}

/// Convolutions that all maps share, each with a normalization for each map.
#[derive(Debug, Module)]
struct Tower {
    convs: Vec<Conv2d>,
    norms: Vec<Vec<BatchNorm2d>>,
}

impl Tower {
    fn new(width: usize, convs: usize, maps: usize, rng: &mut Generator) -> Tower {
        let conv = |_| crate::conv_norm::kaiming(Conv2d::options(width, width, 3).padding(1), rng);
        Tower {
            convs: (0..convs).map(conv).collect(),
            norms: (0..convs).map(|_| (0..maps).map(|_| BatchNorm2d::new(width)).collect()).collect(),
        }
    }

    fn forward(&self, map: Tensor, level: usize, pass: &Pass) -> Tensor {
        self.convs
            .iter()
            .zip(&self.norms)
            .fold(map, |x, (conv, norms)| norms[level].forward(conv.forward(x, pass), pass).relu())
    }
}
