//! `striate bench --infer`: each node of a network in use, beside what the machine allows.

use super::Machine;
use crate::args::Bench;
use crate::commands::inspect;
use crate::output::{Failure, by, say, thousands};
use crate::table::Table;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use striate::graph::{Executable, NodeTime, capture};
use striate::prelude::*;

/// At least this many runs are timed, and as many as fit in `BUDGET`, up to `MOST`.
const LEAST: usize = 5;
const MOST: usize = 300;
const BUDGET: Duration = Duration::from_secs(3);

/// The least milliseconds that this machine needs for a node.
struct Floor {
    /// For its multiply-adds, at the peak of all threads.
    compute: f64,
    /// For its bytes, at the speed of a copy.
    memory: f64,
}

impl Floor {
    fn new(node: &NodeTime, machine: &Machine) -> Floor {
        let compute = 2e-6 * node.macs as f64 / machine.all_threads;
        Floor { compute, memory: 1e-6 * node.bytes as f64 / machine.copy }
    }

    fn ms(&self) -> f64 {
        self.compute.max(self.memory)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn percentage(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0}%", 100.0 * part / whole) } else { String::new() }
}

pub fn run(args: &Bench, model: &OsStr) -> Result<ExitCode, Failure> {
    let (network, shape, title) = inspect::find(model, args.input, None)?;
    let input = [args.batch_size.unwrap_or(1) as usize, shape[0], shape[1], shape[2]];
    let machine = Machine::measure();
    let executable = Executable::new(capture(&*network, &input));
    drop(network);
    let images = [Tensor::randn(input, DType::F32, &mut Generator::new(0))];
    executable.run(&images);
    let start = Instant::now();
    executable.run(&images);
    let runs = (BUDGET.as_secs_f64() / start.elapsed().as_secs_f64().max(1e-9)) as usize;
    let times = executable.time_nodes(&images, runs.clamp(LEAST, MOST));
    let floors: Vec<Floor> = times.nodes.iter().map(|node| Floor::new(node, &machine)).collect();
    let floor: f64 = floors.iter().map(Floor::ms).sum();
    let arena = executable.memory_plan(input[0]).arena;
    if args.json {
        let nodes = times.nodes.iter().zip(&floors).map(|(node, floor)| {
            serde_json::json!({
                "name": node.name, "op": node.op, "output": *node.output, "multiply_adds": node.macs,
                "bytes": node.bytes, "ms": ms(node.time), "compute_floor_ms": floor.compute,
                "memory_floor_ms": floor.memory,
            })
        });
        say(serde_json::json!({
            "machine": machine.json(), "model": model.to_string_lossy(), "input": input,
            "nodes": nodes.collect::<Vec<_>>(), "run_ms": ms(times.run), "floor_ms": floor,
            "packed_weight_bytes": executable.packed_bytes(), "arena_bytes": arena,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    machine.say()?;
    say(format_args!("{title}: input {}", by(&input)))?;
    let mut table =
        Table::new(&["node", "op", "output", "multiply-adds", "ms", "of run", "GFLOP/s", "floor ms", "of floor"])
            .left(2);
    let run = ms(times.run);
    for (node, floor) in times.nodes.iter().zip(&floors) {
        let took = ms(node.time);
        let (macs, speed) = match node.macs {
            0 => Default::default(),
            macs => (thousands(macs), format!("{:.1}", 2e-6 * macs as f64 / took.max(1e-6))),
        };
        table.row(vec![
            node.name.clone(),
            node.op.clone(),
            by(&node.output),
            macs,
            format!("{took:.3}"),
            percentage(took, run),
            speed,
            format!("{:.3}", floor.ms()),
            percentage(floor.ms(), took),
        ]);
    }
    let macs: u64 = times.nodes.iter().map(|node| node.macs).sum();
    let speed = format!("{:.1}", 2e-6 * macs as f64 / run);
    let whole = [
        "run",
        "",
        &by(&input),
        &thousands(macs),
        &format!("{run:.3}"),
        "",
        &speed,
        &format!("{floor:.3}"),
        &percentage(floor, run),
    ];
    table.row(whole.map(String::from).to_vec());
    say(format_args!("\n{table}"))?;
    let inside: f64 = times.nodes.iter().map(|node| ms(node.time)).sum();
    say(format_args!(
        "\nOutside of nodes {:.3} ms. Packed weights {} kB, results {} kB.",
        (run - inside).max(0.0),
        thousands(executable.packed_bytes() as u64 / 1000),
        thousands(arena as u64 / 1000),
    ))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_of_nothing_is_not_shown() {
        assert_eq!((percentage(1.0, 0.0), percentage(1.0, 4.0)), (String::new(), "25%".into()));
    }
}
