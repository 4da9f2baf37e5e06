use crate::args::Inspect;
use crate::output::{Failure, say, thousands};
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;
use striate::Generator;
use striate::graph::{Summary, capture};
use striate::train::Model;
use striate::zoo;

pub fn run(args: Inspect) -> Result<ExitCode, Failure> {
    let named = zoo::find(&args.model).filter(|_| !Path::new(&args.model).is_file());
    let (network, shape, title) = match named {
        Some(a) => (a.build(10, &mut Generator::new(0)), a.input, format!("{}: {}", a.name, a.about)),
        None => {
            let path = Path::new(&args.model);
            if !path.exists() {
                let known: Vec<_> = zoo::ARCHITECTURES.iter().map(|a| a.name).collect();
                return Err(format!(
                    "'{}' is neither a file nor a network: known are {}",
                    args.model,
                    known.join(", ")
                )
                .into());
            }
            let model = Model::load(path)?;
            let card = &model.card;
            let title = format!(
                "{}: {} for {} classes, trained on {} (epochs: {}), {:.2}% test accuracy",
                path.display(),
                card.architecture,
                card.classes.len(),
                card.training.data,
                card.training.epochs,
                100.0 * card.training.test_accuracy
            );
            (model.network, card.preprocessing.output_shape(), title)
        }
    };
    let input = [args.batch_size as usize, shape[0], shape[1], shape[2]];
    let summary = Summary::of(&capture(&*network, &input));
    if args.json {
        let layers: Vec<_> = summary
            .rows
            .iter()
            .map(|r| {
                serde_json::json!({
                    "layer": r.name, "op": r.op, "output": r.output, "parameters": r.parameters,
                    "multiply_adds": r.macs, "activation_bytes": r.activation_bytes,
                })
            })
            .collect();
        say(serde_json::json!({
            "input": input, "layers": layers, "parameters": summary.parameters,
            "multiply_adds": summary.macs, "activation_bytes": summary.activation_bytes,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(title)?;
    let by = |sizes: &[usize]| sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
    let count = |n: u64| if n == 0 { String::new() } else { thousands(n) };
    let mut table = Table::new(&["layer", "op", "output", "parameters", "multiply-adds", "memory"]);
    table.row(vec!["input".into(), String::new(), by(&input), String::new(), String::new(), String::new()]);
    for r in &summary.rows {
        let memory = if r.activation_bytes == 0 { String::new() } else { kilobytes(r.activation_bytes) };
        let name = if r.name == r.op { "" } else { &r.name };
        table.row(vec![name.into(), r.op.into(), by(&r.output), count(r.parameters as u64), count(r.macs), memory]);
    }
    let totals = [String::new(), String::new(), thousands(summary.parameters), thousands(summary.macs)];
    table.row(["total".into()].into_iter().chain(totals).chain([kilobytes(summary.activation_bytes)]).collect());
    say(format_args!("\n{table}"))?;
    Ok(ExitCode::SUCCESS)
}

fn kilobytes(bytes: usize) -> String {
    format!("{} kB", thousands(format!("{:.0}", bytes as f64 / 1000.0)))
}
