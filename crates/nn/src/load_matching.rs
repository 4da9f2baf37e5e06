//! Weights from elsewhere: what fits is taken.

use crate::module::{Entry, EntryMut, Module};
use crate::state_dict::StateDict;
use std::collections::HashSet;
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
    /// Tensors of whole numbers where the network has others: the name, the network's type, the state dict's.
    pub retyped: Vec<(String, DType, DType)>,
    /// The weight of the first convolution, if its input channels were summed for grey images or spread for coloured ones, with the
    /// channels that it had and has.
    pub channels: Option<(String, usize, usize)>,
}

/// What a network would take of a state dict.
pub struct Fit {
    /// What would become of the tensors.
    pub matched: Matched,
    values: StateDict,
}

impl Fit {
    /// The parameters and buffers of `module` that `state` has under the same name and with the same shape. Floating-point values are
    /// converted to the network's type; counters of batches to its type and shape.
    pub fn of(module: &dyn Module, state: &StateDict) -> Fit {
        let (mut matched, mut values) = (Matched::default(), StateDict::new());
        let mut known = HashSet::new();
        let mut first_image_weight = true;
        module.visit("", &mut |name, entry| {
            known.insert(name.to_string());
            let own = match entry {
                Entry::Parameter(p) => p.value().clone(),
                Entry::Buffer(b) => b.value(),
                Entry::Layer(_) => return,
            };
            let first = first_image_weight && own.shape().len() == 4;
            first_image_weight &= !first;
            let counter = name.ends_with("num_batches_tracked");
            let Some(given) = state.get(name) else {
                if !counter {
                    matched.missing.push(name.to_string());
                }
                return;
            };
            let value = if given.shape() == own.shape() {
                given.clone()
            } else if counter && given.numel() == own.numel() {
                given.clone().reshape(own.shape())
            } else if let Some(adapted) = first.then(|| adapt_channels(given, own.shape())).flatten() {
                matched.channels = Some((name.to_string(), given.size(1), own.size(1)));
                adapted
            } else {
                matched.reshaped.push((name.to_string(), own.shape().to_vec(), given.shape().to_vec()));
                return;
            };
            if own.dtype().is_float() && !given.dtype().is_float() {
                matched.retyped.push((name.to_string(), own.dtype(), given.dtype()));
                return;
            }
            let value = if value.dtype() == own.dtype() { value } else { value.to_dtype(own.dtype()) };
            values.insert(name.to_string(), value);
            matched.loaded.push(name.to_string());
        });
        matched.unexpected = state.keys().filter(|name| !known.contains(*name)).cloned().collect();
        Fit { matched, values }
    }

    /// The first tensor to be taken whose numbers no network can go on from, with what is wrong with it.
    pub fn fault(&self) -> Option<(&str, String)> {
        self.values.iter().find_map(|(name, value)| Some((name.as_str(), number_fault(name, value)?)))
    }

    /// Replaces the parameters and buffers of `module`, which is the one that this is of.
    pub fn load(self, module: &mut dyn Module) -> Matched {
        module.visit_mut("", &mut |name, entry| {
            let Some(value) = self.values.get(name) else { return };
            match entry {
                EntryMut::Parameter(p) => p.set(value.clone()),
                EntryMut::Buffer(b) => b.set(value.clone()),
            }
        });
        self.matched
    }
}

/// Replaces the parameters and buffers of `module` that `state` has under the same name and with the same shape (PyTorch's
/// `load_state_dict(strict=False)`, which fails where shapes differ). Floating-point values are converted to the network's type.
///
/// A first convolution for grey images takes the sum of the weights for coloured ones, whose answer to a grey image is the same; the
/// other way around each channel gets a third.
pub fn load_matching(module: &mut dyn Module, state: &StateDict) -> Matched {
    Fit::of(module, state).load(module)
}

/// What is wrong with the numbers of a network's tensor of this name, if no network can go on from them: NaN, infinite values, negative
/// variances.
pub fn number_fault(name: &str, tensor: &Tensor) -> Option<String> {
    if !tensor.dtype().is_float() {
        return None;
    }
    let variance = name.rsplit('.').next() == Some("running_var");
    if tensor.is_finite() && !variance {
        return None;
    }
    let values: Vec<f64> = match tensor.dtype() {
        DType::F32 => tensor.to_vec::<f32>().into_iter().map(f64::from).collect(),
        _ => tensor.detach().to_dtype(DType::F64).to_vec(),
    };
    let count = |wrong: fn(f64) -> bool| values.iter().filter(|&&value| wrong(value)).count();
    let negative = if variance { count(|x| x < 0.0) } else { 0 };
    let kinds = [(count(f64::is_nan), "NaN"), (count(f64::is_infinite), "infinite"), (negative, "negative")];
    let (wrong, what) = kinds.into_iter().find(|(n, _)| *n > 0)?;
    let verb = if wrong == 1 { "is" } else { "are" };
    Some(format!("{wrong} of its {} values {verb} {what}", values.len()))
}

/// A convolution's weight for 1 instead of 3 input channels, or for 3 instead of 1; none where shapes differ otherwise.
fn adapt_channels(weight: &Tensor, wanted: &[usize]) -> Option<Tensor> {
    let shape = weight.shape();
    if shape.len() != 4 || shape[0] != wanted[0] || shape[2..] != wanted[2..] {
        return None;
    }
    let weight = if weight.dtype() == DType::F64 { weight.clone() } else { weight.clone().to_dtype(DType::F32) };
    match (shape[1], wanted[1]) {
        (3, 1) => Some(weight.sum_keepdim(&[1])),
        (1, 3) => Some(Tensor::cat(&[weight.clone(), weight.clone(), weight], 1) / 3.0),
        _ => None,
    }
}

/// The first tensor whose numbers no network can go on from, and what is wrong with them.
pub fn first_fault<'a>(tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>) -> Option<(&'a str, String)> {
    tensors.into_iter().find_map(|(name, value)| Some((name.as_str(), number_fault(name, value)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchNorm2d, Conv2d, Forward, Linear, Pass, Sequential, load_state_dict, state_dict};
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
    fn halves_become_what_the_network_has() {
        let source = state_dict(&net(1, 3, 1));
        for half in [DType::F16, DType::BF16] {
            let state: StateDict = source.iter().map(|(name, t)| (name.clone(), t.clone().to_dtype(half))).collect();
            let wide = |name: &str| state[name].clone().to_dtype(DType::F32).to_vec::<f32>();
            let (mut a, mut b) = (net(1, 3, 2), net(1, 3, 2));
            assert_eq!(load_matching(&mut a, &state).loaded.len(), 4);
            load_state_dict(&mut b, &state).unwrap();
            for own in [state_dict(&a), state_dict(&b)] {
                for (name, t) in own {
                    assert_eq!(t.to_vec::<f32>(), wide(&name), "{name}");
                }
            }
            let mut grey = net(3, 3, 2);
            assert_eq!(load_matching(&mut grey, &state).channels, Some(("0.weight".into(), 1, 3)));
        }
        let bad = StateDict::from([("0.bias".into(), Tensor::full(f64::NAN, [4], DType::F16))]);
        assert_eq!(number_fault("0.bias", &bad["0.bias"]).as_deref(), Some("4 of its 4 values are NaN"));
    }

    #[test]
    fn small_integers_become_counters() {
        let mut norm = BatchNorm2d::new(1);
        let mut state = state_dict(&norm);
        state.insert("num_batches_tracked".into(), Tensor::from_vec(vec![7i32], []));
        load_state_dict(&mut norm, &state).unwrap();
        assert_eq!(state_dict(&norm)["num_batches_tracked"].to_vec::<i64>(), [7]);
    }

    #[test]
    fn counters_are_taken_in_any_form_and_whole_numbers_are_no_weights() {
        let rng = &mut Generator::new(0);
        let mut net = Sequential::new().add(Conv2d::new(1, 4, 3, rng)).add(BatchNorm2d::new(4));
        for counter in [
            Tensor::from_vec(vec![7i64], []),
            Tensor::from_vec(vec![7i64], [1]),
            Tensor::from_vec(vec![7.0f32], []),
            Tensor::from_vec(vec![7.0f32], [1]),
        ] {
            let matched = load_matching(&mut net, &StateDict::from([("1.num_batches_tracked".into(), counter)]));
            assert_eq!((matched.loaded.len(), matched.reshaped.len()), (1, 0));
            let counted = &state_dict(&net)["1.num_batches_tracked"];
            assert_eq!((counted.shape(), counted.to_vec::<i64>()), (&[][..], vec![7]));
        }
        let before = state_dict(&net)["0.bias"].to_vec::<f32>();
        let whole = StateDict::from([("0.bias".into(), Tensor::from_vec(vec![1i64, 2, 3, 4], [4]))]);
        let matched = load_matching(&mut net, &whole);
        assert_eq!(matched.retyped, [("0.bias".to_string(), DType::F32, DType::I64)]);
        assert_eq!(state_dict(&net)["0.bias"].to_vec::<f32>(), before);
    }

    #[test]
    fn numbers_that_are_none_are_found_in_what_is_taken() {
        let rng = &mut Generator::new(0);
        let net = Sequential::new().add(Conv2d::new(1, 4, 3, rng)).add(BatchNorm2d::new(4));
        let with = |name: &str, values: [f32; 4]| {
            let state = StateDict::from([(name.to_string(), Tensor::from_vec(values.to_vec(), [4]))]);
            Fit::of(&net, &state).fault().map(|(name, fault)| format!("{name}: {fault}"))
        };
        for (name, values, fault) in [
            ("0.bias", [1.0, f32::NAN, 2.0, 3.0], "1 of its 4 values is NaN"),
            ("0.bias", [f32::INFINITY, f32::NEG_INFINITY, 2.0, 3.0], "2 of its 4 values are infinite"),
            ("1.running_mean", [f32::NAN; 4], "4 of its 4 values are NaN"),
            ("1.running_var", [1.0, -0.5, 2.0, 3.0], "1 of its 4 values is negative"),
            ("1.running_var", [1.0, f32::NAN, -1.0, 3.0], "1 of its 4 values is NaN"),
        ] {
            assert_eq!(with(name, values), Some(format!("{name}: {fault}")));
        }
        for (name, values) in [
            ("0.bias", [-1.0, 0.0, f32::MAX, f32::MIN_POSITIVE]),
            ("1.running_var", [0.0, -0.0, 1.0, 2.0]),
            ("1.running_mean", [-1.0; 4]),
            ("other.bias", [f32::NAN; 4]),
        ] {
            assert_eq!(with(name, values), None, "{name}");
        }
        // A double beyond the range of the network's numbers.
        let state = StateDict::from([("0.bias".into(), Tensor::from_vec(vec![1e300f64, 0.0, 0.0, 0.0], [4]))]);
        assert!(Fit::of(&net, &state).fault().is_some());
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
