use crate::args::RunFile;
use crate::model_arg::model_path;
use crate::output::{Failure, by, note, say, say_json, shown, shown_path};
use crate::table::Table;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use striate::formats::{npy, npz};
use striate::graph::{Executable, Graph, capture};
use striate::model::Model;
use striate::nn::{Forward, Pass};
use striate::onnx::{Network, OnnxError, Port};
use striate::{DType, Shape, Tensor};

/// How long `--time` runs.
const TIMED: Duration = Duration::from_secs(2);

/// A network of a file, with what it takes and gives.
enum Loaded {
    Onnx(Network),
    Model { network: Box<dyn Forward>, inputs: Vec<Port>, outputs: Vec<Port> },
}

impl Loaded {
    /// Reads the file, and what it takes. Arrays for inputs that have a default are taken out of `given`.
    fn read(path: &Path, given: &mut Given) -> Result<(Loaded, Vec<Port>), Failure> {
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx")) {
            let mut model = striate::onnx::Model::read(path).map_err(|e| e.to_string())?;
            let optional = model.optional_inputs(path).map_err(|e| e.to_string())?;
            for port in &optional {
                if let Some(x) = given.named.remove(&port.name) {
                    model.set_input(&port.name, &converted(x, port)?);
                }
            }
            return Ok((Loaded::Onnx(Network::of_model(model, path).map_err(|e| e.to_string())?), optional));
        }
        let model = Model::load(&model_path(path)?)?;
        let [c, h, w] = model.card.preprocessing.output_shape();
        let port = |name: &str, sizes: &[usize]| Port {
            name: name.into(),
            dtype: DType::F32,
            sizes: [None].into_iter().chain(sizes.iter().map(|&n| Some(n))).collect(),
        };
        let (inputs, outputs) = (vec![port("input", &[c, h, w])], vec![port("output", &[model.card.classes.len()])]);
        Ok((Loaded::Model { network: model.network, inputs, outputs }, Vec::new()))
    }

    fn inputs(&self) -> &[Port] {
        match self {
            Loaded::Onnx(network) => network.inputs(),
            Loaded::Model { inputs, .. } => inputs,
        }
    }

    fn outputs(&self) -> &[Port] {
        match self {
            Loaded::Onnx(network) => network.outputs(),
            Loaded::Model { outputs, .. } => outputs,
        }
    }

    /// The network as a graph for inputs of these shapes.
    fn graph(&self, inputs: &[Tensor]) -> Result<Graph, OnnxError> {
        let shapes: Vec<Shape> = inputs.iter().map(Tensor::shape_value).collect();
        match self {
            Loaded::Onnx(network) => network.graph(&shapes),
            Loaded::Model { network, .. } => Ok(capture(&**network, &shapes[0])),
        }
    }
}

/// An input in words: its name, type and sizes.
fn described(port: &Port) -> String {
    let size = |n: &Option<usize>| n.map_or("?".to_string(), |n| n.to_string());
    let sizes: Vec<String> = port.sizes.iter().map(size).collect();
    format!("{} ({} [{}])", shown(&port.name), port.dtype, sizes.join(", "))
}

/// Inputs in words, and those that need no array.
fn all_described(ports: &[Port], optional: &[Port]) -> String {
    let list = |ports: &[Port]| ports.iter().map(described).collect::<Vec<_>>().join(", ");
    match optional {
        [] => list(ports),
        _ => format!("{}, and may be given {}", list(ports), list(optional)),
    }
}

/// The arrays of the command line.
struct Given {
    named: BTreeMap<String, Tensor>,
    /// The one that is for the only input, as typed.
    unnamed: Option<(String, Tensor)>,
}

impl Given {
    fn read(typed: &[String]) -> Result<Given, Failure> {
        let is_npz = |file: &str| file.to_lowercase().ends_with(".npz");
        let mut given = Given { named: BTreeMap::new(), unnamed: None };
        for typed in typed {
            // A name may hold the sign, too: the file's name is what comes last.
            if let Some((name, file)) = typed.rsplit_once('=') {
                if is_npz(file) {
                    return Err(
                        format!("--input {typed}: an npz file names its arrays itself: give {file} alone").into()
                    );
                }
                given.named.insert(name.to_string(), npy::read(Path::new(file))?);
            } else if is_npz(typed) {
                given.named.extend(npz::read(Path::new(typed))?);
            } else {
                given.unnamed = Some((typed.clone(), npy::read(Path::new(typed))?));
            }
        }
        Ok(given)
    }

    /// One array for each input, in the type that the network takes.
    fn for_inputs(mut self, ports: &[Port], optional: &[Port]) -> Result<Vec<Tensor>, Failure> {
        if let Some((typed, x)) = self.unnamed {
            let [port] = ports else {
                let all = all_described(ports, optional);
                return Err(format!("--input {typed}: say which input it is for, NAME={typed}: {all}").into());
            };
            self.named.insert(port.name.clone(), x);
        }
        if let Some(name) = self.named.keys().find(|name| ports.iter().all(|port| port.name != **name)) {
            let all = all_described(ports, optional);
            return Err(format!("there is no input '{}': the network takes {all}", shown(name)).into());
        }
        let array = |port: &Port| match self.named.remove(&port.name) {
            Some(x) => converted(x, port),
            None => {
                let name = shown(&port.name);
                Err(format!("there is no array for input {}: --input {name}=x.npy", described(port)).into())
            }
        };
        ports.iter().map(array).collect()
    }
}

/// An array in the type that an input has.
fn converted(x: Tensor, port: &Port) -> Result<Tensor, Failure> {
    // NumPy makes numbers of 64 bits where nobody says otherwise.
    if x.dtype() != port.dtype && x.dtype().is_float() != port.dtype.is_float() {
        return Err(format!("input {}: the array is {}", described(port), x.dtype()).into());
    }
    Ok(x.to_dtype(port.dtype))
}

/// Median and 99th percentile in milliseconds of runs, and how many there were.
fn time(mut run: impl FnMut() -> Result<(), Failure>) -> Result<(f64, f64, usize), Failure> {
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < TIMED || times.is_empty() {
        let before = Instant::now();
        run()?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |quantile: f64| times[((times.len() - 1) as f64 * quantile).round() as usize];
    Ok((at(0.5), at(0.99), times.len()))
}

/// Smallest, mean and largest number.
fn range(x: &Tensor) -> [f64; 3] {
    let all = x.clone().to_dtype(DType::F64).to_vec::<f64>();
    let of = |f: fn(f64, f64) -> f64, from: f64| {
        all.iter().fold(from, |a, &b| if a.is_nan() || b.is_nan() { f64::NAN } else { f(a, b) })
    };
    [of(f64::min, f64::INFINITY), all.iter().sum::<f64>() / all.len() as f64, of(f64::max, f64::NEG_INFINITY)]
}

pub fn run(args: RunFile) -> Result<ExitCode, Failure> {
    super::set_up_inference(&args.inference);
    let mut given = Given::read(&args.inputs)?;
    let (loaded, optional) = Loaded::read(&args.file, &mut given)?;
    if args.inputs.is_empty() && !loaded.inputs().is_empty() {
        let (takes, gives) = (all_described(loaded.inputs(), &optional), all_described(loaded.outputs(), &[]));
        return Err(
            format!("{} takes {takes} and gives {gives}: name arrays with --input", shown_path(&args.file)).into()
        );
    }
    let inputs = given.for_inputs(loaded.inputs(), &optional)?;
    if let (Loaded::Model { inputs: ports, .. }, x) = (&loaded, &inputs[0]) {
        let fits = x.rank() == 4 && ports[0].sizes[1..].iter().zip(&x.shape()[1..]).all(|(a, b)| *a == Some(*b));
        if !fits {
            return Err(format!("input {}: the array has shape {}", described(&ports[0]), x.shape_value()).into());
        }
    }
    let mut no_graph = None;
    let executable = match (loaded.graph(&inputs), &loaded) {
        (Ok(graph), _) => Some(Executable::new(graph)),
        (Err(e), Loaded::Onnx(_)) => {
            no_graph = Some(e);
            None
        }
        (Err(e), _) => return Err(e.to_string().into()),
    };
    let run = || -> Result<Vec<Tensor>, Failure> {
        match (&executable, &loaded) {
            (Some(executable), _) => {
                Ok(executable.try_run(&inputs).map_err(|e| format!("{}: {e}", shown_path(&args.file)))?)
            }
            (None, Loaded::Onnx(network)) => {
                Ok(network.run(inputs.clone(), &Pass::eval()).map_err(|e| e.to_string())?)
            }
            (None, Loaded::Model { .. }) => unreachable!("a model becomes a graph"),
        }
    };
    let outputs = run()?;
    if let Some(e) = no_graph {
        note(&format!("{e}: it runs node by node"));
    }
    let timed = if args.time { Some(time(|| run().map(drop))?) } else { None };
    if let Some(out) = &args.output {
        let named = loaded.outputs().iter().map(|port| port.name.clone()).zip(outputs.iter().cloned());
        npz::write(out, &named.collect())?;
    }
    print(&args, loaded.outputs(), &outputs, timed)?;
    Ok(ExitCode::SUCCESS)
}

fn print(args: &RunFile, ports: &[Port], outputs: &[Tensor], timed: Option<(f64, f64, usize)>) -> Result<(), Failure> {
    if args.json {
        let output = |(port, x): (&Port, &Tensor)| {
            let [min, mean, max] = range(x);
            serde_json::json!({
                "name": port.name, "dtype": x.dtype().to_string(), "shape": x.shape(), "min": min, "mean": mean, "max": max,
            })
        };
        let mut line = serde_json::json!({ "outputs": ports.iter().zip(outputs).map(output).collect::<Vec<_>>() });
        if let Some((median, p99, runs)) = timed {
            line["ms"] = serde_json::json!({ "median": median, "p99": p99, "runs": runs });
        }
        return say_json(&line);
    }
    let mut table = Table::new(&["output", "type", "shape", "smallest", "mean", "largest"]);
    for (port, x) in ports.iter().zip(outputs) {
        let numbers = range(x).map(|n| format!("{n:.5}"));
        let shape = if x.rank() == 0 { "a number".into() } else { by(x.shape()) };
        table.row([shown(&port.name), x.dtype().to_string(), shape].into_iter().chain(numbers).collect());
    }
    say(table)?;
    if let Some((median, p99, runs)) = timed {
        say(format_args!("A run takes {median:.2} ms (median of {runs}; 99% within {p99:.2} ms)."))?;
    }
    if let Some(out) = &args.output {
        say(format_args!("All outputs are in {}.", shown_path(out)))?;
    }
    Ok(())
}
