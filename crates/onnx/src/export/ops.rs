//! Each op as nodes of ONNX.

use crate::error::Fault;
use crate::export::attributes::{float, int, ints, string};
use crate::export::builder::{Builder, as_i64};
use crate::export::{images, norms, resize};
use crate::tensor::data_type;
use striate_graph::{Dim, Node};
use striate_tensor::op::{Activation, Binary, Compare, Formula, GridSampleMode, GridSamplePadding, Reduce, Unary};
use striate_tensor::{DType, Op, PaddingMode, Tensor};

/// Writes a node; gives the name of its first result.
pub(crate) fn write(b: &mut Builder, node: &Node) -> Result<String, Fault> {
    let graph = b.graph;
    let spec = |i: usize| graph.value(node.inputs[i]).spec;
    let dtype = spec(0).dtype;
    // What reads its operands in another form takes their names itself.
    let x = b.value(node.inputs[0]);
    let output = graph.value(node.outputs[0]);
    Ok(match &node.op {
        Op::Reshape { .. } => {
            let to = b.shape(&output.dims);
            b.node("Reshape", &[&x, &to], vec![])
        }
        Op::Flatten { start_dim: 1, end_dim } if *end_dim + 1 == spec(0).shape.rank() => {
            b.node("Flatten", &[&x], vec![int("axis", 1)])
        }
        Op::Flatten { .. } => {
            let to = b.shape(&output.dims);
            b.node("Reshape", &[&x, &to], vec![])
        }
        Op::Permute { dims } => b.node("Transpose", &[&x], vec![ints("perm", dims)]),
        Op::Expand { .. } => {
            let to = b.sizes(&output.dims);
            b.node("Expand", &[&x, &to], vec![])
        }
        Op::Narrow { dim, .. } => {
            let (start, length) = (node.sizes[0], node.sizes[1]);
            slice(b, &x, *dim, start, plus(start, length))
        }
        Op::Cat { dim } => {
            let all: Vec<String> = node.inputs.iter().map(|&id| b.value(id)).collect();
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            b.node("Concat", &all, vec![int("axis", *dim as i64)])
        }
        Op::Pad { padding, mode, value } => pad(b, &x, padding, *mode, *value, node)?,
        Op::Cast { dtype } => cast(b, &x, *dtype),
        Op::Unary(f) => unary(b, *f, &x, dtype),
        Op::Binary(f) => {
            let y = b.value(node.inputs[1]);
            b.node(binary(*f)?, &[&x, &y], vec![])
        }
        Op::Compare(c) => {
            let y = b.value(node.inputs[1]);
            let mut truth = b.node(compare(*c), &[&x, &y], vec![]);
            if *c == Compare::Ne {
                truth = b.node("Not", &[&truth], vec![]);
            }
            cast(b, &truth, DType::U8)
        }
        Op::Where => {
            let condition = if dtype == DType::Bool { x } else { cast(b, &x, DType::Bool) };
            let (a, c) = (b.value(node.inputs[1]), b.value(node.inputs[2]));
            b.node("Where", &[&condition, &a, &c], vec![])
        }
        Op::Prelu => {
            let channels = spec(1).shape[0];
            let tail = spec(0).shape.rank().saturating_sub(2);
            let slope = b.reshaped(node.inputs[1], &[&[channels][..], &vec![1; tail]].concat());
            b.node("PRelu", &[&x, &slope], vec![])
        }
        Op::Reduce { op, dims, keepdim } => reduce(b, *op, &x, dims, *keepdim),
        Op::ArgMax { dim, keepdim } => argument(b, "ArgMax", &x, *dim, *keepdim),
        Op::ArgMin { dim, keepdim } => argument(b, "ArgMin", &x, *dim, *keepdim),
        Op::ArgSort { dim, descending } => {
            let size = b.sizes(&[graph.value(node.inputs[0]).dims[*dim]]);
            let outputs = vec![b.fresh("TopK"), b.fresh("ArgSort")];
            let name = outputs[1].clone();
            b.node_to(
                outputs,
                "TopK",
                &[&x, &size],
                vec![int("axis", *dim as i64), int("largest", *descending as i64)],
            );
            name
        }
        Op::CumSum { dim, reverse } => {
            let axis = b.constant(&Tensor::from_vec(vec![*dim as i64], []));
            b.node("CumSum", &[&x, &axis], vec![int("reverse", *reverse as i64)])
        }
        Op::MatMul => {
            let y = b.value(node.inputs[1]);
            b.node("MatMul", &[&x, &y], vec![])
        }
        Op::Linear => {
            let (w, bias) = (b.value(node.inputs[1]), node.inputs.get(2).map(|&id| b.value(id)));
            match spec(0).shape.rank() {
                2 => {
                    let all: Vec<&str> =
                        [Some(&x), Some(&w), bias.as_ref()].into_iter().flatten().map(|s| &s[..]).collect();
                    b.node("Gemm", &all, vec![int("transB", 1)])
                }
                _ => {
                    let transposed = b.node("Transpose", &[&w], vec![ints("perm", &[1, 0])]);
                    let y = b.node("MatMul", &[&x, &transposed], vec![]);
                    bias.map_or(y.clone(), |bias| b.node("Add", &[&y, &bias], vec![]))
                }
            }
        }
        Op::Gather { dim } => {
            let index = b.value(node.inputs[1]);
            b.node("GatherElements", &[&x, &index], vec![int("axis", *dim as i64)])
        }
        Op::ScatterAdd { dim, .. } => {
            let (index, zero, to) = (b.value(node.inputs[1]), b.scalar(0.0, dtype), b.sizes(&output.dims));
            let zeros = b.node("Expand", &[&zero, &to], vec![]);
            let attributes = vec![int("axis", *dim as i64), string("reduction", "add")];
            b.node("ScatterElements", &[&zeros, &index, &x], attributes)
        }
        Op::IndexSelect { dim } => {
            let index = b.value(node.inputs[1]);
            b.node("Gather", &[&x, &index], vec![int("axis", *dim as i64)])
        }
        Op::Softmax { dim } => b.node("Softmax", &[&x], vec![int("axis", *dim as i64)]),
        Op::LogSoftmax { dim } => b.node("LogSoftmax", &[&x], vec![int("axis", *dim as i64)]),
        Op::Conv2d { options, input_relu } => images::conv(b, &x, options, *input_relu, node),
        Op::ConvTranspose2d { options } => images::conv_transpose(b, &x, options, node),
        Op::MaxPool2d { options, input_relu, .. } => images::max_pool(b, &x, options, *input_relu, node),
        Op::AvgPool2d { options } => images::avg_pool(b, &x, options, node),
        Op::AdaptiveAvgPool { output_size } => images::adaptive_avg_pool(b, &x, output_size, node),
        Op::AdaptiveMaxPool2d { output_size, .. } => images::adaptive_max_pool(b, &x, output_size, node),
        Op::Interpolate { scale_factor, mode, .. } => resize::resize(b, &x, *scale_factor, *mode, node),
        Op::GridSample { mode, padding_mode, align_corners } => {
            let grid = b.value(node.inputs[1]);
            // Opset 20 has other names.
            let mode = match mode {
                GridSampleMode::Nearest => "nearest",
                GridSampleMode::Bilinear if b.opset < 20 => "bilinear",
                GridSampleMode::Bilinear => "linear",
                GridSampleMode::Bicubic if b.opset < 20 => "bicubic",
                GridSampleMode::Bicubic => "cubic",
            };
            let padding = match padding_mode {
                GridSamplePadding::Zeros => "zeros",
                GridSamplePadding::Border => "border",
                GridSamplePadding::Reflection => "reflection",
            };
            let corners = int("align_corners", *align_corners as i64);
            b.node("GridSample", &[&x, &grid], vec![string("mode", mode), string("padding_mode", padding), corners])
        }
        Op::BatchNorm { eps, training: false, residual, activation } => {
            let y = norms::batch_norm(b, &x, *eps, node);
            let y = match residual {
                true => {
                    let r = b.value(node.inputs[5]);
                    b.node("Add", &[&y, &r], vec![])
                }
                false => y,
            };
            activation.map_or(y.clone(), |f| unary(b, f, &y, dtype))
        }
        Op::GroupNorm { groups, eps } => norms::group_norm(b, &x, *groups, *eps, node),
        Op::LayerNorm { eps } => norms::layer_norm(b, &x, *eps, node),
        Op::LocalResponseNorm { size, alpha, beta, k } => {
            if size % 2 == 0 {
                return Err(Fault::new(format!("an even size of {size} takes other channels than ONNX's LRN")));
            }
            let attributes =
                vec![int("size", *size as i64), float("alpha", *alpha), float("beta", *beta), float("bias", *k)];
            b.node("LRN", &[&x], attributes)
        }
        _ => return Err(Fault::new("it belongs to training, or nothing in ONNX does the same")),
    })
}

pub(crate) fn plus(a: Dim, b: Dim) -> Dim {
    Dim { fixed: a.fixed + b.fixed, per_sample: a.per_sample + b.per_sample }
}

/// Elements `start..end` of one dimension.
pub(crate) fn slice(b: &mut Builder, x: &str, dim: usize, start: Dim, end: Dim) -> String {
    let (start, end, axis) = (b.sizes(&[start]), b.sizes(&[end]), b.ints(&[dim as i64]));
    b.node("Slice", &[x, &start, &end, &axis], vec![])
}

pub(crate) fn cast(b: &mut Builder, x: &str, to: DType) -> String {
    b.node("Cast", &[x], vec![int("to", data_type(to) as i64)])
}

fn argument(b: &mut Builder, op_type: &str, x: &str, dim: usize, keepdim: bool) -> String {
    b.node(op_type, &[x], vec![int("axis", dim as i64), int("keepdims", keepdim as i64)])
}

fn pad(
    b: &mut Builder,
    x: &str,
    padding: &[[usize; 2]],
    mode: PaddingMode,
    value: f64,
    node: &Node,
) -> Result<String, Fault> {
    let input = b.graph.value(node.inputs[0]);
    let name = match mode {
        PaddingMode::Zeros => "constant",
        PaddingMode::Reflect => "reflect",
        PaddingMode::Replicate => "edge",
        PaddingMode::Circular => {
            let mut x = x.to_string();
            for (dim, &[before, after]) in padding.iter().enumerate().filter(|(_, p)| **p != [0; 2]) {
                let size = input.dims[dim];
                let back = |n: usize| plus(size, Dim { fixed: -(n as isize), per_sample: 0 });
                let first = (before > 0).then(|| slice(b, &x, dim, back(before), size));
                let last = (after > 0).then(|| slice(b, &x, dim, Dim::fixed(0), Dim::fixed(after)));
                let parts: Vec<&str> = [first.as_deref(), Some(&x), last.as_deref()].into_iter().flatten().collect();
                x = b.node("Concat", &parts, vec![int("axis", dim as i64)]);
            }
            return Ok(x);
        }
    };
    // Sizes before each dimension, then those after each.
    let pairs = node.sizes.as_chunks::<2>().0;
    let ordered: Vec<Dim> = [0, 1].iter().flat_map(|&side| pairs.iter().map(move |p| p[side])).collect();
    let pads = b.sizes(&ordered);
    let filler = (mode == PaddingMode::Zeros && value != 0.0).then(|| b.scalar(value, input.spec.dtype));
    let inputs: Vec<&str> = [Some(x), Some(&pads), filler.as_deref()].into_iter().flatten().collect();
    Ok(b.node("Pad", &inputs, vec![string("mode", name)]))
}

/// A function of each element.
pub(crate) fn unary(b: &mut Builder, f: Unary, x: &str, dtype: DType) -> String {
    let with = |b: &mut Builder, op_type: &str, x: &str, number: f64| {
        let number = b.scalar(number, dtype);
        b.node(op_type, &[x, &number], vec![])
    };
    let simple = match f {
        Unary::Neg => "Neg",
        Unary::Abs => "Abs",
        Unary::Sign => "Sign",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Erf => "Erf",
        Unary::Sqrt => "Sqrt",
        Unary::Floor => "Floor",
        Unary::Ceil => "Ceil",
        Unary::Round => "Round",
        Unary::Recip => "Reciprocal",
        Unary::Sin => "Sin",
        Unary::Cos => "Cos",
        Unary::Tanh => "Tanh",
        Unary::Sigmoid => "Sigmoid",
        Unary::Relu => "Relu",
        Unary::Log1p => {
            let more = with(b, "Add", x, 1.0);
            return b.node("Log", &[&more], vec![]);
        }
        Unary::Expm1 => {
            let power = b.node("Exp", &[x], vec![]);
            return with(b, "Sub", &power, 1.0);
        }
        Unary::Rsqrt => {
            let root = b.node("Sqrt", &[x], vec![]);
            return b.node("Reciprocal", &[&root], vec![]);
        }
        Unary::Square => return b.node("Mul", &[x, x], vec![]),
        Unary::LeakyRelu(slope) => return b.node("LeakyRelu", &[x], vec![float("alpha", slope)]),
        Unary::AddScalar(n) => return with(b, "Add", x, n),
        Unary::MulScalar(n) => return with(b, "Mul", x, n),
        Unary::PowScalar(n) => return with(b, "Pow", x, n),
        Unary::ClampMin(n) => return with(b, "Max", x, n),
        Unary::ClampMax(n) => return with(b, "Min", x, n),
        Unary::Activation(a) => return activation(b, a, x, dtype),
    };
    b.node(simple, &[x], vec![])
}

/// An activation as an operator of ONNX's where that does as well; else by its formula.
fn activation(b: &mut Builder, a: Activation, x: &str, dtype: DType) -> String {
    let with = |b: &mut Builder, op_type: &str, x: &str, number: f64| {
        let number = b.scalar(number, dtype);
        b.node(op_type, &[x, &number], vec![])
    };
    match a {
        Activation::Hardtanh(low, high) => {
            let (low, high) = (b.scalar(low, dtype), b.scalar(high, dtype));
            b.node("Clip", &[x, &low, &high], vec![])
        }
        Activation::Elu(alpha) => b.node("Elu", &[x], vec![float("alpha", alpha)]),
        Activation::Hardswish => b.node("HardSwish", &[x], vec![]),
        Activation::Softplus { beta, threshold } => {
            let scaled = if beta == 1.0 { x.to_string() } else { with(b, "Mul", x, beta) };
            let soft = b.node("Softplus", &[&scaled], vec![]);
            let soft = if beta == 1.0 { soft } else { with(b, "Div", &soft, beta) };
            // Further out both are x to the last digit of an `f32`.
            if threshold >= 16.0 {
                return soft;
            }
            let is_linear = with(b, "Greater", &scaled, threshold);
            b.node("Where", &[&is_linear, x, &soft], vec![])
        }
        Activation::Hardshrink(lambda) => b.node("Shrink", &[x], vec![float("lambd", lambda), float("bias", 0.0)]),
        // Hardsigmoid by its formula, too: OpenCV 5.0 forgets the attributes of a HardSigmoid that follows a convolution.
        _ => formula(b, &Formula::of(a), x, dtype),
    }
}

fn formula(b: &mut Builder, f: &Formula, x: &str, dtype: DType) -> String {
    match f {
        Formula::X => x.to_string(),
        Formula::Number(number) => b.scalar(*number, dtype),
        Formula::Unary(f, of) => {
            let of = formula(b, of, x, dtype);
            unary(b, *f, &of, dtype)
        }
        Formula::Binary(f, of) => {
            let [left, right] = [&of[0], &of[1]].map(|of| formula(b, of, x, dtype));
            b.node(binary(*f).expect("formulas hold no gradients"), &[&left, &right], vec![])
        }
    }
}

fn binary(f: Binary) -> Result<&'static str, Fault> {
    Ok(match f {
        Binary::Add => "Add",
        Binary::Sub => "Sub",
        Binary::Mul => "Mul",
        Binary::Div => "Div",
        Binary::Pow => "Pow",
        Binary::Maximum => "Max",
        Binary::Minimum => "Min",
        _ => return Err(Fault::new("it belongs to training")),
    })
}

fn compare(c: Compare) -> &'static str {
    match c {
        Compare::Eq | Compare::Ne => "Equal",
        Compare::Lt => "Less",
        Compare::Le => "LessOrEqual",
        Compare::Gt => "Greater",
        Compare::Ge => "GreaterOrEqual",
    }
}

pub(crate) fn reduce(b: &mut Builder, op: Reduce, x: &str, dims: &[usize], keepdim: bool) -> String {
    let (op_type, since) = match op {
        Reduce::Sum => ("ReduceSum", 13),
        Reduce::Mean => ("ReduceMean", 18),
        Reduce::Max => ("ReduceMax", 18),
        Reduce::Min => ("ReduceMin", 18),
        Reduce::Prod => ("ReduceProd", 18),
    };
    let keep = int("keepdims", keepdim as i64);
    // An empty list would mean all dimensions.
    if dims.is_empty() {
        return b.node("Identity", &[x], vec![]);
    }
    if b.opset >= since {
        let axes = b.ints(&as_i64(dims));
        return b.node(op_type, &[x, &axes], vec![keep]);
    }
    b.node(op_type, &[x], vec![ints("axes", dims), keep])
}
