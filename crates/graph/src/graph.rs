//! The graph: ops in the order in which they run.

use striate_tensor::{Conv2dOptions, Shape};

/// One op.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does, such as `conv2d`.
    pub op: &'static str,
    /// The layer whose parameters it uses, such as `conv1`.
    pub layer: Option<String>,
    /// The names of the parameters it uses.
    pub parameters: Vec<String>,
    /// Which nodes its inputs come from; the graph's own input and constants are not listed.
    pub inputs: Vec<usize>,
    /// The shapes of all that it takes: inputs, parameters and constants.
    pub input_shapes: Vec<Shape>,
    /// Stride, padding, dilation and groups of a convolution.
    pub options: Option<Conv2dOptions>,
    /// The shape of its result.
    pub shape: Shape,
    /// Multiply-adds.
    pub macs: u64,
    /// Whether it only shows the same memory in another way.
    pub is_view: bool,
}

/// A network's ops, in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The ops.
    pub nodes: Vec<Node>,
    /// The shape of the network's input.
    pub input: Vec<usize>,
    /// Every parameter with its number of elements, in the network's order.
    pub parameters: Vec<(String, usize)>,
}
