//! [`RandomChanges`]: what augmentations make of the samples of a data set.

use super::augment::Augmentations;
use super::compose::{Kept, fitted, mosaic, part};
use super::mix::Mixer;
use super::targets::Targets;
use crate::target::{Target, TargetKind};
use striate_imaging::{Image, Preprocessing, Scale};
use striate_tensor::Tensor;

/// Random changes, and what their numbers come from: the seed, the epoch and the sample's number alone.
#[derive(Clone)]
pub(crate) struct RandomChanges {
    augmentations: Augmentations,
    mixer: Option<Mixer>,
    /// The epoch from which images are not mixed any more.
    mix_until: usize,
    seed: u64,
}

impl RandomChanges {
    /// `classes` is how many there are, for labels of mixed images.
    pub fn new(augmentations: Augmentations, classes: usize, seed: u64) -> RandomChanges {
        let mixer = Mixer::new(&augmentations, classes, seed);
        RandomChanges { augmentations, mixer, mix_until: usize::MAX, seed }
    }

    /// Without mixing from an epoch on.
    pub fn mix_until(&self, epoch: usize) -> RandomChanges {
        RandomChanges { mix_until: epoch, ..self.clone() }
    }

    /// The image as it is in an epoch, given that and the sample's number, at the size and with the channels that `p` says, and its targets
    /// moved alike. `other` gives one of `n` samples, for a mosaic.
    pub fn apply<T: Scale>(
        &self,
        image: &Image<T>,
        targets: Targets,
        p: &Preprocessing,
        (epoch, index): (usize, usize),
        (n, other): (usize, &dyn Fn(usize) -> Option<Kept>),
    ) -> (Image<T>, Targets) {
        let rng = &mut Augmentations::generator(self.seed, epoch, index);
        let all = &self.augmentations;
        let targets = targets.within([image.width, image.height]);
        let four = all.mosaic.is_some_and(|probability| rng.uniform() < probability);
        // A class or numbers of one image are not those of four.
        let four = four && epoch < self.mix_until && !matches!(targets, Targets::None);
        let (image, mut targets) = if four {
            mosaic(image, &targets, p, all.scale_jitter, (n, other), rng)
        } else if let Some(least) = all.crop_resize {
            part(image, &targets, p, least, rng)
        } else {
            fitted(image, &targets, p, all.scale_jitter, rng)
        };
        let image = all.apply_with(image.into_channels(p.channels), &mut targets, rng);
        (image, targets)
    }

    /// Whether images of a batch are mixed with each other.
    pub fn mixes(&self) -> bool {
        self.mixer.is_some()
    }

    /// Mixes the images of a batch as [`Mixer::mix`] does, if they are to be and have targets that can be.
    pub fn mix(
        &self,
        values: &mut [f32],
        size: [usize; 3],
        targets: &[Target],
        epoch: usize,
        first: usize,
    ) -> Option<Tensor> {
        let placed = |target: &Target| matches!(target.kind(), TargetKind::Objects | TargetKind::Mask);
        let mixer = self.mixer.filter(|_| epoch < self.mix_until && !targets.iter().any(placed));
        mixer.map(|mixer| mixer.mix(values, size, targets, epoch, first))
    }
}
