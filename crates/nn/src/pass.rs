//! A pass through a network: training or evaluation.

use crate::module::{Entry, Module};
use crate::parameter::{Buffer, LayerId, Parameter};
use crate::tap::Taps;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use striate_tensor::backend::Backend;
use striate_tensor::{Generator, Tensor};

/// What the random numbers of a training pass depend on, apart from the layer that draws them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    seed: u64,
    rank: u64,
    /// The training passes before it.
    passes: u64,
}

/// The names of a network's layers, by the identity of what they hold.
#[derive(Default)]
pub(crate) struct Names(HashMap<u64, String>);

impl Names {
    pub(crate) fn of<M: Module + ?Sized>(network: &M) -> Names {
        let mut names = HashMap::new();
        network.visit("", &mut |name, entry| {
            names.entry(entry.id()).or_insert_with(|| name.to_string());
        });
        Names(names)
    }

    /// The name of what has this identity.
    pub(crate) fn by_id(&self, id: u64) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }

    /// The name of a part of the network: what stands before the names, within the part, of all that it holds. None of a part that holds nothing.
    pub(crate) fn of_part(&self, part: &dyn Module) -> Option<&str> {
        let mut found: Option<&str> = None;
        part.visit("", &mut |within, entry| {
            if found.is_none()
                && let Some(whole) = self.by_id(entry.id())
            {
                found = whole.strip_suffix(within).map(|prefix| prefix.trim_end_matches('.'));
            }
        });
        found
    }

    /// Whether a layer has this name.
    pub(crate) fn has(&self, layer: &str) -> bool {
        let within =
            |name: &String| name == layer || name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.'));
        layer.is_empty() || self.0.values().any(within)
    }
}

/// The training passes of a network, one after the other.
///
/// ```
/// use striate_nn::{Dropout, Forward, Passes};
/// use striate_tensor::{DType, Tensor};
/// let net = Dropout::new(0.5);
/// let mut passes = Passes::new(&net, 0);
/// let mut forward = || net.forward(Tensor::ones([64], DType::F32), &passes.train()).to_vec::<f32>();
/// assert_ne!(forward(), forward());
/// ```
pub struct Passes {
    seed: u64,
    rank: u64,
    /// How many were given.
    given: u64,
    /// How many a step of the optimizer has.
    per_step: u64,
    names: Arc<Names>,
}

impl Passes {
    /// The passes of `network`. Their random numbers depend on `seed`, on how many passes there were before, on the layer's name, and on nothing else.
    pub fn new<M: Module + ?Sized>(network: &M, seed: u64) -> Passes {
        Passes { seed, rank: 0, given: 0, per_step: 1, names: Arc::new(Names::of(network)) }
    }

    /// The passes of one process of several that train together: each rank draws random numbers of its own.
    pub fn rank(mut self, rank: u64) -> Passes {
        self.rank = rank;
        self
    }

    /// The passes after the first `passes` ones, to go on where a training stopped.
    pub fn resume(mut self, passes: u64) -> Passes {
        self.given = passes;
        self
    }

    /// The passes of a training in which a step of the optimizer adds up the gradients of this many batches.
    pub fn accumulate(mut self, batches: u64) -> Passes {
        self.per_step = batches;
        self
    }

    /// The next training pass: dropout on, batch statistics, gradients recorded.
    pub fn train(&mut self) -> Pass {
        self.given += 1;
        self.number(self.given - 1)
    }

    /// The training pass of one batch of a step, both counted from 0: of a training whose steps can be repeated, or leave out a batch.
    pub fn of_step(&self, step: u64, batch: u64) -> Pass {
        self.number(step * self.per_step + batch)
    }

    fn number(&self, passes: u64) -> Pass {
        let key = Key { seed: self.seed, rank: self.rank, passes };
        Pass { names: Some(self.names.clone()), ..Pass::new(Some(key)) }
    }
}

/// The outputs of some layers of a part of a network.
struct Watch {
    names: Names,
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    seen: Vec<(String, Tensor)>,
}

impl Watch {
    fn observe(&mut self, layer: &dyn Module, y: &Tensor) {
        if let Some(name) = self.names.of_part(layer)
            && (self.wanted)(name)
        {
            self.seen.push((name.to_string(), y.clone()));
        }
    }
}

/// One way through a network. It decides what layers do that behave differently in training, whether gradients are recorded, and
/// which random numbers are drawn: there is no mode flag on the network to forget.
pub struct Pass {
    /// None in evaluation.
    key: Option<Key>,
    names: Option<Arc<Names>>,
    /// How often each layer has drawn random numbers, those without a name together.
    draws: Mutex<HashMap<u64, u64>>,
    taps: Option<Taps>,
    /// The innermost part that is watched comes last.
    watches: Mutex<Vec<Watch>>,
    place: Option<Arc<dyn Backend>>,
    statistics: Statistics,
    dropout: f64,
}

/// What batch normalization does in a training pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Statistics {
    /// It normalizes by the batch, and the running statistics follow.
    #[default]
    OfBatch,
    /// It normalizes by the running statistics and leaves them as they are, as PyTorch's does in a network in training whose batch-norm layers are
    /// in evaluation.
    Frozen,
}

impl Pass {
    fn new(key: Option<Key>) -> Self {
        Pass {
            key,
            names: None,
            draws: Mutex::default(),
            taps: None,
            watches: Mutex::default(),
            place: None,
            statistics: Statistics::OfBatch,
            dropout: 1.0,
        }
    }

    /// A single training pass: dropout on, batch statistics, gradients recorded. It draws the same random numbers each time; the passes of a training, which
    /// must not, come from [`Passes`].
    pub fn train(seed: u64) -> Self {
        Pass::new(Some(Key { seed, rank: 0, passes: 0 }))
    }

    /// An evaluation pass: dropout off, running statistics, nothing recorded.
    pub fn eval() -> Self {
        Pass::new(None)
    }

    /// This pass with every parameter handed to `backend` first.
    pub fn on(mut self, backend: Arc<dyn Backend>) -> Self {
        self.place = Some(backend);
        self
    }

    /// This pass with another way of batch normalization; evaluation stays as it is.
    pub fn statistics(mut self, statistics: Statistics) -> Self {
        self.statistics = statistics;
        self
    }

    /// This pass with the rates of all dropout layers multiplied by this: dropout is off at 0.
    ///
    /// # Panics
    /// If the factor is not from 0 to 1.
    pub fn dropout_scale(mut self, factor: f64) -> Self {
        assert!((0.0..=1.0).contains(&factor), "Pass::dropout_scale: the factor must be from 0 to 1, got {factor}");
        self.dropout = factor;
        self
    }

    /// This pass, keeping the outputs of some layers of `network` and the gradients of these: see [`Pass::output`] and [`Pass::gradient`]. Layers are named as
    /// their parameters begin: `layer4`, `features.0`, `fc`. In evaluation, gradients flow from the tapped layers on.
    ///
    /// ```
    /// use striate_nn::{Conv2d, Flatten, Forward, Linear, Pass, ReLU, Sequential};
    /// use striate_tensor::{DType, Generator, Tensor};
    /// let rng = &mut Generator::new(0);
    /// let net = Sequential::new()
    ///     .add(Conv2d::new(1, 4, 3, rng))
    ///     .add(ReLU)
    ///     .add(Flatten::default())
    ///     .add(Linear::new(4 * 36, 3, rng));
    /// let pass = Pass::eval().tap(&net, &["0"]);
    /// let scores = net.forward(Tensor::ones([1, 1, 8, 8], DType::F32), &pass);
    /// assert_eq!(pass.output("0").unwrap().shape(), [1, 4, 6, 6]);
    /// scores.select(1, 2).sum_all().backward();
    /// assert_eq!(pass.gradient("0").unwrap().shape(), [1, 4, 6, 6]);
    /// ```
    ///
    /// # Panics
    /// If the network has no layer of such a name.
    pub fn tap<M: Module + ?Sized>(mut self, network: &M, layers: &[&str]) -> Self {
        let names = Names::of(network);
        for layer in layers {
            assert!(names.has(layer), "Pass::tap: the network has no layer '{layer}' whose parameters' names begin so");
        }
        self.taps = Some(Taps::new(names, layers));
        self
    }

    /// The output of a tapped layer: of its last call in this pass.
    pub fn output(&self, layer: &str) -> Option<Tensor> {
        self.taps.as_ref()?.output(layer)
    }

    /// The gradient with respect to the output of a tapped layer, after a backward pass.
    pub fn gradient(&self, layer: &str) -> Option<Tensor> {
        self.taps.as_ref()?.gradient(layer)
    }

    /// What goes on from a layer whose output is `y`: `y`, which is kept if the layer is tapped. Layers and networks call it for their parts, so that these can be
    /// tapped.
    pub fn observe(&self, layer: &dyn Module, y: Tensor) -> Tensor {
        let y = match &self.taps {
            None => y,
            Some(taps) => taps.observe(layer, y),
        };
        for watch in &mut *self.watches() {
            watch.observe(layer, &y);
        }
        y
    }

    /// Runs `run`, and gives what it gives with the outputs of the layers of `part` that `wanted` takes by their names within it, in the order in which they were
    /// computed. Gradients flow through them: what a backbone gives at several strides goes on into other layers. A `part` within another may be
    /// watched as well.
    pub fn watch<T>(
        &self,
        part: &dyn Module,
        wanted: impl Fn(&str) -> bool + Send + 'static,
        run: impl FnOnce() -> T,
    ) -> (T, Vec<(String, Tensor)>) {
        self.watches().push(Watch { names: Names::of(part), wanted: Box::new(wanted), seen: Vec::new() });
        let result = run();
        let seen = self.watches().pop().map_or_else(Vec::new, |watch| watch.seen);
        (result, seen)
    }

    fn watches(&self) -> MutexGuard<'_, Vec<Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a layer with the dropout rate `p` leaves out in this pass.
    pub fn dropout_rate(&self, p: f64) -> f64 {
        p * self.dropout
    }

    /// Whether batch normalization goes by the batch.
    pub fn uses_batch_statistics(&self) -> bool {
        self.is_train() && self.statistics == Statistics::OfBatch
    }

    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        self.key.is_some()
    }

    /// The value of `parameter`, with its gradient recorded in a training pass.
    pub fn parameter(&self, parameter: &Parameter) -> Tensor {
        let value = match &self.place {
            Some(backend) => backend.upload(parameter.value().array(), Some(parameter.id())).into(),
            None => parameter.value().clone(),
        };
        if self.is_train() { value.leaf(parameter.id()) } else { value }
    }

    /// The value of `buffer` in this pass.
    pub fn buffer(&self, buffer: &Buffer) -> Tensor {
        match &self.place {
            Some(backend) => backend.upload(buffer.value().array(), Some(buffer.id())).into(),
            None => buffer.value(),
        }
    }

    /// A constant of the network where this pass computes.
    pub fn constant(&self, value: Tensor) -> Tensor {
        match &self.place {
            Some(backend) => backend.upload(value.array(), None).into(),
            None => value,
        }
    }

    /// The random numbers of a layer in this pass; none in evaluation. They depend on seed, rank, the number of the pass, the layer's name, and how often the layer was called before
    /// in this pass. Layers that are not in the network of [`Passes::new`] have one name.
    pub fn generator(&self, layer: &LayerId) -> Option<Generator> {
        let Key { seed, rank, passes } = self.key?;
        let name = self.names.as_ref().and_then(|names| names.by_id(layer.id())).map_or(0, hash);
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let count = draws.entry(name).or_default();
        *count += 1;
        let call = name.wrapping_add((*count - 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Some(Generator::keyed([seed, DROPOUT_STREAM ^ rank << 32, passes, call]))
    }
}

/// Tells the random numbers of passes from those of initializers and shuffles under the same seed.
const DROPOUT_STREAM: u64 = 0x7061_7373;

/// FNV-1a (Fowler, Noll and Vo), so that a name gives the same number in every build.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

impl Entry<'_> {
    /// The identity of what it is.
    fn id(&self) -> u64 {
        match self {
            Entry::Parameter(p) => p.id(),
            Entry::Buffer(b) => b.id(),
            Entry::Layer(l) => l.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conv2d, Forward, Sequential};
    use striate_tensor::DType;

    #[test]
    fn a_part_within_another_is_watched_by_both() {
        let rng = &mut Generator::new(0);
        let inner = Sequential::new().add(Conv2d::new(1, 2, 1, rng)).add(Conv2d::new(2, 1, 1, rng));
        let outer = Sequential::new().add(inner);
        let pass = Pass::eval();
        let run = || outer.forward(Tensor::ones([1, 1, 2, 2], DType::F32), &pass);
        let inside = || pass.watch(&outer, |name| name == "0.1", run);
        let ((_, within), all) = pass.watch(&outer, |name| !name.is_empty(), inside);
        let names = |seen: Vec<(String, Tensor)>| seen.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(names(within).iter().all(|name| name == "0.1"));
        let all = names(all);
        assert!(["0.0", "0.1", "0"].iter().all(|name| all.iter().any(|seen| seen == name)), "{all:?}");
        assert!(pass.watches().is_empty());
    }
}
