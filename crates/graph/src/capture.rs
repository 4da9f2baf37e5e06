//! A network becomes a graph: its forward pass runs on a backend that writes ops down instead of computing them.

use crate::graph::{Batch, Dim, Graph, Node, Origin, Value, ValueId};
use crate::sizes;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use striate_nn::{Entry, Forward, Module, Pass};
use striate_tensor::array::Remote;
use striate_tensor::backend::{Backend, Update};
use striate_tensor::{Array, DType, Device, Op, Shape, Spec, Tensor, catch_panic};

/// What `network` does to an `f32` input of shape `input` in evaluation. Nothing is computed, so it costs little even for large networks: parameters and
/// buffers are shared with the network until either changes.
///
/// The first dimension of the input counts samples. What depends on it is found by comparing two captures, of batches one apart.
///
/// ```
/// use striate_graph::capture;
/// use striate_nn::Linear;
/// let net = Linear::new(4, 3, &mut striate_tensor::Generator::new(0));
/// let graph = capture(&net, &[2, 4]);
/// assert_eq!((graph.nodes.len(), graph.macs(&graph.nodes[0])), (1, 2 * 4 * 3));
/// ```
///
/// # Panics
/// As the network does if the input does not fit, and if it reads values (which are not there).
pub fn capture<F: Forward + ?Sized>(network: &F, input: &[usize]) -> Graph {
    let input = [("input", Spec::new(input, DType::F32))];
    let forward = |mut x: Vec<Tensor>, pass: &Pass| Ok::<_, Infallible>(vec![network.forward(x.swap_remove(0), pass)]);
    let Ok(graph) = capture_with(network, &input, forward);
    graph
}

/// As [`capture`], of whatever `run` does with inputs of these names, shapes and types, the first dimension of each of which counts samples. `module` has the
/// parameters and buffers that it uses.
///
/// # Errors
/// As `run`.
///
/// # Panics
/// As [`capture`]. What fails or panics for one sample more is a graph for this number of samples alone.
pub fn capture_with<M: Module + ?Sized, E>(
    module: &M,
    inputs: &[(&str, Spec)],
    run: impl Fn(Vec<Tensor>, &Pass) -> Result<Vec<Tensor>, E>,
) -> Result<Graph, E> {
    let mut graph = record(module, inputs, &run)?;
    let samples = inputs.first().and_then(|(_, spec)| spec.shape.first().copied());
    let Some(n) = samples else { return Ok(graph) };
    let fixed = |reason: String| Batch::Fixed(n, reason);
    if inputs.iter().any(|(_, spec)| spec.shape.first() != Some(&n)) {
        graph.batch = fixed("the first dimensions of its inputs differ".into());
        return Ok(graph);
    }
    let more = |(name, spec): &(_, Spec)| {
        let sizes = spec.shape.iter().enumerate().map(|(d, &size)| if d == 0 { size + 1 } else { size });
        (*name, spec.reshaped(sizes.collect::<Shape>()))
    };
    let larger: Vec<(&str, Spec)> = inputs.iter().map(more).collect();
    // What fails with another number of samples, whether by an error or a panic, takes this one alone.
    match catch_panic(|| record(module, &larger, &run)) {
        Ok(Ok(larger)) => {
            if let Err(reason) = generalize(&mut graph, &larger, n) {
                graph.batch = fixed(reason);
            }
        }
        Ok(Err(_)) => graph.batch = fixed(format!("it cannot be run with {}", n + 1)),
        Err(message) => graph.batch = fixed(format!("it cannot be run with {}: {message}", n + 1)),
    }
    Ok(graph)
}

fn record<M: Module + ?Sized, E>(
    module: &M,
    inputs: &[(&str, Spec)],
    run: &impl Fn(Vec<Tensor>, &Pass) -> Result<Vec<Tensor>, E>,
) -> Result<Graph, E> {
    let recorder = Arc::new_cyclic(|me| Recorder { me: me.clone(), written: Mutex::default() });
    let input = |(name, spec): &(&str, Spec)| {
        let dims = fixed(spec.shape);
        recorder.add(Value { name: name.to_string(), origin: Origin::Input, spec: *spec, dims, tensor: None })
    };
    let places: Vec<ValueId> = inputs.iter().map(input).collect();
    module.visit("", &mut |name, entry| match entry {
        Entry::Parameter(p) => recorder.add_kept(name, Origin::Parameter, p.id(), p.value().clone()),
        Entry::Buffer(b) => recorder.add_kept(name, Origin::Buffer, b.id(), b.value()),
        Entry::Layer(_) => (),
    });
    let symbols = places.iter().zip(inputs).map(|(&x, (_, spec))| Tensor::from(recorder.symbol(x, *spec)));
    let results = run(symbols.collect(), &Pass::eval().on(recorder.clone()))?;
    let outputs = results.iter().map(|y| recorder.value_of(y.array())).collect();
    let written = std::mem::take(&mut *recorder.written());
    let samples = inputs.first().and_then(|(_, spec)| spec.shape.first().copied()).unwrap_or(1);
    Ok(Graph { values: written.values, nodes: written.nodes, inputs: places, outputs, batch: Batch::Any(samples) })
}

fn fixed(shape: Shape) -> Vec<Dim> {
    shape.iter().map(|&n| Dim::fixed(n)).collect()
}

/// Makes `graph`, captured with `n` samples, one for any number, by `larger`, captured with one more.
fn generalize(graph: &mut Graph, larger: &Graph, n: usize) -> Result<(), String> {
    if graph.nodes.len() != larger.nodes.len() || graph.values.len() != larger.values.len() {
        return Err("the network runs other ops for another batch size".into());
    }
    let mut dims = Vec::new();
    for (a, b) in graph.values.iter().zip(&larger.values) {
        let same = a.origin == b.origin && a.spec.shape.rank() == b.spec.shape.rank() && a.spec.dtype == b.spec.dtype;
        if !same {
            return Err("the network computes other values for another batch size".into());
        }
        if a.origin == Origin::Constant && !same_elements(a, b) {
            return Err(format!("the constant {} depends on the batch size", a.name));
        }
        let through = a.spec.shape.iter().zip(b.spec.shape.iter()).map(|(&a, &b)| Dim::through(n, a, b));
        dims.push(through.collect::<Vec<_>>());
    }
    let mut op_sizes = Vec::new();
    for (a, b) in graph.nodes.iter().zip(&larger.nodes) {
        let (own, other) = (sizes::sizes(&a.op), sizes::sizes(&b.op));
        let same = a.inputs == b.inputs && own.len() == other.len() && sizes::with_sizes(&b.op, &own) == a.op;
        if !same {
            return Err(format!("an attribute of {} depends on the batch size", a.op.name()));
        }
        op_sizes.push(own.into_iter().zip(other).map(|(a, b)| Dim::through(n, a, b)).collect());
    }
    graph.values.iter_mut().zip(dims).for_each(|(value, dims)| value.dims = dims);
    graph.nodes.iter_mut().zip(op_sizes).for_each(|(node, sizes)| node.sizes = sizes);
    Ok(())
}

fn same_elements(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (&a.tensor, &b.tensor) else { return false };
    let values = |t: &Tensor| t.clone().to_dtype(DType::F64).to_vec::<f64>();
    let same = |(a, b): (f64, f64)| a.to_bits() == b.to_bits();
    a.shape() == b.shape() && values(a).into_iter().zip(values(b)).all(same)
}

#[derive(Default)]
struct Written {
    values: Vec<Value>,
    nodes: Vec<Node>,
    /// Parameters and buffers by identity.
    known: HashMap<u64, ValueId>,
}

struct Recorder {
    me: Weak<Recorder>,
    written: Mutex<Written>,
}

/// An array that stands for a value that is not computed.
struct Symbol {
    recorder: Arc<Recorder>,
    value: ValueId,
    dtype: DType,
}

impl Remote for Symbol {
    fn backend(&self) -> Arc<dyn Backend> {
        self.recorder.clone()
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    fn download(&self, shape: Shape) -> Array {
        panic!("capture: the network reads a value of shape {shape}, but a capture computes none")
    }
}

impl Recorder {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn symbol(&self, value: ValueId, spec: Spec) -> Array {
        let recorder = self.me.upgrade().expect("the recorder outlives its calls");
        Array::remote(Arc::new(Symbol { recorder, value, dtype: spec.dtype }), spec.shape)
    }

    fn add(&self, value: Value) -> ValueId {
        let values = &mut self.written().values;
        values.push(value);
        ValueId(values.len() - 1)
    }

    /// Adds a parameter or buffer; one that the network holds twice has its first name.
    fn add_kept(&self, name: &str, origin: Origin, id: u64, tensor: Tensor) {
        if self.written().known.contains_key(&id) {
            return;
        }
        let spec = tensor.spec();
        let value = Value { name: name.into(), origin, spec, dims: fixed(spec.shape), tensor: Some(tensor) };
        let place = self.add(value);
        self.written().known.insert(id, place);
    }

    /// The parameter or buffer of this identity, or a new constant.
    fn known(&self, x: &Array, tag: Option<u64>) -> ValueId {
        if let Some(id) = tag.and_then(|tag| self.written().known.get(&tag).copied()) {
            return id;
        }
        let spec = x.spec();
        let name = format!("constant.{}", self.written().values.len());
        let tensor = Some(Tensor::from(x.clone()));
        self.add(Value { name, origin: Origin::Constant, spec, dims: fixed(spec.shape), tensor })
    }

    fn value_of(&self, x: &Array) -> ValueId {
        let symbol = x.as_remote().and_then(|remote| {
            let any: &dyn std::any::Any = &**remote;
            any.downcast_ref::<Symbol>()
        });
        symbol.map_or_else(|| self.known(x, None), |s| s.value)
    }
}

impl Backend for Recorder {
    fn device(&self) -> Device {
        Device::Capture
    }
    fn takes_constants(&self) -> bool {
        true
    }
    fn upload(&self, x: &Array, tag: Option<u64>) -> Array {
        let x = x.to_cpu();
        self.symbol(self.known(&x, tag), x.spec())
    }
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        let inputs: Vec<ValueId> = inputs.iter().map(|x| self.value_of(x)).collect();
        let result = |i: usize, spec: &Spec| {
            let place = self.written().values.len();
            let name = if i == 0 { format!("%{place}") } else { format!("%{place}.{i}") };
            self.add(Value { name, origin: Origin::Result, spec: *spec, dims: fixed(spec.shape), tensor: None })
        };
        let results: Vec<ValueId> = outputs.iter().enumerate().map(|(i, spec)| result(i, spec)).collect();
        let mut written = self.written();
        let layer = inputs.iter().map(|v| &written.values[v.0]).find_map(|value| match value.origin {
            Origin::Parameter | Origin::Buffer => {
                Some(value.name.rsplit_once('.').map_or(value.name.clone(), |(layer, _)| layer.to_string()))
            }
            _ => None,
        });
        let sizes = sizes::sizes(op).into_iter().map(Dim::fixed).collect();
        written.nodes.push(Node { op: op.clone(), sizes, layer, inputs, outputs: results.clone() });
        drop(written);
        results.into_iter().zip(outputs).map(|(id, spec)| self.symbol(id, *spec)).collect()
    }
    fn update(&self, step: &Update, _: &mut Array, _: &Array, _: &mut [Array]) {
        panic!("capture: {} belongs to training, and a capture runs a network in evaluation", step.name())
    }
}

#[cfg(test)]
#[path = "capture_tests.rs"]
mod tests;
