//! Whether settings can be run.

use super::{ResolvedConfig, TaskKind};
use crate::error::TrainError;
use crate::finetune::FineTuneMode;
use crate::tasks::SegmentationLoss;

/// The error of a setting that has an impossible value.
pub(crate) fn bad<T>(name: &str, got: impl ToString, need: &str) -> Result<T, TrainError> {
    Err(TrainError::Setting { name: name.into(), got: got.to_string(), need: need.into() })
}

/// The error of a setting that has no meaning beside the others.
fn unusable<T>(name: &str, got: impl ToString, reason: &str) -> Result<T, TrainError> {
    Err(TrainError::Unusable { name: name.into(), got: got.to_string(), reason: reason.into() })
}

impl ResolvedConfig {
    /// Checks what does not depend on the data.
    ///
    /// # Errors
    /// [`TrainError::Setting`] or [`TrainError::Unusable`] of the first setting that has an impossible value, and the errors of what is written as text.
    pub fn validate(&self) -> Result<(), TrainError> {
        if let Some(entry) = self.weights_entry.as_ref().filter(|_| self.weights.is_none() && self.finetune.is_none()) {
            return unusable("weights_entry", entry, "there are no weights to start from");
        }
        let counts = [
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("accumulate", self.accumulate),
            ("log_every", self.log_every),
        ];
        if let Some((name, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return bad(name, 0, "at least 1");
        }
        for (name, fraction) in [("fraction", self.fraction), ("epoch_fraction", self.epoch_fraction)] {
            if !(fraction > 0.0 && fraction <= 1.0) {
                return bad(name, fraction, "above 0 and at most 1");
            }
        }
        let positive = |x: f64| x > 0.0 && x.is_finite();
        if !positive(self.lr) {
            return bad("lr", self.lr, "a positive number");
        }
        if let Some([first, second]) = self.betas {
            let got = format!("{first},{second}");
            if !self.optimizer.has_betas() {
                return unusable("betas", got, "this optimizer has none");
            }
            if ![first, second].iter().all(|b| (0.0..1.0).contains(b)) {
                return bad("betas", got, "two numbers, at least 0 and below 1");
            }
        }
        self.schedule_plan()?;
        self.lr_scales()?;
        if let Some(decay) = self.weight_decay.filter(|d| !(*d >= 0.0 && d.is_finite())) {
            return bad("weight_decay", decay, "0 or a positive number");
        }
        for (name, value) in [("clip_norm", self.clip_norm), ("time_budget", self.time_budget)] {
            if let Some(value) = value.filter(|x| !positive(*x)) {
                return bad(name, value, "a positive number");
            }
        }
        if let Some(decay) = self.ema.filter(|d| !(*d > 0.0 && *d < 1.0)) {
            return bad("ema", decay, "between 0 and 1");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return bad("label_smoothing", self.label_smoothing, "at least 0 and below 1");
        }
        if !(0.0..=1.0).contains(&self.dropout_scale) {
            return bad("dropout_scale", self.dropout_scale, "from 0 to 1");
        }
        if !(self.min_delta >= 0.0 && self.min_delta.is_finite()) {
            return bad("min_delta", self.min_delta, "0 or a positive number");
        }
        if let Some(gamma) = self.focal {
            if !(gamma >= 0.0 && gamma.is_finite()) {
                return bad("focal", gamma, "0 or a positive number");
            }
            let mixes = self.images.augmentations(32)?;
            if self.label_smoothing > 0.0 || mixes.mixup.is_some() || mixes.cutmix.is_some() {
                return bad(
                    "focal",
                    gamma,
                    "without label_smoothing, mixup and cutmix: it takes one class for each image",
                );
            }
        }
        match (self.fold, self.folds) {
            (_, Some(folds)) if folds < 2 => return bad("folds", folds, "at least 2"),
            (Some(fold), None) => return unusable("fold", fold, "there are no folds"),
            (Some(fold), Some(folds)) if !(1..=folds).contains(&fold) => {
                return bad("fold", fold, &format!("from 1 to {folds}"));
            }
            _ => {}
        }
        self.validate_task()?;
        if self.checkpoint_every == Some(0) {
            return bad("checkpoint_every", 0, "at least 1");
        }
        if let Some(finetune) = &self.finetune {
            finetune.validate(self.epochs)?;
        }
        self.images.validate()
    }

    /// How many folds these settings ask for; none of one run, be it that of a fold.
    pub fn cross_validation(&self) -> Option<usize> {
        self.folds.filter(|_| self.fold.is_none())
    }

    /// Refuses the settings of a cross-validation, which is several runs.
    pub(crate) fn check_one_run(&self) -> Result<(), TrainError> {
        match self.cross_validation() {
            Some(folds) => unusable("folds", folds, "one run holds one fold out (fold says which)"),
            None => Ok(()),
        }
    }

    /// Checks that what is asked for has a meaning for the task.
    fn validate_task(&self) -> Result<(), TrainError> {
        const ONLY: &str = "it is for classification and multi-label";
        if self.task != TaskKind::Classification && self.images.balance {
            return unusable("balance", true, "it draws images by their class, which classification alone has");
        }
        if self.task == TaskKind::MultiLabel && self.images.class_weights && self.focal.is_some() {
            return unusable("class_weights", true, "the focal loss of labels has none");
        }
        if self.task.is_dense()
            && let Some(finetune) = self.finetune.as_ref().filter(|finetune| finetune.mode != FineTuneMode::Full)
        {
            let got = format!("{:?}", finetune.mode).to_lowercase();
            return bad("mode", got, "full: the layers on a backbone are new");
        }
        if self.task.is_dense()
            && let Some(folds) = self.folds
        {
            return unusable("folds", folds, "folds are for classes, labels and numbers of whole images");
        }
        if self.task != TaskKind::Segmentation && self.segmentation_loss != SegmentationLoss::default() {
            return unusable("segmentation_loss", self.segmentation_loss.name(), "it is for segmentation");
        }
        if ![TaskKind::Regression, TaskKind::Detection].contains(&self.task) {
            return Ok(());
        }
        if self.images.class_weights {
            return unusable("class_weights", true, ONLY);
        }
        if self.label_smoothing > 0.0 {
            return unusable("label_smoothing", self.label_smoothing, ONLY);
        }
        match self.focal {
            Some(gamma) => unusable("focal", gamma, ONLY),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OptimizerKind;

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let usual = ResolvedConfig::default;
        let line = |c: ResolvedConfig| c.validate().unwrap_err().to_string();
        assert_eq!(line(ResolvedConfig { batch_size: 0, ..usual() }), "batch_size is 0, it must be at least 1");
        assert_eq!(line(ResolvedConfig { lr: -1.0, ..usual() }), "lr is -1, it must be a positive number");
        assert!(line(ResolvedConfig { lr: f64::NAN, ..usual() }).contains("lr is NaN"));
        assert_eq!(
            line(ResolvedConfig { betas: Some([0.9, 1.0]), ..usual() }),
            "betas is 0.9,1, it must be two numbers, at least 0 and below 1"
        );
        let sgd = ResolvedConfig { optimizer: OptimizerKind::Sgd, betas: Some([0.9, 0.99]), ..usual() };
        assert_eq!(line(sgd), "betas 0.9,0.99 cannot be used: this optimizer has none");
        assert!(line(ResolvedConfig { epoch_fraction: 0.0, ..usual() }).starts_with("epoch_fraction is 0, it must be"));
        assert_eq!(
            line(ResolvedConfig { dropout_scale: 1.5, ..usual() }),
            "dropout_scale is 1.5, it must be from 0 to 1"
        );
        assert_eq!(line(ResolvedConfig { ema: Some(1.0), ..usual() }), "ema is 1, it must be between 0 and 1");
        assert!(line(ResolvedConfig { weight_decay: Some(-1.0), ..usual() }).starts_with("weight_decay is -1"));
        let focal = line(ResolvedConfig { focal: Some(2.0), label_smoothing: 0.1, ..usual() });
        assert!(focal.starts_with("focal is 2, it must be without label_smoothing"), "{focal}");
        let mut both = ResolvedConfig { focal: Some(2.0), task: TaskKind::MultiLabel, ..usual() };
        both.images.class_weights = true;
        assert!(line(both.clone()).starts_with("class_weights true cannot be used: "));
        both.task = TaskKind::Classification;
        assert!(both.validate().is_ok(), "the focal loss of classes weighs them");
        let schedule = line(ResolvedConfig { schedule: Some("cosin".into()), ..usual() });
        assert!(
            schedule.starts_with("schedule 'cosin': there is no schedule 'cosin'; a schedule is one of"),
            "{schedule}"
        );
    }
}
