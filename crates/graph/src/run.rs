//! A graph run op by op.

use crate::graph::{Batch, Graph, Origin, ValueId};
use std::collections::HashMap;
use striate_tensor::{Array, Tensor, backend};

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
    /// If the inputs are not those that the graph takes, or are on another device than its parameters.
    pub fn run(&self, inputs: &[Tensor]) -> Vec<Tensor> {
        let batch = self.batch_of(inputs);
        let mut left = self.uses();
        let mut arrays: HashMap<ValueId, Array> = HashMap::new();
        for (x, &id) in inputs.iter().zip(&self.inputs) {
            arrays.insert(id, x.array().clone());
        }
        for node in &self.nodes {
            let mut operand = |&id: &ValueId| {
                if let Some(known) = &self.value(id).tensor {
                    return known.array().clone();
                }
                let count = left.get_mut(&id).expect("every operand is counted");
                *count -= 1;
                // The last reader takes it, and may write over it.
                let array = if *count == 0 { arrays.remove(&id) } else { arrays.get(&id).cloned() };
                array.unwrap_or_else(|| panic!("graph: {} is read before it is computed", self.value(id).name))
            };
            let operands = node.inputs.iter().map(&mut operand).collect();
            for (&id, y) in node.outputs.iter().zip(backend::run(&node.op_at(batch), operands)) {
                if left.contains_key(&id) {
                    arrays.insert(id, y);
                }
            }
        }
        let output = |&id: &ValueId| match self.value(id).origin {
            Origin::Result | Origin::Input => arrays[&id].clone().into(),
            _ => self.value(id).tensor.clone().expect("known before a run"),
        };
        self.outputs.iter().map(output).collect()
    }
}
