//! Times training steps and inference, and prints a JSON line: Striate's side of `bench/vs-pytorch`.
//!
//! `step_time --net mnist-net --batch 100 --threads 2 --warmup 3 --steps 10`

use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;
use striate::prelude::*;
use striate::{isa, num_threads, set_num_threads, zoo};

/// What each of `times` calls of `f` takes in milliseconds, after `warmup` others.
fn milliseconds(warmup: usize, times: usize, mut f: impl FnMut()) -> Vec<f64> {
    (0..warmup).for_each(|_| f());
    let time = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..times).map(time).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.as_chunks::<2>().0.iter().map(|[k, v]| (&k[..], &v[..])).collect();
    let number = |key: &str, default: usize| {
        options.get(key).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{key} takes a number, got {v}")))
    };
    let name = *options.get("--net").unwrap_or(&"mnist-net");
    let (batch, warmup, steps) = (number("--batch", 100), number("--warmup", 3), number("--steps", 10));
    set_num_threads(number("--threads", num_threads()));

    let rng = &mut Generator::new(0);
    let architecture = zoo::find(name).unwrap_or_else(|| panic!("there is no network {name}"));
    let mut net = architecture.build(10, rng);
    let [c, h, w] = architecture.input;
    let images = Tensor::randn([batch, c, h, w], DType::F32, rng);
    let labels = Tensor::from_vec((0..batch as i64).map(|i| i * 7 % 10).collect(), [batch]);
    let (criterion, mut optimizer) = (CrossEntropyLoss::new(), Adam::new(1e-3));

    let mut step = 0;
    let train_ms = milliseconds(warmup, steps, || {
        let logits = net.forward(images.clone(), &Pass::train(0, step));
        optimizer.step(&mut net, &criterion.forward(logits, &labels).backward());
        step += 1;
    });
    let eval = Pass::eval();
    let infer_ms = milliseconds(warmup, steps, || drop(net.forward(images.clone(), &eval)));
    let line = json!({
        "net": name, "batch": batch, "threads": num_threads(), "version": env!("CARGO_PKG_VERSION"),
        "isa": isa::isa().name(), "train_ms": train_ms, "infer_ms": infer_ms,
    });
    println!("{line}");
}
