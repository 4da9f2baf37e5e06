//! A node with its operands.

use crate::error::Fault;
use crate::import::operator;
use crate::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use std::cell::Cell;
use std::collections::HashMap;
use striate_nn::Pass;
use striate_tensor::{DType, Device, Op, Shape, Spec, Tensor};

/// A value of a network that runs.
#[derive(Clone)]
pub(crate) struct Value {
    tensor: Tensor,
    /// Whether it depends on no input and no weight, so that it has elements even while a graph is captured.
    is_known: bool,
}

impl Value {
    pub fn known(tensor: Tensor) -> Value {
        Value { tensor, is_known: true }
    }

    pub fn computed(tensor: Tensor) -> Value {
        Value { tensor, is_known: false }
    }

    pub fn into_tensor(self) -> Tensor {
        self.tensor
    }

    pub fn is_known(&self) -> bool {
        self.is_known
    }

    pub fn shape(&self) -> Shape {
        self.tensor.shape_value()
    }

    pub fn rank(&self) -> usize {
        self.tensor.rank()
    }

    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }
}

/// A result may have this many elements for each of its operands, whatever sizes a file asks for.
const GROWTH: usize = 4;
/// The most elements of what is computed here and not by an op.
const MOST_ON_HOST: usize = 1 << 24;

/// The most work of loops in one run, about this many nanoseconds: a file may ask for any number of iterations within iterations.
const MOST_WORK: u64 = 1 << 32;
/// The work of a node besides that of its elements, and of an op that is written down.
const NODE_WORK: u64 = 1 << 11;
const CAPTURED_WORK: u64 = 1 << 15;
/// The work of an element that is computed here and not by an op.
const HOST_WORK: u64 = 16;
/// Multiply-adds of one unit of work.
const MACS: u64 = 8;

/// The work that is left to the loops of a run.
pub(crate) struct Work(Cell<u64>);

impl Work {
    pub fn new() -> Work {
        Work(Cell::new(MOST_WORK))
    }
}

pub(crate) struct Context<'a> {
    node: &'a NodeProto,
    pub opset: i64,
    pass: &'a Pass,
    most_elements: usize,
    /// The number of samples that the file promises, and another one that is given.
    batch: Option<[usize; 2]>,
    operands: Vec<Option<Value>>,
    /// The values that the node's own graphs read from around it.
    scope: HashMap<&'a str, Value>,
    work: &'a Work,
    /// Whether it is part of a graph of a node's own, which may run many times.
    is_inner: bool,
}

impl<'a> Context<'a> {
    pub fn new(
        node: &'a NodeProto,
        opset: i64,
        pass: &'a Pass,
        operands: Vec<Option<Value>>,
        work: &'a Work,
    ) -> Context<'a> {
        let (most_elements, scope) = (usize::MAX, HashMap::new());
        Context { node, opset, pass, most_elements, batch: None, operands, scope, work, is_inner: false }
    }

    /// Counts work of loops; an error when there has been too much.
    pub fn spend(&self, work: u64) -> Result<(), Fault> {
        if !self.is_inner {
            return Ok(());
        }
        self.spend_inside(work)
    }

    /// As [`Context::spend`], of what is done for the node's own graphs.
    pub fn spend_inside(&self, work: u64) -> Result<(), Fault> {
        let left = self.work.0.get().checked_sub(work).ok_or_else(|| Fault::new("loops take too long"))?;
        self.work.0.set(left);
        Ok(())
    }

    /// For another number of samples than the file promises: the promised one, and the one given.
    pub fn with_batch(mut self, batch: Option<[usize; 2]>) -> Context<'a> {
        self.batch = batch;
        self
    }

    /// The first size that a shape in the file asks for, for the samples that are given: what has `from` of them keeps them.
    pub fn first_size(&self, wanted: i64, from: Option<usize>) -> i64 {
        match self.batch {
            Some([promised, given]) if wanted == promised as i64 && from == Some(given) => given as i64,
            _ => wanted,
        }
    }

    /// With values that the node's own graphs see.
    pub fn with_scope(mut self, scope: HashMap<&'a str, Value>) -> Context<'a> {
        self.scope = scope;
        self
    }

    pub fn scope(&self) -> &HashMap<&'a str, Value> {
        &self.scope
    }

    /// A node of one of this node's own graphs.
    pub fn inner(
        &self,
        node: &'a NodeProto,
        operands: Vec<Option<Value>>,
        scope: HashMap<&'a str, Value>,
    ) -> Context<'a> {
        let inner = Context::new(node, self.opset, self.pass, operands, self.work);
        let inner = inner.limited(self.most_elements).with_batch(self.batch).with_scope(scope);
        Context { is_inner: true, ..inner }
    }

    /// A graph of the node's own.
    pub fn graph(&self, name: &str) -> Result<&'a GraphProto, Fault> {
        let graph = self.attribute(name).and_then(|a| a.g.as_ref());
        graph.ok_or_else(|| Fault::new(format!("attribute {name} is missing")))
    }

    /// For results of at most this many elements, unless the operands are about as large.
    pub fn limited(mut self, most_elements: usize) -> Context<'a> {
        self.most_elements = most_elements;
        self
    }

    /// Whether a list of this many elements may be made: a file may ask for any number.
    pub fn fits(&self, sizes: &[usize]) -> Result<(), Fault> {
        let n = sizes.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        match n.is_some_and(|n| n <= MOST_ON_HOST) {
            true => self.spend(n.unwrap_or(0) as u64 * HOST_WORK),
            false => Err(Fault::new(format!("{sizes:?} are too many elements"))),
        }
    }

    /// The results.
    pub fn run(self) -> Result<Vec<Value>, Fault> {
        let run = operator(self.node.op_type()).ok_or_else(|| Fault::new("the operator is not supported"))?;
        self.spend(NODE_WORK)?;
        run(&self)
    }

    pub fn op_type(&self) -> &'a str {
        self.node.op_type()
    }

    /// How many results are wanted.
    pub fn outputs(&self) -> usize {
        self.node.output.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1)
    }

    pub fn operands(&self) -> usize {
        self.operands.len()
    }

    /// Operand `i`, if it is there.
    pub fn try_operand(&self, i: usize) -> Option<Value> {
        self.operands.get(i)?.clone()
    }

    pub fn operand(&self, i: usize) -> Result<Value, Fault> {
        self.try_operand(i).ok_or_else(|| Fault::new(format!("operand {} is missing", i + 1)))
    }

    /// The elements of a tensor that shapes depend on.
    fn elements(&self, i: usize, value: &Value) -> Result<Tensor, Fault> {
        if value.tensor.device() == Device::Capture {
            return Err(Fault::new(format!(
                "operand {} depends on the values of the input, so the shapes do too",
                i + 1
            )));
        }
        Ok(value.tensor.clone())
    }

    /// The whole numbers of operand `i`, if it is there.
    pub fn try_integers(&self, i: usize) -> Result<Option<Vec<i64>>, Fault> {
        let Some(value) = self.try_operand(i) else { return Ok(None) };
        Ok(Some(self.elements(i, &value)?.to_dtype(DType::I64).to_vec()))
    }

    pub fn integers(&self, i: usize) -> Result<Vec<i64>, Fault> {
        self.try_integers(i)?.ok_or_else(|| Fault::new(format!("operand {} is missing", i + 1)))
    }

    /// The numbers of operand `i`, if it is there.
    pub fn try_numbers(&self, i: usize) -> Result<Option<Vec<f64>>, Fault> {
        let Some(value) = self.try_operand(i) else { return Ok(None) };
        Ok(Some(self.elements(i, &value)?.to_dtype(DType::F64).to_vec()))
    }

    pub fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|a| a.name() == name)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).map(|a| a.i())
    }

    pub fn int_or(&self, name: &str, default: i64) -> i64 {
        self.int(name).unwrap_or(default)
    }

    pub fn float_or(&self, name: &str, default: f64) -> f64 {
        // Files hold 32 bits: 1e-5 means the nearest number of those.
        self.attribute(name).map_or(default, |a| a.f() as f64)
    }

    pub fn ints(&self, name: &str) -> Option<Vec<i64>> {
        self.attribute(name).map(|a| a.ints.clone())
    }

    /// A list of sizes, all `default` where it is missing.
    pub fn sizes(&self, name: &str, n: usize, default: usize) -> Result<Vec<usize>, Fault> {
        let Some(list) = self.ints(name) else { return Ok(vec![default; n]) };
        let sizes: Option<Vec<usize>> =
            list.iter().map(|&x| usize::try_from(x).ok().filter(|&x| x < 1 << 31)).collect();
        sizes.filter(|s| s.len() == n).ok_or_else(|| Fault::new(format!("{name} is {list:?}, not {n} sizes")))
    }

    pub fn string_or(&self, name: &str, default: &'static str) -> Result<&'a str, Fault> {
        let Some(a) = self.attribute(name) else { return Ok(default) };
        std::str::from_utf8(a.s()).map_err(|_| Fault::new(format!("{name} is no text")))
    }

    pub fn tensor(&self, name: &str) -> Option<&'a TensorProto> {
        self.attribute(name).and_then(|a| a.t.as_ref())
    }

    /// The dimension that `axis` means.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Fault> {
        let d = if axis < 0 { axis + rank as i64 } else { axis };
        let fits = usize::try_from(d).ok().filter(|&d| d < rank);
        fits.ok_or_else(|| Fault::new(format!("axis {axis} is out of range for {rank} dimensions")))
    }

    /// The dimensions that `axes` mean, in ascending order.
    pub fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
        let mut all = axes.iter().map(|&a| self.axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
        all.sort_unstable();
        all.dedup();
        if all.len() != axes.len() {
            return Err(Fault::new(format!("axes {axes:?} name a dimension twice")));
        }
        Ok(all)
    }

    /// A constant as a value that is computed.
    pub fn lifted(&self, v: Value) -> Value {
        if v.is_known { Value::computed(self.pass.constant(v.tensor)) } else { v }
    }

    /// The only result that is used of an op on values.
    pub fn op<const N: usize>(&self, op: Op, operands: [Value; N]) -> Result<Value, Fault> {
        self.op_of(op, operands.into())
    }

    pub fn op_of(&self, op: Op, operands: Vec<Value>) -> Result<Value, Fault> {
        let is_known = operands.iter().all(Value::is_known);
        let lift = |v: Value| if is_known { v.tensor } else { self.lifted(v).tensor };
        let tensors: Vec<Tensor> = operands.into_iter().map(lift).collect();
        let specs: Vec<Spec> = tensors.iter().map(Tensor::spec).collect();
        let outputs = match op.try_outputs(&specs) {
            Ok(outputs) => outputs,
            Err(e) => return self.through_f32(op, tensors, is_known).ok_or(Fault::from(e))?,
        };
        let most = specs.iter().fold(0usize, |n, s| n.saturating_add(s.shape.numel())).saturating_mul(GROWTH);
        let most = most.max(self.most_elements);
        let elements = |s: &Spec| s.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        if outputs.iter().any(|s| elements(s).is_none_or(|n| n > most)) {
            return Err(Fault::new(format!("{}: the result {} is too large", op.name(), outputs[0])));
        }
        if self.is_inner {
            let is_captured = tensors.iter().any(|t| t.device() == Device::Capture);
            let all: usize = specs.iter().chain(&outputs).map(|s| s.shape.numel()).sum();
            self.spend(if is_captured { CAPTURED_WORK } else { all as u64 + op.macs(&specs) / MACS })?;
        }
        Ok(Value { tensor: op.apply(tensors).swap_remove(0), is_known })
    }

    /// As [`Context::op_of`] of numbers of 16 bits, which have no arithmetic of their own; none if none are among the operands.
    fn through_f32(&self, op: Op, tensors: Vec<Tensor>, is_known: bool) -> Option<Result<Value, Fault>> {
        let half = tensors.iter().map(Tensor::dtype).find(|dtype| dtype.is_half())?;
        let wide = |t: Tensor| {
            let tensor = if t.dtype().is_half() { t.to_dtype(DType::F32) } else { t };
            Value { tensor, is_known }
        };
        let y = self.op_of(op, tensors.into_iter().map(wide).collect());
        Some(y.and_then(|y| if y.dtype() == DType::F32 { self.cast(y, half) } else { Ok(y) }))
    }

    /// The elements of an operand, for what is computed here and not by an op.
    pub fn host(&self, value: &Value) -> Result<Tensor, Fault> {
        if value.tensor.device() == Device::Capture {
            return Err(Fault::new("it depends on the values of the input, and has no form in a graph"));
        }
        self.spend(value.tensor.numel() as u64 * HOST_WORK)?;
        Ok(value.tensor.detach())
    }

    /// Under another shape.
    pub fn reshaped(&self, x: Value, shape: &[usize]) -> Result<Value, Fault> {
        if shape.len() > striate_tensor::MAX_RANK {
            return Err(Fault::new(format!("{} dimensions are too many", shape.len())));
        }
        self.op(Op::Reshape { shape: Shape::new(shape) }, [x])
    }

    pub fn permuted(&self, x: Value, dims: Vec<usize>) -> Result<Value, Fault> {
        self.op(Op::Permute { dims }, [x])
    }

    pub fn cast(&self, x: Value, dtype: DType) -> Result<Value, Fault> {
        if x.dtype() == dtype { Ok(x) } else { self.op(Op::Cast { dtype }, [x]) }
    }

    pub fn narrow(&self, x: Value, dim: usize, start: usize, length: usize) -> Result<Value, Fault> {
        self.op(Op::Narrow { dim, start, length }, [x])
    }

    /// A number of the type of a value.
    pub fn number_like(&self, x: &Value, number: f64) -> Value {
        Value::known(Tensor::full(number, [], x.dtype()))
    }
}
