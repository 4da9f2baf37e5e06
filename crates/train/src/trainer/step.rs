//! One step: forward, backward, update.

use crate::error::TrainError;
use crate::events::Event;
use crate::metrics::Detail;
use crate::metrics_csv::Row;
use crate::state::Tally;
use crate::task::Task;
use crate::trainer::faults::LastStep;
use crate::trainer::fit::Loop;
use striate_data::DataError;
use striate_imaging::Split;
use striate_nn::optim::{Accumulator, clip_grad_norm, grad_norm};
use striate_nn::{Module, Pass};
use striate_tensor::{Gradients, profile};

impl<N: Module, T: Task<N>> Loop<'_, '_, N, T> {
    /// One update from the next batches, or what is left of the epoch; says whether there was any.
    pub fn step(
        &mut self,
        batches: &mut dyn Iterator<Item = Result<T::Batch, DataError>>,
        steps: Option<usize>,
    ) -> Result<bool, TrainError> {
        let accumulate = self.settings.accumulate;
        let mut sum = Tally::new(self.task.metrics(Detail::Running));
        let mut taken = 0;
        let mut accumulator = Accumulator::new();
        let mut names = Vec::new();
        profile::phase("data");
        let Some(first) = batches.next() else {
            profile::phase(profile::REST);
            return Ok(false);
        };
        let mut batches = std::iter::once(first).chain(batches);
        if let Some(rate) = &self.learning_rate {
            self.optimizer.set_lr(rate.at(self.state.steps));
        }
        self.call(|callback, context| callback.before_step(context));
        // Batches of which no image can be read make no step, however many follow each other.
        while sum.samples == 0 {
            let before = taken;
            profile::phase("data");
            for batch in batches.by_ref().take(accumulate) {
                let batch = batch?;
                let place = taken % accumulate;
                taken += 1;
                let samples = self.task.samples(&batch);
                match samples {
                    0 => continue,
                    1 if self.settings.needs_two => {
                        self.sink.event(&Event::LeftOut { epoch: self.state.epoch + 1 });
                        continue;
                    }
                    _ => {}
                }
                profile::phase("forward");
                let output = self.task.forward(self.network, &batch, &self.pass(place));
                self.task.measure(&output, &batch, &mut sum.metrics);
                let loss = self.task.train_loss(output, &batch);
                let value = loss.item::<f32>() as f64;
                if !value.is_finite() {
                    return Err(self.non_finite(&batch, place, value, self.train.names(&batch)));
                }
                if self.state.losses.is_spike(value) {
                    names.extend(self.train.names(&batch));
                }
                profile::phase("backward");
                accumulator.add(&*self.network, loss.backward(), samples);
                profile::phase("data");
                sum.add_loss(value, samples);
            }
            if taken == before {
                self.state.batch += taken;
                profile::phase(profile::REST);
                return Ok(false);
            }
        }
        profile::phase("optimizer");
        let mut gradients = accumulator.finish();
        self.call(|callback, context| callback.gradients(context, &mut gradients));
        let step = (self.state.batch + taken).div_ceil(accumulate);
        let is_line = step.is_multiple_of(self.settings.log_every) || Some(step) == steps;
        let norm = match self.settings.clip_norm {
            Some(max_norm) => clip_grad_norm(&*self.network, &mut gradients, max_norm, 2.0),
            None if is_line => grad_norm(&*self.network, &gradients),
            None => f64::NAN,
        };
        let loss = sum.mean_loss();
        let spike = self.state.losses.add(loss);
        let layer = spike.map(|_| self.steepest_layer(&gradients));
        self.optimizer.step(&mut *self.network, &gradients);
        drop(gradients);
        if let Some(ema) = &mut self.ema {
            ema.update(&*self.network);
        }
        profile::phase(profile::REST);

        self.running.merge(&sum);
        let (epoch, batches) = (self.state.epoch, self.state.batch..self.state.batch + taken);
        self.last_step = Some(LastStep { epoch, batches });
        self.state.batch += taken;
        self.state.steps += 1;
        let (epoch, epochs, steps_done) = (self.state.epoch + 1, self.settings.epochs, self.state.steps);
        self.sink.event(&Event::Step { epoch, step, samples: sum.samples, loss });
        if let (Some(usual), Some(layer)) = (spike, layer) {
            let samples = names;
            self.sink.event(&Event::LossSpike { epoch, steps: steps_done, loss, usual, layer, samples });
        }
        if is_line {
            let empty = Tally::new(self.task.metrics(Detail::Running));
            let metrics = std::mem::replace(&mut self.running, empty).finish();
            let lr = self.optimizer.lr();
            let (split, training) = (Split::Train, Some((lr, norm)));
            self.write_csv(Row { steps: steps_done, epoch, split, training, metrics: &metrics });
            self.sink.event(&Event::Progress { epoch, epochs, step, steps, steps_done, metrics, lr, grad_norm: norm });
        }
        self.call(|callback, context| callback.after_step(context, loss));
        Ok(true)
    }

    /// The training pass of the batch at place `place` of the step.
    pub fn pass(&self, place: usize) -> Pass {
        let pass = self.passes.of_step(self.state.steps, place as u64);
        pass.statistics(self.settings.statistics).dropout_scale(self.settings.dropout_scale)
    }

    /// The layer whose gradient is largest, measured by its weights.
    fn steepest_layer(&self, gradients: &Gradients) -> String {
        let norm = |t: striate_tensor::Tensor| {
            t.detach().to_dtype(striate_tensor::DType::F64).square().sum_all().item::<f64>().sqrt()
        };
        let slope = |(name, parameter): (String, &striate_nn::Parameter)| {
            let gradient = norm(gradients.get(parameter)?);
            Some((gradient / norm(parameter.value().clone()).max(f64::MIN_POSITIVE), name))
        };
        let steepest = self.network.named_parameters().into_iter().filter_map(slope).max_by(|a, b| a.0.total_cmp(&b.0));
        steepest.map_or_else(String::new, |(_, name)| super::faults::layer_of(&name).to_string())
    }
}
