//! `--scales` and `--soft-nms`: how a detector looks at an image, and which of its boxes stay.

use crate::args::{BoxArgs, Eval};
use crate::output::Failure;
use std::path::Path;
use striate::model::{Predictor, SuppressionMethod, TaskCard};

/// Refuses what is measured of a model as its file has it.
pub fn check(args: &Eval) -> Result<(), Failure> {
    let several_scales = !args.boxes.scales.is_empty();
    if (several_scales || args.boxes.soft_nms.is_some()) && args.report.is_some() {
        let line = "a report shows what the model file finds by itself: leave out --scales and --soft-nms, or --report";
        return Err(line.into());
    }
    if several_scales && (args.robustness.robustness || !args.robustness.attack.is_empty()) {
        let line = "robustness is measured at the model's own size: leave out --scales, or --robustness and --attack";
        return Err(line.into());
    }
    Ok(())
}

/// The model in a file, as these arguments ask for it; `load` reads it where they ask for one size.
pub fn load(
    args: &BoxArgs,
    file: &Path,
    load: impl FnOnce(&Path) -> Result<Predictor, Failure>,
) -> Result<Predictor, Failure> {
    let mut model = match args.scales[..] {
        [] => load(file)?,
        _ => Predictor::load_at_scales(file, &args.scales)?,
    };
    let Some(sigma) = args.soft_nms else { return Ok(model) };
    match &mut model.card.task {
        TaskCard::Detection { suppression, .. } => {
            suppression.method = SuppressionMethod::SoftNms { sigma };
            Ok(model)
        }
        other => Err(format!("--soft-nms is for detection, and the model's task is {}", other.name()).into()),
    }
}
