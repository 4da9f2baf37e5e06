//! The backend that writes ops down instead of computing them.

use crate::graph::{Graph, Node};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use striate_nn::{Forward, Pass};
use striate_tensor::array::Remote;
use striate_tensor::backend::{
    Backend, Binary, Clamp, Compare, Conv2dOptions, GroupNormed, Input, Pool2dOptions, Reduce, Statistics, Taps, Unary,
    Update,
};
use striate_tensor::ops::{conv2d::conv2d_shape, pool2d::pool2d_shape};
use striate_tensor::{Array, DType, Device, Leaf, Shape, Tensor};

/// Writes down what `network` does to an `f32` input of shape `input` in evaluation. Nothing is computed, so it costs little
/// even for large networks.
///
/// # Panics
/// As the network does if the input does not fit, and if it reads values (which are not there).
pub fn capture(network: &dyn Forward, input: &[usize]) -> Graph {
    let names =
        network.named_parameters().into_iter().map(|(name, p)| (p.leaf_id().unwrap_or_default(), name)).collect();
    let recorder = Arc::new_cyclic(|me| Recorder { me: me.clone(), names, nodes: Mutex::default() });
    let x = recorder.symbol(Origin::Input, Shape::new(input), DType::F32);
    network.forward(Tensor::from(x), &Pass::eval().on(recorder.clone()));
    let nodes = std::mem::take(&mut *recorder.nodes());
    let parameters = network.named_parameters().into_iter().map(|(name, p)| (name, p.value().numel())).collect();
    Graph { nodes, input: input.to_vec(), parameters }
}

struct Recorder {
    me: Weak<Recorder>,
    names: HashMap<u64, String>,
    nodes: Mutex<Vec<Node>>,
}

#[derive(Clone)]
enum Origin {
    Input,
    Constant,
    Parameter(String),
    Node(usize),
}

/// An array that stands for a value that is not computed.
struct Symbol {
    recorder: Arc<Recorder>,
    origin: Origin,
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

fn origin(x: &Array) -> Origin {
    match x.as_remote() {
        Some(remote) => {
            let any: &dyn std::any::Any = &**remote;
            any.downcast_ref::<Symbol>().map_or(Origin::Constant, |s| s.origin.clone())
        }
        None => Origin::Constant,
    }
}

impl Recorder {
    fn nodes(&self) -> MutexGuard<'_, Vec<Node>> {
        self.nodes.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn symbol(&self, origin: Origin, shape: Shape, dtype: DType) -> Array {
        let recorder = self.me.upgrade().expect("the recorder outlives its calls");
        Array::remote(Arc::new(Symbol { recorder, origin, dtype }), shape)
    }

    fn write(
        &self,
        op: &'static str,
        inputs: &[&Array],
        shape: Shape,
        dtype: DType,
        macs: u64,
        is_view: bool,
    ) -> Array {
        let (mut from, mut parameters) = (Vec::new(), Vec::new());
        for x in inputs {
            match origin(x) {
                Origin::Node(n) => from.push(n),
                Origin::Parameter(name) => parameters.push(name),
                Origin::Input | Origin::Constant => {}
            }
        }
        let layer = parameters.first().map(|p| p.rsplit_once('.').map_or(p.clone(), |(layer, _)| layer.to_string()));
        let mut nodes = self.nodes();
        let input_shapes = inputs.iter().map(|x| x.shape()).collect();
        nodes.push(Node { op, layer, parameters, inputs: from, input_shapes, options: None, shape, macs, is_view });
        let id = nodes.len() - 1;
        drop(nodes);
        self.symbol(Origin::Node(id), shape, dtype)
    }

    /// Notes the settings of the convolution that was written last.
    fn options(&self, options: &Conv2dOptions) {
        if let Some(node) = self.nodes().last_mut() {
            node.options = Some(*options);
        }
    }

    fn op(&self, op: &'static str, inputs: &[&Array], shape: Shape) -> Array {
        self.write(op, inputs, shape, inputs[0].dtype(), 0, false)
    }

    fn view(&self, op: &'static str, x: &Array, shape: Shape) -> Array {
        self.write(op, &[x], shape, x.dtype(), 0, true)
    }
}

fn replaced(shape: Shape, dim: usize, size: usize) -> Shape {
    shape.iter().enumerate().map(|(d, &n)| if d == dim { size } else { n }).collect()
}

/// Whether neighbouring dimensions become one and the others stay.
fn is_flatten(from: Shape, to: Shape) -> bool {
    let before = from.iter().zip(to.iter()).take_while(|(a, b)| a == b).count();
    let after = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    to.rank() < from.rank() && before + 1 + after >= to.rank()
}

fn no_gradients(op: &str) -> ! {
    panic!("capture: {op} belongs to training, and a capture runs a network in evaluation")
}

fn never_waits(op: &str) -> ! {
    unreachable!("capture: {op} is for a convolution that waits, which only the CPU's does")
}

fn with_options<'a>(first: [&'a Array; 2], rest: &[&'a Option<Array>]) -> Vec<&'a Array> {
    first.into_iter().chain(rest.iter().filter_map(|a| a.as_ref())).collect()
}

impl Backend for Recorder {
    fn device(&self) -> Device {
        Device::Capture
    }
    fn upload(&self, x: &Array, tag: Option<u64>) -> Array {
        let name = tag.and_then(|id| self.names.get(&id));
        self.symbol(name.map_or(Origin::Constant, |n| Origin::Parameter(n.clone())), x.shape(), x.dtype())
    }

    fn reshape(&self, x: Array, shape: Shape) -> Array {
        if x.shape() == shape {
            return x;
        }
        self.view(if is_flatten(x.shape(), shape) { "flatten" } else { "reshape" }, &x, shape)
    }
    fn permute(&self, x: Array, order: &[usize]) -> Array {
        let shape = order.iter().map(|&d| x.shape()[d]).collect();
        self.view("permute", &x, shape)
    }
    fn expand(&self, x: Array, shape: Shape) -> Array {
        if x.shape() == shape { x } else { self.view("expand", &x, shape) }
    }
    fn narrow(&self, x: Array, dim: usize, _start: usize, len: usize) -> Array {
        let shape = replaced(x.shape(), dim, len);
        self.view("narrow", &x, shape)
    }
    fn cat(&self, xs: &[Array], dim: usize) -> Array {
        let total = xs.iter().map(|x| x.shape()[dim]).sum();
        self.op("cat", &xs.iter().collect::<Vec<_>>(), replaced(xs[0].shape(), dim, total))
    }
    fn pad(&self, x: Array, padding: &[[usize; 2]], _value: f64) -> Array {
        let shape = x.shape().iter().zip(padding).map(|(n, p)| n + p[0] + p[1]).collect();
        self.op("pad", &[&x], shape)
    }
    fn cast(&self, x: Array, dtype: DType) -> Array {
        self.write("to_dtype", &[&x], x.shape(), dtype, 0, false)
    }

    fn unary(&self, op: Unary, x: Array) -> Array {
        let name = match op {
            Unary::Neg => "neg",
            Unary::Abs => "abs",
            Unary::Sign => "sign",
            Unary::Exp => "exp",
            Unary::Log => "log",
            Unary::Log1p => "log1p",
            Unary::Expm1 => "expm1",
            Unary::Erf => "erf",
            Unary::Sqrt => "sqrt",
            Unary::Rsqrt => "rsqrt",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::Round => "round",
            Unary::Square => "square",
            Unary::Recip => "reciprocal",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Tanh => "tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Relu => "relu",
            Unary::LeakyRelu(_) => "leaky_relu",
            Unary::AddScalar(_) => "add",
            Unary::MulScalar(_) => "mul",
            Unary::PowScalar(_) => "pow",
            Unary::ClampMin(_) | Unary::ClampMax(_) => "clamp",
            Unary::Activation(a) => a.name(),
        };
        self.op(name, &[&x], x.shape())
    }
    fn binary(&self, op: Binary, a: Array, b: Array) -> Array {
        let name = match op {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Pow => "pow",
            Binary::Maximum => "maximum",
            Binary::Minimum => "minimum",
            _ => no_gradients("an activation's gradient"),
        };
        self.op(name, &[&a, &b], Shape::broadcast(name, &a.shape(), &b.shape()))
    }
    fn compare(&self, _op: Compare, a: Array, b: Array) -> Array {
        let shape = Shape::broadcast("compare", &a.shape(), &b.shape());
        self.write("compare", &[&a, &b], shape, DType::U8, 0, false)
    }
    fn select(&self, condition: Array, a: Array, b: Array) -> Array {
        let shape = Shape::broadcast("where", &Shape::broadcast("where", &condition.shape(), &a.shape()), &b.shape());
        self.write("where", &[&condition, &a, &b], shape, a.dtype(), 0, false)
    }

    fn reduce(&self, op: Reduce, x: Array, dims: &[usize]) -> Array {
        let name = match op {
            Reduce::Sum => "sum",
            Reduce::Mean => "mean",
            Reduce::Max => "max",
            Reduce::Min => "min",
            Reduce::Prod => "prod",
        };
        let shape = dims.iter().fold(x.shape(), |s, &d| replaced(s, d, 1));
        self.op(name, &[&x], shape)
    }
    fn argmax(&self, x: Array, dim: usize) -> Array {
        self.write("argmax", &[&x], replaced(x.shape(), dim, 1), DType::I64, 0, false)
    }
    fn argmin(&self, x: Array, dim: usize) -> Array {
        self.write("argmin", &[&x], replaced(x.shape(), dim, 1), DType::I64, 0, false)
    }
    fn argsort(&self, x: Array, _dim: usize, _descending: bool) -> Array {
        self.write("argsort", &[&x], x.shape(), DType::I64, 0, false)
    }
    fn cumsum(&self, x: Array, _dim: usize, _reverse: bool) -> Array {
        self.op("cumsum", &[&x], x.shape())
    }
    fn matmul(&self, a: Array, b: Array) -> Array {
        let (s, last) = (a.shape(), a.shape().rank() - 1);
        let shape = replaced(s, last, b.shape()[last]);
        let macs = shape.numel() as u64 * s[last] as u64;
        self.write("matmul", &[&a, &b], shape, a.dtype(), macs, false)
    }
    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array {
        let (n, w) = (x.shape()[0], weight.shape());
        let macs = (n * w.numel()) as u64;
        self.write("linear", &with_options([&x, &weight], &[&bias]), Shape::from([n, w[0]]), x.dtype(), macs, false)
    }

    fn gather(&self, x: Array, _dim: usize, index: Array) -> Array {
        self.op("gather", &[&x, &index], index.shape())
    }
    fn scatter_add(&self, grad: Array, _dim: usize, index: Array, shape: Shape) -> Array {
        self.op("scatter_add", &[&grad, &index], shape)
    }
    fn index_select(&self, x: Array, dim: usize, index: Array) -> Array {
        self.op("index_select", &[&x, &index], replaced(x.shape(), dim, index.shape()[0]))
    }
    fn index_add(&self, grad: Array, _dim: usize, index: Array, shape: Shape) -> Array {
        self.op("index_add", &[&grad, &index], shape)
    }

    fn conv2d(&self, x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions) -> Array {
        let (x, w) = (x.settled(), weight.shape());
        let shape = conv2d_shape(x.shape(), w, options);
        let macs = shape.numel() as u64 * w[1..].iter().product::<usize>() as u64;
        let y = self.write("conv2d", &with_options([&x, &weight], &[&bias]), shape, x.dtype(), macs, false);
        self.options(options);
        y
    }
    fn conv2d_input_grad(
        &self,
        g: Array,
        weight: Array,
        _: Option<Array>,
        input: Shape,
        options: &Conv2dOptions,
    ) -> Array {
        // In evaluation only a transposed convolution asks for it.
        let macs = g.shape().numel() as u64 * weight.shape()[1..].iter().product::<usize>() as u64;
        let y = self.write("conv_transpose2d", &[&g, &weight], input, g.dtype(), macs, false);
        self.options(options);
        y
    }
    fn conv2d_weight_grad(&self, _: Input, _: Array, _: Shape, _: &Conv2dOptions) -> Array {
        no_gradients("conv2d_weight_grad")
    }
    fn max_pool2d(&self, x: Input, options: &Pool2dOptions) -> (Array, Array) {
        let x = x.settled();
        let shape = pool2d_shape("max_pool2d", x.shape(), options);
        (self.op("max_pool2d", &[&x], shape), self.symbol(Origin::Constant, shape, DType::U8))
    }
    fn max_pool2d_grad(&self, _: Array, _: Array, _: Shape, _: &Pool2dOptions) -> Array {
        no_gradients("max_pool2d_grad")
    }
    fn avg_pool2d(&self, x: Array, options: &Pool2dOptions) -> Array {
        self.op("avg_pool2d", &[&x], pool2d_shape("avg_pool2d", x.shape(), options))
    }
    fn avg_pool2d_grad(&self, _: Array, _: Shape, _: &Pool2dOptions) -> Array {
        no_gradients("avg_pool2d_grad")
    }

    fn conv2d_finished(
        &self,
        _: Input,
        _: Array,
        _: Option<Array>,
        _: &Conv2dOptions,
        _: Option<Statistics>,
        _: Option<Clamp>,
    ) -> Array {
        never_waits("conv2d_finished")
    }
    fn conv2d_max_pool2(&self, _: Input, _: Array, _: Option<Array>, _: &Conv2dOptions, _: Option<Clamp>) -> Array {
        never_waits("conv2d_max_pool2")
    }
    fn batch_norm_stats(&self, _: &Array) -> [Array; 2] {
        no_gradients("batch_norm by batch statistics")
    }
    fn batch_norm_fixed(&self, x: Array, statistics: Statistics, added: Option<Array>, clamp: Option<Clamp>) -> Array {
        assert!(added.is_none() && clamp.is_none(), "an addition and an activation are nodes of their own here");
        let Statistics { mean, weight, bias, .. } = statistics;
        let macs = x.shape().numel() as u64;
        self.write("batch_norm", &with_options([&x, &mean], &[&weight, &bias]), x.shape(), x.dtype(), macs, false)
    }
    fn batch_norm_grad(&self, _: Array, _: Array, _: Statistics, _: Option<Clamp>, _: bool) -> [Array; 3] {
        no_gradients("batch_norm_grad")
    }

    fn group_norm(
        &self,
        x: Array,
        groups: usize,
        weight: Option<Array>,
        bias: Option<Array>,
        _eps: f64,
    ) -> GroupNormed {
        let macs = x.shape().numel() as u64;
        let statistics = Shape::from([x.shape()[0], groups]);
        let inputs: Vec<&Array> = [Some(&x), weight.as_ref(), bias.as_ref()].into_iter().flatten().collect();
        GroupNormed {
            output: self.write("group_norm", &inputs, x.shape(), x.dtype(), macs, false),
            mean: self.symbol(Origin::Constant, statistics, x.dtype()),
            var: self.symbol(Origin::Constant, statistics, x.dtype()),
        }
    }
    fn group_norm_grad(&self, _: Array, _: Array, _: Array, _: Array, _: Option<Array>, _: f64) -> [Array; 3] {
        no_gradients("group_norm_grad")
    }
    fn resample(&self, op: &'static str, x: Array, steps: &[(usize, Taps)]) -> Array {
        let shape = steps.iter().fold(x.shape(), |s, (dim, taps)| replaced(s, *dim, taps.outputs()));
        self.op(op, &[&x], shape)
    }

    fn softmax(&self, x: Array, _dim: usize, log: bool) -> Array {
        self.op(if log { "log_softmax" } else { "softmax" }, &[&x], x.shape())
    }
    fn softmax_grad(&self, _: Array, _: Array, _: usize, _: bool) -> Array {
        no_gradients("softmax_grad")
    }
    fn cross_entropy(&self, _: Array, _: Array) -> (Array, Array) {
        no_gradients("cross_entropy")
    }
    fn cross_entropy_grad(&self, _: Array, _: Array, _: Array) -> Array {
        no_gradients("cross_entropy_grad")
    }

    fn update(&self, step: &Update, _: &mut Array, _: &Array, _: &mut [Array]) {
        no_gradients(step.name())
    }
    fn is_finite(&self, _: &Array) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{
        AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, GroupNorm, Linear, MaxPool2d, PReLU,
        ReLU, ReflectionPad2d, Sequential, SiLU, Upsample,
    };
    use striate_tensor::{Generator, Index, Interpolation};

    #[test]
    fn a_network_is_written_down_with_shapes_and_costs() {
        let rng = &mut Generator::new(0);
        let net = Sequential::new()
            .add(Conv2d::options(3, 8, 3).padding(1).groups(1).build(rng))
            .add(BatchNorm2d::new(8))
            .add(ReLU::default())
            .add(MaxPool2d::new(2))
            .add(Dropout::new(0.5))
            .add(Flatten::default())
            .add(Linear::new(8 * 4 * 4, 5, rng));
        let g = capture(&net, &[2, 3, 8, 8]);
        let rows: Vec<_> = g.nodes.iter().map(|n| (n.op, n.layer.as_deref(), n.shape.to_vec(), n.macs)).collect();
        assert_eq!(
            rows,
            [
                ("conv2d", Some("0"), vec![2, 8, 8, 8], 2 * 8 * 64 * 27),
                ("batch_norm", Some("1"), vec![2, 8, 8, 8], 2 * 8 * 64),
                ("relu", None, vec![2, 8, 8, 8], 0),
                ("max_pool2d", None, vec![2, 8, 4, 4], 0),
                ("flatten", None, vec![2, 128], 0),
                ("linear", Some("6"), vec![2, 5], 2 * 128 * 5),
            ]
        );
        assert_eq!(g.nodes[5].inputs, [4]);
        assert_eq!(g.nodes[0].parameters, ["0.weight", "0.bias"]);
        let shapes: Vec<_> = g.nodes[0].input_shapes.iter().map(|s| s.to_vec()).collect();
        assert_eq!(shapes, [vec![2, 3, 8, 8], vec![8, 3, 3, 3], vec![8]]);
        assert_eq!(g.nodes[0].options.map(|o| o.padding), Some([[1, 1], [1, 1]]));
        assert_eq!(g.nodes[5].options, None);
    }

    /// Ops of all kinds, one after the other.
    struct Mixed;

    impl striate_nn::Module for Mixed {
        fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, striate_nn::Entry<'a>)) {}
        fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, striate_nn::EntryMut<'a>)) {}
    }

    impl Forward for Mixed {
        fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
            let x = x.unfold(2).fold([4, 4], 2);
            let x = x.gt(0.0).where_(x.clone().erf(), -x).clamp(-1.0, 1.0);
            let x = x.index((Index::Rest, vec![3, 0, -1], Index::step(.., 2))).flip(&[1]).roll(&[1], &[1]);
            let (x, _) = x.cumsum(1).sort(2, true);
            let x = x.clone() / x.var(&[2], 1, true);
            let x = Tensor::einsum("nchw,ndhw->ncd", &[x.clone(), x.log1p()]);
            let best = x.argmin(2, false).one_hot(3).to_dtype(DType::F32);
            let zeros = Tensor::full_like(&x, 0.0);
            (zeros.scatter_add(2, &x.argsort(2, false), x) * best).logsumexp(&[-1], false)
        }
    }

    #[test]
    fn ops_that_order_and_move_elements_read_no_values() {
        let g = capture(&Mixed, &[2, 3, 4, 4]);
        let ops: Vec<_> = g.nodes.iter().map(|n| n.op).collect();
        for op in [
            "index_select",
            "index_add",
            "compare",
            "where",
            "erf",
            "cumsum",
            "argsort",
            "gather",
            "argmin",
            "scatter_add",
        ] {
            assert!(ops.contains(&op), "{op} is not among {ops:?}");
        }
        assert_eq!(g.nodes.last().map(|n| n.shape.to_vec()), Some(vec![2, 3]));
    }

    #[test]
    fn layers_beyond_convolution_are_written_down() {
        let rng = &mut Generator::new(0);
        let net = Sequential::new()
            .add(GroupNorm::new(2, 4))
            .add(SiLU::default())
            .add(ConvTranspose2d::options(4, 6, 2).stride(2).build(rng))
            .add(PReLU::new(6))
            .add(Upsample::new([5, 5], Interpolation::Bilinear { align_corners: false }))
            .add(ReflectionPad2d::new(1))
            .add(AdaptiveAvgPool2d::new(2));
        let g = capture(&net, &[1, 4, 3, 3]);
        let rows: Vec<_> = g.nodes.iter().map(|n| (n.op, n.shape.to_vec(), n.macs)).collect();
        let last = rows.len() - 3;
        assert_eq!(rows[0], ("group_norm", vec![1, 4, 3, 3], 36));
        assert_eq!(rows[1], ("silu", vec![1, 4, 3, 3], 0));
        assert_eq!(rows[2], ("conv_transpose2d", vec![1, 6, 6, 6], 36 * 6 * 4));
        assert_eq!(rows[last], ("interpolate", vec![1, 6, 5, 5], 0));
        assert_eq!(rows[last + 1], ("pad", vec![1, 6, 7, 7], 0));
        assert_eq!(rows[last + 2], ("adaptive_avg_pool2d", vec![1, 6, 2, 2], 0));
    }

    #[test]
    #[should_panic(expected = "conv2d: got an input of shape [1, 4, 8, 8]")]
    fn an_input_that_does_not_fit_is_refused() {
        capture(&Conv2d::new(3, 8, 3, &mut Generator::new(0)), &[1, 4, 8, 8]);
    }
}
