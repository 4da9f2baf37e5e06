//! What a trainer can find out before it trains.

use super::{NEVER, Trainer, Trial};
use crate::batches::Batches;
use crate::error::TrainError;
use crate::lr_find::{LrFind, LrFindOptions, search};
use crate::overfit::{Overfit, overfit};
use crate::task::Task;
use striate_nn::Module;

impl<N: Module, T: Task<N>> Trainer<'_, N, T> {
    /// Trains on `train` at rates that rise from step to step, to find the one to train with: [`LrFind::suggestion`]. The network, the optimizer and
    /// the random numbers are as before afterwards. Callbacks are not called; the schedule and the average play no role.
    ///
    /// ```
    /// # use striate_data::{DataLoader, TensorDataset};
    /// # use striate_nn::Linear;
    /// # use striate_tensor::{DType, Generator, Tensor};
    /// # use striate_train::{Classification, LrFindOptions, Trainer};
    /// # let rng = &mut Generator::new(0);
    /// # let points = Tensor::randn([64, 2], DType::F32, rng);
    /// # let labels = Tensor::from_vec(points.to_vec::<f32>().chunks(2).map(|p| i64::from(p[0] > 0.0)).collect(), [64]);
    /// # let train = DataLoader::new(TensorDataset::new(points, &labels), 16).shuffle(0);
    /// # let mut network = Linear::new(2, 2, rng);
    /// let mut trainer = Trainer::new(&mut network, Classification::new(2));
    /// let found = trainer.lr_find(&train, &LrFindOptions::default())?;
    /// println!("{:?}", found.suggestion());
    /// # Ok::<(), striate_train::TrainError>(())
    /// ```
    ///
    /// # Errors
    /// If an option cannot be used, a batch cannot be made, or the loss is not finite at any rate.
    pub fn lr_find(
        &mut self,
        train: &dyn Batches<Batch = T::Batch>,
        options: &LrFindOptions,
    ) -> Result<LrFind, TrainError> {
        search(self.trial(), train, options)
    }

    /// Trains on the first batch of `train` alone, on the task's plain loss and without dropout, until it is memorized or `steps` steps are done, to see
    /// whether the network can learn at all: [`Overfit::verdict`]. A sink hears of the loss. The network, the optimizer and the random numbers are as before
    /// afterwards. Weight decay and augmentation are the optimizer's and the data set's: leave them out for this.
    ///
    /// # Errors
    /// If the batch cannot be made, or the loss is not finite at any rate.
    ///
    /// # Panics
    /// If `steps` is 0.
    pub fn overfit_one_batch(
        &mut self,
        train: &dyn Batches<Batch = T::Batch>,
        steps: usize,
    ) -> Result<Overfit, TrainError>
    where
        T::Batch: Clone,
    {
        assert!(steps > 0, "Trainer::overfit_one_batch: it takes one step or more");
        let mut sink = self.sink.take();
        let mut silent = ();
        let found = overfit(self.trial(), train, steps, sink.as_deref_mut().unwrap_or(&mut silent));
        self.sink = sink;
        found
    }

    fn trial(&mut self) -> Trial<'_, N, T> {
        Trial {
            task: &self.task,
            network: &mut *self.network,
            optimizer: &mut *self.optimizer,
            settings: self.settings.clone(),
            seed: self.seed,
            stop: self.stop.unwrap_or(&NEVER),
        }
    }
}
