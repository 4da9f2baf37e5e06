//! A graph run op by op.

use crate::graph::{Batch, Graph, Node, Value, ValueId};
use std::collections::HashSet;
use std::{error, fmt};
use striate_tensor::{Array, DType, Op, Tensor, backend};

/// Why a graph cannot be run with some inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// They are not those that it takes.
    Inputs(String),
    /// A position that the graph computes, or is given, is outside of what it picks from.
    Index {
        /// The name of the node's result.
        node: String,
        /// The position.
        index: i64,
        /// How many elements there are.
        size: usize,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Inputs(reason) => f.write_str(reason),
            RunError::Index { node, index, size } => {
                write!(f, "node '{node}': index {index} is out of range for {size} elements")
            }
        }
    }
}

impl error::Error for RunError {}

impl Graph {
    /// How many samples the inputs have, or why they are not those that the graph takes.
    pub fn check_inputs(&self, inputs: &[Tensor]) -> Result<usize, String> {
        let n = self.inputs.len();
        if inputs.len() != n {
            return Err(format!("takes {n} inputs, got {}", inputs.len()));
        }
        let first = inputs.first().and_then(|x| x.shape().first().copied());
        let batch = match &self.batch {
            Batch::Any(captured) => {
                let is_counted = |id: &ValueId| self.value(*id).dims.first().is_some_and(|d| d.per_sample != 0);
                first.filter(|_| self.inputs.first().is_some_and(is_counted)).unwrap_or(*captured)
            }
            Batch::Fixed(n, reason) if first != Some(*n) => {
                let got = first.map_or("none".into(), |n| n.to_string());
                return Err(format!("takes batches of {n} samples, got {got}: {reason}"));
            }
            Batch::Fixed(n, _) => *n,
        };
        for (x, &id) in inputs.iter().zip(&self.inputs) {
            let value = self.value(id);
            let expected = value.spec_at(batch);
            if x.spec() != expected {
                return Err(format!("input '{}' is {expected}, got {}", value.name, x.spec()));
            }
        }
        Ok(batch)
    }

    /// As [`Graph::check_inputs`].
    ///
    /// # Panics
    /// If they are not those that the graph takes.
    pub(crate) fn batch_of(&self, inputs: &[Tensor]) -> usize {
        self.check_inputs(inputs).unwrap_or_else(|reason| panic!("graph: {reason}"))
    }

    /// The outputs for these inputs, op by op as the network itself computes them: the bits are the same. Nothing is recorded for a gradient.
    ///
    /// # Panics
    /// If the inputs are not those that the graph takes, or are on another device than its parameters, or if a computed position is out of range.
    pub fn run(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let batch = self.batch_of(inputs);
        let step = |i: usize, operands: Vec<Array>| {
            self.check_positions(&self.nodes[i], &operands)?;
            Ok(backend::run(&self.nodes[i].op_at(batch), operands))
        };
        let outputs = self.evaluate(self.arrays(inputs), &self.last_reads(), step, |_| ());
        outputs.unwrap_or_else(|e| panic!("graph: {e}")).into_iter().map(Tensor::from).collect()
    }

    /// Whether the positions that a node reads are among those of the dimension that it picks from. Constant ones were checked before.
    pub(crate) fn check_positions(&self, node: &Node, operands: &[Array]) -> Result<(), RunError> {
        let (dim, size) = match &node.op {
            Op::Gather { dim } | Op::IndexSelect { dim } => (*dim, None),
            Op::ScatterAdd { dim, shape } => (*dim, shape.get(*dim).copied()),
            Op::IndexAdd { size, .. } => (0, Some(*size)),
            _ => return Ok(()),
        };
        let ([x, index], false) = (operands, self.value(node.inputs[1]).is_known()) else { return Ok(()) };
        if index.dtype() != DType::I64 {
            return Ok(());
        }
        let size = size.unwrap_or_else(|| x.spec().shape[dim]);
        let outside = index.to_vec::<i64>().into_iter().find(|&i| !usize::try_from(i).is_ok_and(|i| i < size));
        outside.map_or(Ok(()), |index| {
            Err(RunError::Index { node: self.value(node.outputs[0]).name.clone(), index, size })
        })
    }

    /// For each operand of each node, whether it is a result or an input that nothing reads after it.
    pub(crate) fn last_reads(&self) -> Vec<Vec<bool>> {
        let mut seen: HashSet<ValueId> = self.outputs.iter().copied().collect();
        let mut is_last = |&id: &ValueId| seen.insert(id) && !self.value(id).is_known();
        let mut all: Vec<Vec<bool>> = Vec::new();
        for node in self.nodes.iter().rev() {
            let mut last: Vec<bool> = node.inputs.iter().rev().map(&mut is_last).collect();
            last.reverse();
            all.push(last);
        }
        all.reverse();
        all
    }

    /// The elements of each value that has them before a run.
    pub(crate) fn arrays(&self, inputs: &[Tensor]) -> Vec<Option<Array>> {
        let known = |v: &Value| v.tensor.as_ref().map(|t| t.array().clone());
        let mut arrays: Vec<_> = self.values.iter().map(known).collect();
        for (id, x) in self.inputs.iter().zip(inputs) {
            arrays[id.0] = Some(x.array().clone());
        }
        arrays
    }

    /// The outputs, from the values that are there before a run. `step` computes the results of a node from its operands; `watch` sees which values are there
    /// after each.
    pub(crate) fn evaluate<T: Clone>(
        &self,
        mut values: Vec<Option<T>>,
        last_reads: &[Vec<bool>],
        mut step: impl FnMut(usize, Vec<T>) -> Result<Vec<T>, RunError>,
        mut watch: impl FnMut(&[Option<T>]),
    ) -> Result<Vec<T>, RunError> {
        for (i, (node, last)) in self.nodes.iter().zip(last_reads).enumerate() {
            let operand = |(id, &is_last): (&ValueId, &bool)| {
                // The last reader takes it, and may write over it.
                let value = if is_last { values[id.0].take() } else { values[id.0].clone() };
                value.unwrap_or_else(|| panic!("graph: {} is read before it is computed", self.value(*id).name))
            };
            let operands = node.inputs.iter().zip(last).map(operand).collect();
            for (id, result) in node.outputs.iter().zip(step(i, operands)?) {
                values[id.0] = Some(result);
            }
            watch(&values);
        }
        let output = |id: &ValueId| values[id.0].clone().expect("every output is computed");
        Ok(self.outputs.iter().map(output).collect())
    }
}
