use crate::args::{Export, ExportFormat};
use crate::output::{Failure, say, thousands};
use std::collections::BTreeMap;
use std::fs::canonicalize;
use std::process::ExitCode;
use striate::formats::{npz, pth, safetensors};
use striate::nn::state_dict;
use striate::train::Model;

pub fn run(args: Export) -> Result<ExitCode, Failure> {
    let model = Model::load(&args.model)?;
    let state = state_dict(&*model.network);
    let (ending, python) = match args.format {
        ExportFormat::Torch => ("pth", "torch.load(FILE, weights_only=True)"),
        ExportFormat::Safetensors => ("safetensors", "safetensors.torch.load_file(FILE)"),
        ExportFormat::Npz => ("npz", "numpy.load(FILE)"),
    };
    let out = args.out.unwrap_or_else(|| {
        let stem = args.model.file_stem().unwrap_or_default().to_string_lossy();
        args.model.with_file_name(format!("{stem}-weights.{ending}"))
    });
    if out.exists() && canonicalize(&out)? == canonicalize(&args.model)? {
        return Err(Failure::Message(format!(
            "{} is the model file itself, which holds more than weights: name another with --out",
            out.display()
        )));
    }
    match args.format {
        ExportFormat::Torch => pth::write(&out, &state)?,
        ExportFormat::Safetensors => safetensors::write(&out, &state, &BTreeMap::new())?,
        ExportFormat::Npz => npz::write(&out, &state)?,
    }
    let numbers: usize = state.values().map(|t| t.numel()).sum();
    let (file, tensors, numbers) = (out.display(), state.len(), thousands(numbers));
    say(format_args!("{file}: {tensors} tensors of {numbers} numbers in all; in Python: {python}"))?;
    Ok(ExitCode::SUCCESS)
}
