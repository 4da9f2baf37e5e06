//! The other side of `bench/vs-burn`: times training steps and inference of mnist-net with Burn or candle, and prints a JSON line.
//!
//! `burn-and-candle --side burn --batch 100 --warmup 3 --steps 10`

mod burn_side;
mod candle_side;

use std::collections::HashMap;
use std::time::Instant;

/// How often to do what.
struct Settings {
    batch: usize,
    warmup: usize,
    steps: usize,
}

/// What steps and passes took.
struct Times {
    train_ms: Vec<f64>,
    infer_ms: Vec<f64>,
}

impl Settings {
    /// What each of `steps` calls of `f` takes in milliseconds, after `warmup` others.
    fn time(&self, mut f: impl FnMut()) -> Vec<f64> {
        (0..self.warmup).for_each(|_| f());
        let time = |_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64() * 1e3
        };
        (0..self.steps).map(time).collect()
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.as_chunks::<2>().0.iter().map(|[k, v]| (&k[..], &v[..])).collect();
    let number = |key: &str, default: usize| options.get(key).map_or(default, |v| v.parse().expect("a number"));
    let settings =
        Settings { batch: number("--batch", 100), warmup: number("--warmup", 3), steps: number("--steps", 10) };
    let (side, times) = match *options.get("--side").expect("--side burn or --side candle") {
        "burn" => ("Burn 0.22 flex", burn_side::measure(&settings)),
        "candle" => ("candle 0.11", candle_side::measure(&settings).expect("candle computes")),
        other => panic!("--side is burn or candle, got {other}"),
    };
    println!("{}", serde_json::json!({ "side": side, "train_ms": times.train_ms, "infer_ms": times.infer_ms }));
}
