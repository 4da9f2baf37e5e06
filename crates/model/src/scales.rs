//! Multi-scale test of a detector: each image is looked at in several sizes, and what is found in all of them is joined before boxes suppress each other.

use crate::boxes::Detection;
use crate::error::ModelError;
use crate::file::{GRAPH, Model};
use crate::places::{in_images, sizes_of};
use crate::task::TaskCard;
use std::path::Path;
use striate_graph::{Executable, RunError, capture};
use striate_imaging::{AnyImage, Preprocessing};
use striate_tensor::Tensor;

/// The network for images of another size than the model's own.
pub(crate) struct Scale {
    preprocessing: Preprocessing,
    executable: Executable,
}

/// The least and the largest factor: images of other sizes show nothing, or take more memory than there is.
const FACTORS: [f64; 2] = [0.1, 4.0];

impl Scale {
    /// For images of these times the model's own size, to the nearest multiple of the largest stride.
    ///
    /// # Errors
    /// If the model is no detector, its network takes one size alone, or a factor is not from 0.1 to 4.
    pub fn all(model: &Model, path: &Path, factors: &[f64]) -> Result<Vec<Scale>, ModelError> {
        let refuse = |reason: String| ModelError::Unusable { path: path.to_path_buf(), reason };
        let TaskCard::Detection { strides, .. } = &model.card.task else {
            return Err(refuse(format!("several sizes are for detection, and its task is {}", model.card.task.name())));
        };
        if model.card.architecture == GRAPH {
            return Err(refuse("its network is a graph for images of one size".into()));
        }
        let stride = strides.iter().copied().max().unwrap_or(1);
        let of = |&factor: &f64| {
            let [least, most] = FACTORS;
            if !(least..=most).contains(&factor) {
                let reason = format!("it cannot be run at {factor} times its size, only at {least} to {most} times");
                return Err(refuse(reason));
            }
            let side = |side: usize| ((side as f64 * factor / stride as f64).round() as usize).max(1) * stride;
            let preprocessing =
                Preprocessing { size: model.card.preprocessing.size.map(side), ..model.card.preprocessing.clone() };
            let [c, h, w] = preprocessing.output_shape();
            Ok(Scale { preprocessing, executable: Executable::new(capture(&*model.network, &[1, c, h, w])) })
        };
        factors.iter().map(of).collect()
    }

    /// What may be an object in these images, in their own pixels.
    pub fn candidates(&self, task: &TaskCard, images: &[AnyImage]) -> Result<Vec<Vec<Detection>>, RunError> {
        let inputs: Vec<Tensor> = images.iter().map(|image| self.preprocessing.apply_image(image).0).collect();
        let outputs = self.executable.try_run(&[Tensor::cat(&inputs, 0)])?.swap_remove(0);
        Ok(in_images(&self.preprocessing, task.candidates(&outputs, &self.preprocessing), &sizes_of(images)))
    }
}
