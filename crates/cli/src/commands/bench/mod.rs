mod infer;

use crate::args::Bench;
use crate::model_arg;
use crate::output::{Failure, by, say, shown, thousands};
use crate::table::Table;
use std::process::ExitCode;
use std::time::Duration;
use striate::graph::{LayerTime, capture, time_layers};
use striate::prelude::*;
use striate::{ComputeSettings, Precision, isa, num_threads, peak, profile};

const CLASSES: usize = 10;
/// Images in a batch, where nothing says how many.
const BATCH: u32 = 100;
/// Steps of which the mean counts, after one that does not.
const STEPS: u64 = 5;

/// What the machine can do at most.
struct Machine {
    threads: usize,
    one_thread: f64,
    all_threads: f64,
    copy: f64,
}

impl Machine {
    fn measure() -> Machine {
        let one_thread = ComputeSettings { threads: Some(1), ..ComputeSettings::current() };
        let one_thread = one_thread.scope(peak::gflops);
        Machine { threads: num_threads(), one_thread, all_threads: peak::gflops(), copy: peak::copy_bandwidth() }
    }

    fn say(&self) -> Result<(), Failure> {
        say(format_args!(
            "This machine: {:.1} GFLOP/s on one thread, {:.1} on {} ({}, multiply-adds of {} in registers); copy {:.1} GB/s, read and written",
            self.one_thread,
            self.all_threads,
            self.threads,
            isa::isa().name(),
            ComputeSettings::current().precision.name(),
            self.copy
        ))?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "isa": isa::isa().name(), "precision": ComputeSettings::current().precision.name(),
            "threads": self.threads, "gflops_one_thread": self.one_thread, "gflops": self.all_threads, "copy_gb_per_s": self.copy,
        })
    }
}

/// What a part of a layer takes, and how much of the machine that is.
struct Speed {
    ms: f64,
    gflops: f64,
    of_peak: f64,
}

impl Speed {
    fn new(time: Duration, macs: u64, machine: &Machine) -> Speed {
        let ms = time.as_secs_f64() * 1e3;
        let gflops = 2e-6 * macs as f64 / ms;
        Speed { ms, gflops, of_peak: 100.0 * gflops / machine.all_threads }
    }

    fn cells(&self) -> [String; 3] {
        [format!("{:.3}", self.ms), format!("{:.1}", self.gflops), format!("{:.0}%", self.of_peak)]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({ "ms": self.ms, "gflops": self.gflops, "percent_of_peak": self.of_peak })
    }
}

/// Forward pass, input gradient, weight gradient.
fn speeds(layer: &LayerTime, machine: &Machine) -> [Option<Speed>; 3] {
    [Some(layer.forward), layer.input_grad, Some(layer.weight_grad)]
        .map(|time| time.map(|time| Speed::new(time, layer.macs, machine)))
}

/// The milliseconds of a training step with Adam, by phase.
fn step(network: &mut dyn Forward, input: &[usize]) -> Vec<(&'static str, f64)> {
    let rng = &mut Generator::new(0);
    let images = Tensor::randn(input, DType::F32, rng);
    let labels = Tensor::from_vec((0..input[0] as i64).map(|i| i % CLASSES as i64).collect(), [input[0]]);
    let (mut optimizer, mut passes) = (Adam::new(1e-3), Passes::new(network, 0));
    for step in 0..=STEPS {
        if step == 1 {
            profile::start();
        }
        profile::phase("forward");
        let logits = network.forward(images.clone(), &passes.train());
        let loss = CrossEntropyLoss::new().forward(logits, &labels);
        profile::phase("backward");
        let gradients = loss.backward();
        profile::phase("optimizer");
        optimizer.step(network, &gradients);
    }
    let mean = |time: Duration| time.as_secs_f64() * 1e3 / STEPS as f64;
    let phases = profile::stop().phases;
    phases.into_iter().filter(|(name, _)| *name != profile::REST).map(|(name, time)| (name, mean(time))).collect()
}

pub fn run(args: Bench) -> Result<ExitCode, Failure> {
    super::set_up_inference(&args.inference);
    if args.infer.is_none() && args.inference.precision != Precision::F32 {
        return Err("--precision is for --infer: training computes in f32".into());
    }
    if let Some(model) = &args.infer {
        return infer::run(&args, model);
    }
    let model = model_arg::read(&args.model)?;
    let fresh = model.fresh(args.input, CLASSES)?.ok_or_else(|| model.unknown())?;
    let mut network = fresh.network;
    let input = [args.batch_size.unwrap_or(BATCH) as usize, fresh.input[0], fresh.input[1], fresh.input[2]];
    let machine = Machine::measure();
    if !args.json {
        machine.say()?;
        say(format_args!("{}: input {}", shown(&fresh.title), by(&input)))?;
    }
    let layers = time_layers(&capture(&*network, &input));
    let step = step(&mut *network, &input);
    if args.json { print_json(&args, &machine, &input, &layers, &step) } else { print_table(&machine, &layers, &step) }
}

fn print_json(
    args: &Bench,
    machine: &Machine,
    input: &[usize],
    layers: &[LayerTime],
    step: &[(&str, f64)],
) -> Result<ExitCode, Failure> {
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| {
            let [forward, input_grad, weight_grad] = speeds(layer, machine).map(|s| s.map(|s| s.json()));
            serde_json::json!({
                "layer": layer.layer, "op": layer.op, "output": *layer.output, "multiply_adds": layer.macs,
                "forward": forward, "input_gradient": input_grad, "weight_gradient": weight_grad,
            })
        })
        .collect();
    let step: serde_json::Map<_, _> = step.iter().map(|(phase, ms)| (format!("{phase}_ms"), (*ms).into())).collect();
    say(serde_json::json!({
        "machine": machine.json(),
        "model": args.model.to_string_lossy(), "input": input, "layers": layers, "training_step": step,
    }))?;
    Ok(ExitCode::SUCCESS)
}

fn print_table(machine: &Machine, layers: &[LayerTime], step: &[(&str, f64)]) -> Result<ExitCode, Failure> {
    let parts =
        ["forward ms", "GFLOP/s", "peak", "input gr. ms", "GFLOP/s", "peak", "weight gr. ms", "GFLOP/s", "peak"];
    let mut table = Table::new(&[&["layer", "output", "multiply-adds"][..], &parts[..]].concat());
    let mut total = [(Duration::ZERO, 0); 3];
    let mut row = |name: String, output: String, macs: u64, speeds: [Option<Speed>; 3]| {
        let cells = speeds.into_iter().flat_map(|s| s.map_or_else(Default::default, |s| s.cells()));
        table.row([name, output, thousands(macs)].into_iter().chain(cells).collect());
    };
    for layer in layers {
        row(layer.layer.clone(), by(&layer.output), layer.macs, speeds(layer, machine));
        let times = [Some(layer.forward), layer.input_grad, Some(layer.weight_grad)];
        for (total, time) in total.iter_mut().zip(times) {
            if let Some(time) = time {
                *total = (total.0 + time, total.1 + layer.macs);
            }
        }
    }
    let macs = layers.iter().map(|l| l.macs).sum();
    row(
        "together".into(),
        String::new(),
        macs,
        total.map(|(time, macs)| (macs > 0).then(|| Speed::new(time, macs, machine))),
    );
    say(format_args!("\n{table}"))?;
    let phases: Vec<String> = step.iter().map(|(phase, ms)| format!("{phase} {ms:.2} ms")).collect();
    let sum: f64 = step.iter().map(|(_, ms)| ms).sum();
    say(format_args!("\nA training step of the whole network with Adam: {} = {sum:.2} ms", phases.join(" + ")))?;
    Ok(ExitCode::SUCCESS)
}
