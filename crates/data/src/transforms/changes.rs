//! [`RandomChanges`]: what augmentations make of the samples of a data set.

use super::augment::Augmentations;
use super::mix::Mixer;
use crate::target::Target;
use striate_imaging::{Filter, Image, Scale};
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

    /// The image as it is in an epoch, given that and the sample's number; of so many channels and of `size` (height and width). `whole`
    /// gives it at that size where no random part of it is wanted.
    pub fn apply<T: Scale>(
        &self,
        image: &Image<T>,
        (channels, size): (usize, [usize; 2]),
        filter: Filter,
        (epoch, index): (usize, usize),
        whole: impl FnOnce() -> Image<T>,
    ) -> Image<T> {
        let rng = &mut Augmentations::generator(self.seed, epoch, index);
        let part = self.augmentations.part(image, size, filter, rng);
        self.augmentations.apply(part.unwrap_or_else(whole).into_channels(channels), rng)
    }

    /// Whether images of a batch are mixed with each other.
    pub fn mixes(&self) -> bool {
        self.mixer.is_some()
    }

    /// Mixes the images of a batch as [`Mixer::mix`] does, if they are to be.
    pub fn mix(
        &self,
        values: &mut [f32],
        size: [usize; 3],
        targets: &[Target],
        epoch: usize,
        first: usize,
    ) -> Option<Tensor> {
        let mixer = self.mixer.filter(|_| epoch < self.mix_until);
        mixer.map(|mixer| mixer.mix(values, size, targets, epoch, first))
    }
}
