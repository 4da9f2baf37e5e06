//! Averaged weights.

use crate::module::{EntryMut, Module};
use crate::state_dict::{StateDict, StateDictError, check_state_dict, state_dict, widen_state_dict};
use striate_tensor::{Tensor, Update};

/// An exponential moving average of a network's weights, which is often better than the weights themselves
/// (`torch.optim.swa_utils.AveragedModel` with `get_ema_multi_avg_fn`; Polyak and Juditsky, 1992).
///
/// Running statistics are averaged too; buffers that hold no floating-point numbers are copied.
pub struct Ema {
    decay: f64,
    warmup: bool,
    updates: u64,
    average: StateDict,
}

impl Ema {
    /// An average that starts as the weights of `model`. `decay` is how much of it remains at an update, such as 0.999.
    ///
    /// # Panics
    /// If the decay is not from 0 to 1.
    pub fn new(model: &dyn Module, decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "Ema: the decay is {decay}, it must be from 0 to 1");
        Ema { decay, warmup: false, updates: 0, average: state_dict(model) }
    }

    /// With a decay that grows with the number of updates t (from 0), min(decay, (1 + t) / (10 + t)), so that the weights that training
    /// started from are forgotten soon (as in TensorFlow's `ExponentialMovingAverage` with `num_updates`).
    pub fn warmup(mut self, warmup: bool) -> Self {
        self.warmup = warmup;
        self
    }

    /// How much of the average remains at the next update.
    pub fn next_decay(&self) -> f64 {
        let t = self.updates as f64;
        if self.warmup { self.decay.min((1.0 + t) / (10.0 + t)) } else { self.decay }
    }

    /// Takes in the weights of `model`. Call it after each step of the optimizer.
    ///
    /// # Panics
    /// If `model` is another network than the average was made for.
    pub fn update(&mut self, model: &dyn Module) {
        let step = Update::Lerp(1.0 - self.next_decay());
        for (name, value) in state_dict(model) {
            let average = self.average.get_mut(&name);
            let average = average.unwrap_or_else(|| panic!("Ema::update: the average has no tensor '{name}'"));
            if value.dtype().is_float() {
                average.update(&step, &value, &mut []);
            } else {
                *average = value;
            }
        }
        self.updates += 1;
    }

    /// Exchanges the average and the weights of `model`: once to evaluate or save the averaged network, once more to train on.
    ///
    /// # Panics
    /// If `model` is another network than the average was made for.
    pub fn swap(&mut self, model: &mut dyn Module) {
        let averages = &mut self.average;
        model.visit_mut("", &mut |name, entry| {
            let average = averages.get_mut(name);
            let average: &mut Tensor =
                average.unwrap_or_else(|| panic!("Ema::swap: the average has no tensor '{name}'"));
            match entry {
                EntryMut::Parameter(p) => std::mem::swap(p.value_mut(), average),
                EntryMut::Buffer(b) => {
                    let own = b.value();
                    b.set(std::mem::replace(average, own));
                }
            }
        });
    }

    /// The averages by name, and how many updates they hold.
    pub fn state(&self) -> (&StateDict, u64) {
        (&self.average, self.updates)
    }

    /// Goes on from an earlier state. On an error nothing has changed.
    pub fn set_state(&mut self, average: StateDict, updates: u64) -> Result<(), StateDictError> {
        let average = widen_state_dict(&self.average, &average);
        check_state_dict(&self.average, &average)?;
        self.average = average;
        self.updates = updates;
        Ok(())
    }
}
