//! How long two models take for an image.

use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;
use striate_graph::RunError;
use striate_model::Predictor;
use striate_tensor::{DType, Generator, Tensor};

/// How long two models take for an image, each measured in turn with the other, so that what else the machine does falls on both.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Speed {
    /// Seconds of the first model for one image alone: the median.
    pub seconds_a: f64,
    /// Seconds of the second model.
    pub seconds_b: f64,
    /// The median over the rounds of the second's time by the first's.
    pub ratio: f64,
    /// How many times each ran.
    pub rounds: usize,
}

/// Runs two models in turn on one image of noise each, `rounds` times and once before to warm up.
///
/// # Errors
/// If a network cannot be run.
///
/// # Panics
/// If `rounds` is 0.
pub fn time_in_turn(models: [&Predictor; 2], rounds: usize) -> Result<Speed, RunError> {
    assert!(rounds > 0, "time_in_turn: there are no rounds");
    let input = |model: &Predictor| {
        let [c, h, w] = model.card.preprocessing.output_shape();
        Tensor::randn([1, c, h, w], DType::F32, &mut Generator::new(0))
    };
    let inputs = models.map(input);
    let run = |i: usize| {
        let start = Instant::now();
        models[i].try_logits(inputs[i].clone())?.to_vec::<f32>();
        Ok(start.elapsed().as_secs_f64())
    };
    (0..2).try_for_each(|i| run(i).map(drop))?;
    let times = (0..rounds).map(|_| Ok([run(0)?, run(1)?])).collect::<Result<Vec<[f64; 2]>, RunError>>()?;
    let median = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
    };
    Ok(Speed {
        seconds_a: median(times.iter().map(|t| t[0]).collect()),
        seconds_b: median(times.iter().map(|t| t[1]).collect()),
        ratio: median(times.iter().map(|[a, b]| b / a.max(f64::MIN_POSITIVE)).collect()),
        rounds,
    })
}
