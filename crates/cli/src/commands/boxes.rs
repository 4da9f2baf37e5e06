//! `--scales` and `--soft-nms`: how a detector looks at an image, and which of its boxes stay.

use crate::args::BoxArgs;
use crate::output::Failure;
use std::path::Path;
use striate::model::{Predictor, SuppressionMethod, TaskCard};

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
