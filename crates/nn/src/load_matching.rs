//! Weights from elsewhere: what fits is taken.

use crate::module::{EntryMut, Module};
use crate::state_dict::StateDict;
use striate_tensor::{DType, Tensor};

/// What became of the tensors of a network and of a state dict, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matched {
    /// Tensors that were taken.
    pub loaded: Vec<String>,
    /// Tensors of the network that the state dict has not. Counters of batches are not among them: old files have none.
    pub missing: Vec<String>,
    /// Tensors of the state dict that the network has not.
    pub unexpected: Vec<String>,
    /// Tensors of another shape: the name, the network's shape, the state dict's.
    pub reshaped: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// The weight of the first convolution, if its input channels were summed for grey images or spread for coloured ones, with the
    /// channels that it had and has.
    pub channels: Option<(String, usize, usize)>,
}

/// Replaces the parameters and buffers of `module` that `state` has under the same name and with the same shape (PyTorch's
/// `load_state_dict(strict=False)`, which fails where shapes differ). Floating-point values are converted to the network's type.
///
/// A first convolution for grey images takes the sum of the weights for coloured ones, whose answer to a grey image is the same; the
/// other way around each channel gets a third.
pub fn load_matching(module: &mut dyn Module, state: &StateDict) -> Matched {
    let mut matched = Matched::default();
    let mut known = Vec::new();
    let mut first_image_weight = true;
    module.visit_mut("", &mut |name, entry| {
        known.push(name.to_string());
        let own = match &entry {
            EntryMut::Parameter(p) => p.value().clone(),
            EntryMut::Buffer(b) => b.value(),
        };
        let first = first_image_weight && own.shape().len() == 4;
        first_image_weight &= !first;
        let Some(given) = state.get(name) else {
            if !name.ends_with("num_batches_tracked") {
                matched.missing.push(name.to_string());
            }
            return;
        };
        let value = if given.shape() == own.shape() {
            given.clone()
        } else if let Some(adapted) = first.then(|| adapt_channels(given, own.shape())).flatten() {
            matched.channels = Some((name.to_string(), given.size(1), own.size(1)));
            adapted
        } else {
            matched.reshaped.push((name.to_string(), own.shape().to_vec(), given.shape().to_vec()));
            return;
        };
        let value = if value.dtype() == own.dtype() { value } else { value.to_dtype(own.dtype()) };
        match entry {
            EntryMut::Parameter(p) => p.set(value),
            EntryMut::Buffer(b) => b.set(value),
        }
        matched.loaded.push(name.to_string());
    });
    matched.unexpected = state.keys().filter(|name| !known.contains(name)).cloned().collect();
    matched
}

/// A convolution's weight for 1 instead of 3 input channels, or for 3 instead of 1; none where shapes differ otherwise.
fn adapt_channels(weight: &Tensor, wanted: &[usize]) -> Option<Tensor> {
    let shape = weight.shape();
    if shape.len() != 4 || shape[0] != wanted[0] || shape[2..] != wanted[2..] {
        return None;
    }
    let weight = if weight.dtype() == DType::F64 { weight.clone() } else { weight.clone().to_dtype(DType::F32) };
    match (shape[1], wanted[1]) {
        (3, 1) => Some(weight.sum(&[1], true)),
        (1, 3) => Some(Tensor::cat(&[weight.clone(), weight.clone(), weight], 1) / 3.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, Forward, Linear, Pass, Sequential, state_dict};
    use striate_tensor::Generator;

    fn net(channels: usize, classes: usize, seed: u64) -> Sequential {
        let rng = &mut Generator::new(seed);
        Sequential::new().add(Conv2d::new(channels, 4, 3, rng)).add(Linear::new(6, classes, rng))
    }

    #[test]
    fn what_fits_is_taken_and_the_rest_is_named() {
        let mut state = state_dict(&net(1, 10, 1));
        state.insert("extra".into(), Tensor::zeros([2], DType::F32));
        state.remove("0.bias");
        let mut target = net(1, 3, 2);
        let before = state_dict(&target);
        let matched = load_matching(&mut target, &state);
        assert_eq!(matched.loaded, ["0.weight"]);
        assert_eq!(matched.missing, ["0.bias"]);
        assert_eq!(matched.unexpected, ["extra"]);
        let reshaped: Vec<&str> = matched.reshaped.iter().map(|r| r.0.as_str()).collect();
        assert_eq!(reshaped, ["1.weight", "1.bias"]);
        assert_eq!((&matched.reshaped[0].1, &matched.reshaped[0].2), (&vec![3, 6], &vec![10, 6]));
        let after = state_dict(&target);
        assert_eq!(after["0.weight"].to_vec::<f32>(), state["0.weight"].to_vec::<f32>());
        assert_eq!(after["1.weight"].to_vec::<f32>(), before["1.weight"].to_vec::<f32>());
    }

    #[test]
    fn doubles_become_what_the_network_has() {
        let state: StateDict =
            state_dict(&net(1, 3, 1)).into_iter().map(|(name, t)| (name, t.to_dtype(DType::F64))).collect();
        let mut target = net(1, 3, 2);
        assert_eq!(load_matching(&mut target, &state).loaded.len(), 4);
        assert!(state_dict(&target).values().all(|t| t.dtype() == DType::F32));
    }

    #[test]
    fn a_grey_image_gives_the_same_through_weights_for_coloured_ones() {
        let grey = Tensor::randn([1, 1, 5, 5], DType::F32, &mut Generator::new(3));
        let coloured = Tensor::cat(&[grey.clone(), grey.clone(), grey.clone()], 1);
        let first = |channels: usize, seed: u64| Conv2d::new(channels, 4, 3, &mut Generator::new(seed));
        for (from, to, seen_before, seen_now) in [(3, 1, &coloured, &grey), (1, 3, &grey, &coloured)] {
            let (old, mut new) = (first(from, 1), first(to, 2));
            let matched = load_matching(&mut new, &state_dict(&old));
            assert_eq!(matched.channels, Some(("weight".into(), from, to)));
            let want = old.forward(seen_before.clone(), &Pass::eval()).to_vec::<f32>();
            let got = new.forward(seen_now.clone(), &Pass::eval()).to_vec::<f32>();
            assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-5), "{from} to {to}: {want:?} {got:?}");
        }
    }
}
