//! [`Backbone`]: a ready network up to its maps.

use crate::registry::Architecture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use striate_nn::module::join;
use striate_nn::{Classifier, Entry, EntryMut, Module, Pass};
use striate_tensor::{DType, Generator, Tensor};

/// The side of the image that a network is looked at with: all strides divide it.
const PROBE: usize = 128;

/// A layer of a network whose output is the last map of its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// The layer's name.
    pub layer: String,
    /// How many pixels of the image one of the map stands for, along each side.
    pub stride: usize,
    /// Channels of the map.
    pub channels: usize,
}

/// A ready network up to its maps: what it makes of an image at each size on the way. The layers after them are no part of it. Heads stand on it: those of the text
/// networks (`resnet18 + fpn 64 + fcos`), or your own.
///
/// ```
/// use striate_nn::Pass;
/// use striate_tensor::{DType, Generator, Tensor};
/// use striate_zoo::{Backbone, find};
///
/// let backbone = Backbone::new(find("resnet18").unwrap(), 3, &mut Generator::new(0))?;
/// assert_eq!((backbone.strides(), backbone.channels(&[8, 32])), (vec![4, 8, 16, 32], vec![128, 512]));
/// let maps = backbone.maps(Tensor::zeros([1, 3, 64, 96], DType::F32), &[8, 32], &Pass::eval());
/// assert_eq!((maps[0].shape(), maps[1].shape()), (&[1, 128, 8, 12][..], &[1, 512, 2, 3][..]));
/// # Ok::<(), String>(())
/// ```
pub struct Backbone {
    network: Box<dyn Classifier>,
    stages: Vec<Stage>,
    /// The layers after the maps.
    unused: Vec<String>,
}

impl Backbone {
    /// Of a ready network, with fresh weights.
    ///
    /// # Errors
    /// If it gives no maps at strides of 8, 16 and 32.
    pub fn new(architecture: &Architecture, in_channels: usize, rng: &mut Generator) -> Result<Backbone, String> {
        let Found { stages, unused } = look_at(architecture)?;
        let network = architecture.build_for([in_channels, PROBE, PROBE], 1, rng);
        Ok(Backbone { network, stages, unused })
    }

    /// The maps of these strides, for images `[n, c, h, w]`: the last one that the network has of each size. The side of a map is that of the image by the stride,
    /// rounded up.
    ///
    /// # Panics
    /// If it has no map of one of the strides.
    pub fn maps(&self, x: Tensor, strides: &[usize], pass: &Pass) -> Vec<Tensor> {
        let wanted: BTreeSet<String> = self.at(strides).map(|stage| stage.layer.clone()).collect();
        let (_, seen) = pass.watch(&*self.network, move |name| wanted.contains(name), || self.network.trunk(x, pass));
        let map = |stage: &Stage| {
            let last = seen.iter().rev().find(|(name, _)| *name == stage.layer);
            last.expect("a network computes the same layers each time").1.clone()
        };
        self.at(strides).map(map).collect()
    }

    /// The strides that it gives maps at, the finest first.
    pub fn strides(&self) -> Vec<usize> {
        self.stages.iter().map(|stage| stage.stride).collect()
    }

    /// Channels of the maps of these strides.
    ///
    /// # Panics
    /// If it has no map of one of them.
    pub fn channels(&self, strides: &[usize]) -> Vec<usize> {
        self.at(strides).map(|stage| stage.channels).collect()
    }

    fn at<'a>(&'a self, strides: &'a [usize]) -> impl Iterator<Item = &'a Stage> {
        strides.iter().map(|&s| {
            let stage = self.stages.iter().find(|stage| stage.stride == s);
            stage.unwrap_or_else(|| {
                panic!("Backbone: there is no map at a stride of {s}, there are {:?}", self.strides())
            })
        })
    }
}

/// What a network is as a backbone.
#[derive(Clone)]
pub(crate) struct Found {
    pub stages: Vec<Stage>,
    /// The layers after the maps.
    pub unused: Vec<String>,
}

/// The last map of each size that a network gives, finest first, which is found once in a process: of the layers that are made of several, for those give what comes after a normalization.
///
/// # Errors
/// As [`Backbone::new`].
pub(crate) fn look_at(architecture: &Architecture) -> Result<Found, String> {
    static SEEN: Mutex<BTreeMap<&str, Result<Found, String>>> = Mutex::new(BTreeMap::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.entry(architecture.name).or_insert_with(|| probe(architecture)).clone()
}

fn probe(architecture: &Architecture) -> Result<Found, String> {
    let refuse = |why: &str| Err(format!("{} {why}: take another network as the backbone", architecture.name));
    if architecture.min_size.is_none() {
        return refuse(&format!("takes {} alone", architecture.sizes()));
    }
    let [channels, ..] = architecture.input;
    let network = architecture.build_for([channels, PROBE, PROBE], 1, &mut Generator::blank());
    let pass = Pass::eval();
    let image = Tensor::zeros([1, channels, PROBE, PROBE], DType::F32);
    let (_, seen) = pass.watch(&*network, |_| true, || network.features(image, &pass));
    let stride = |output: &Tensor| match *output.shape() {
        [_, _, height, width] if height == width && height > 0 && PROBE.is_multiple_of(height) => {
            Some(PROBE / height).filter(|stride| stride.is_power_of_two())
        }
        _ => None,
    };
    // A stage or the whole of several holds maps of more sizes than a block does, which has one before and one after it.
    let holds_stages = |layer: &str| {
        let inside = seen.iter().filter(|(name, _)| is_in(name, layer));
        inside.filter_map(|(_, output)| stride(output)).collect::<BTreeSet<usize>>().len() > 2
    };
    let layers = sublayers(&*network);
    let made_of_several = |name: &str| layers.iter().filter(|layer| is_in(layer, name)).nth(1).is_some();
    let in_a_block = |layer: &str| {
        let around = seen.iter().filter(|(name, _)| name != layer && !name.is_empty() && is_in(layer, name));
        around.into_iter().any(|(name, _)| made_of_several(name) && !holds_stages(name))
    };
    let mut stages: Vec<Stage> = Vec::new();
    let mut last = 0;
    for (i, (layer, output)) in seen.iter().enumerate() {
        let Some(stride) = stride(output) else { continue };
        if layer.is_empty() || !made_of_several(layer) || holds_stages(layer) || in_a_block(layer) {
            continue;
        }
        let stage = Stage { layer: layer.clone(), stride, channels: output.size(1) };
        match stages.iter_mut().find(|known| known.stride == stage.stride) {
            Some(known) => *known = stage,
            None => stages.push(stage),
        }
        last = i;
    }
    let holds_a_stage = |layer: &str| stages.iter().any(|stage| is_in(&stage.layer, layer));
    let after = seen[last + 1..].iter().map(|(layer, _)| layer.clone()).filter(|layer| !holds_a_stage(layer));
    let unused = after.chain([network.head_name()]).collect();
    for stride in [8, 16, 32] {
        if !stages.iter().any(|stage| stage.stride == stride) {
            return refuse(&format!("gives no map at a stride of {stride}"));
        }
    }
    stages.sort_by_key(|stage| stage.stride);
    Ok(Found { stages, unused })
}

/// Whether `layer` is `part`, or in it.
fn is_in(layer: &str, part: &str) -> bool {
    layer.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The names of the layers that hold parameters themselves.
fn sublayers(network: &dyn Module) -> BTreeSet<String> {
    let mut layers = BTreeSet::new();
    network.visit("", &mut |name, _| {
        if let Some((layer, _)) = name.rsplit_once('.') {
            layers.insert(layer.to_string());
        }
    });
    layers
}

impl Module for Backbone {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.network.visit("", &mut |name, entry| {
            if !self.unused.iter().any(|layer| is_in(name, layer)) {
                f(&join(prefix, name), entry);
            }
        });
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        let unused = &self.unused;
        self.network.visit_mut("", &mut |name, entry| {
            if !unused.iter().any(|layer| is_in(name, layer)) {
                f(&join(prefix, name), entry);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{ARCHITECTURES, find};

    fn described(name: &str) -> String {
        let Found { stages, .. } = look_at(find(name).unwrap()).unwrap();
        stages.iter().map(|s| format!("{} {}×{}", s.layer, s.channels, s.stride)).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn stages_are_the_last_maps_of_each_size() {
        assert_eq!(described("resnet18"), "layer1 64×4, layer2 128×8, layer3 256×16, layer4 512×32");
        assert_eq!(
            described("mobilenet-v2"),
            "features.1 16×2, features.3 24×4, features.6 32×8, features.13 96×16, features.18 1280×32"
        );
        assert_eq!(
            described("efficientnet-lite0"),
            "_blocks.0 16×2, _blocks.2 24×4, _blocks.4 40×8, _blocks.10 112×16, _blocks.15 320×32"
        );
    }

    #[test]
    fn convolutions_after_the_last_map_are_not_computed() {
        for name in ["efficientnet-lite0", "mnasnet0-5", "resnet18", "mobilenet-v2"] {
            let backbone = Backbone::new(find(name).unwrap(), 3, &mut Generator::blank()).unwrap();
            let image = Tensor::zeros([1, 3, 64, 64], DType::F32);
            let pass = Pass::eval();
            let run = || backbone.network.trunk(image.clone(), &pass);
            let (_, seen) = pass.watch(&*backbone.network, |_| true, run);
            let wasted: Vec<&String> =
                seen.iter().map(|(layer, _)| layer).filter(|l| backbone.unused.contains(l)).collect();
            assert!(wasted.is_empty(), "{name}: {wasted:?}");
            assert_eq!(backbone.maps(image, &[8, 32], &pass)[1].shape()[2..], [2, 2], "{name}");
        }
    }

    #[test]
    fn most_networks_are_backbones_and_the_others_say_why_not() {
        let refused = ARCHITECTURES.iter().filter_map(|a| Some((a.name, look_at(a).err()?)));
        for (name, reason) in refused {
            let own_sizes = ["mnist-net", "lenet"].contains(&name);
            let no_blocks = ["vgg", "alexnet", "squeezenet", "inception"].iter().any(|family| name.starts_with(family));
            assert!(own_sizes || no_blocks, "{name}: {reason}");
            assert!(
                reason.contains(if own_sizes { "images alone" } else { "gives no map at a stride of" }),
                "{reason}"
            );
        }
    }
}
