//! Maps of a layer's output: Grad-CAM and its kin, as pytorch-grad-cam computes them.

use super::error::ExplainError;
use super::maps::{resized, scaled};
use super::method::Method;
use super::network::{AtLayer, Cut, Network};
use super::target::Aim;
use striate_graph::Executable;
use striate_tensor::Tensor;
use striate_tensor::op::{Interpolation, Resize};

/// What keeps a division from one by 0, as in pytorch-grad-cam: of Grad-CAM++, and of Score-CAM.
const PLUS_PLUS_EPS: f32 = 1e-6;
const SCORE_EPS: f64 = 1e-8;

/// A layer's output `[1, c, h, w]`, or its gradient, as numbers.
struct Maps {
    values: Vec<f32>,
    size: [usize; 2],
}

impl Maps {
    fn of(tensor: &Tensor) -> Maps {
        let [_, _, h, w] = tensor.shape()[..] else { unreachable!("the layer was checked") };
        Maps { values: tensor.to_vec(), size: [h, w] }
    }

    fn channels(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.size[0] * self.size[1])
    }

    /// The sum of all channels, each times its weight.
    fn weighed(&self, weights: &[f32]) -> Vec<f32> {
        let mut sum = vec![0.0; self.size[0] * self.size[1]];
        for (channel, weight) in self.channels().zip(weights) {
            sum.iter_mut().zip(channel).for_each(|(sum, x)| *sum += weight * x);
        }
        sum
    }
}

/// A layer's output, with what the network makes of it and the gradient of the target.
pub(crate) struct Looked {
    activations: Maps,
    gradients: Maps,
}

/// Runs the network up to the layer without gradients and from it on with them. `aim` says what is explained of the outputs.
pub(crate) fn look(
    network: &Network,
    cut: &Cut,
    x: &Tensor,
    aim: impl FnOnce(&Tensor) -> Result<Aim, ExplainError>,
) -> Result<(Looked, Tensor, Aim), ExplainError> {
    let at: AtLayer = network.run_before(cut, x).map_err(ExplainError::Run)?;
    let output = at.output.clone().requires_grad();
    let outputs = network.run_after(cut, &at, output.clone());
    let aim = aim(&outputs.detach())?;
    let value = aim.values(outputs.clone()).sum_all();
    let gradient = if value.has_grad() { value.backward().get(&output) } else { None };
    let gradient = gradient.unwrap_or_else(|| Tensor::full_like(&output, 0.0));
    Ok((Looked { activations: Maps::of(&output), gradients: Maps::of(&gradient) }, outputs.detach(), aim))
}

/// The map of a method with gradients, at the layer's size.
pub(crate) fn by_gradient(method: Method, looked: &Looked) -> Vec<f32> {
    let Looked { activations, gradients } = looked;
    let pixels = (activations.size[0] * activations.size[1]) as f32;
    match method {
        Method::GradCam => {
            let weights: Vec<f32> = gradients.channels().map(|g| g.iter().sum::<f32>() / pixels).collect();
            activations.weighed(&weights)
        }
        Method::GradCamPlusPlus => {
            let weight = |(gradient, channel): (&[f32], &[f32])| {
                let sum: f32 = channel.iter().sum();
                let part = |&g: &f32| match g {
                    0.0 => 0.0,
                    g => g.max(0.0) * (g * g / (2.0 * g * g + sum * g * g * g + PLUS_PLUS_EPS)),
                };
                gradient.iter().map(part).sum::<f32>()
            };
            let weights: Vec<f32> = gradients.channels().zip(activations.channels()).map(weight).collect();
            activations.weighed(&weights)
        }
        Method::LayerCam => {
            let mut sum = vec![0.0; activations.size[0] * activations.size[1]];
            for (gradient, channel) in gradients.channels().zip(activations.channels()) {
                sum.iter_mut().zip(gradient.iter().zip(channel)).for_each(|(sum, (g, x))| *sum += g.max(0.0) * x);
            }
            sum
        }
        other => unreachable!("{other} has no layer with gradients"),
    }
}

/// The map of Score-CAM, at the layer's size: each channel, scaled to the image, is laid over it, and weighed by the softmax of what the network then says.
pub(crate) fn by_score(
    network: &Network,
    whole: &Executable,
    cut: &Cut,
    x: &Tensor,
    aim: &Aim,
) -> Result<Vec<f32>, ExplainError> {
    let at = network.run_before(cut, x).map_err(ExplainError::Run)?;
    let [_, channels, _, _] = at.output.shape()[..] else { unreachable!("the layer was checked") };
    let [_, _, h, w] = x.shape()[..] else { unreachable!("images have four dimensions") };
    let [_, batch] = network.batches();
    let mut scores = Vec::with_capacity(channels);
    for from in (0..channels).step_by(batch) {
        let n = batch.min(channels - from);
        let few = at.output.clone().narrow(1, from, n).permute(&[1, 0, 2, 3]);
        let masks = few.interpolate(Resize::Size([h, w]), Interpolation::Bilinear { align_corners: true });
        let flat = masks.reshape([n, h * w]);
        let (most, least) = (flat.clone().max_keepdim(&[1]), flat.clone().min_keepdim(&[1]));
        let masks = ((flat - &least) / &(most - &least + SCORE_EPS)).reshape([n, 1, h, w]);
        let outputs = whole.try_run(&[masks * x]).map_err(|e| ExplainError::Run(e.to_string()))?.swap_remove(0);
        scores.extend(aim.values(outputs).to_vec::<f32>());
    }
    let weights = Tensor::from_vec(scores, [channels]).softmax(0).to_vec::<f32>();
    Ok(Maps::of(&at.output).weighed(&weights))
}

/// A map at the network's size: what speaks for the target, from 0 to 1.
pub(crate) fn finished(mut map: Vec<f32>, from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    map.iter_mut().for_each(|x| *x = x.max(0.0));
    scaled(&mut map);
    let mut map = resized(&map, from, to);
    scaled(&mut map);
    map
}
