//! ONNX's operators on tensors. What an operator reads to know its shapes must be known before the network runs; everything else becomes ops.

mod attributes;
mod context;
mod control;
mod convert;
mod elementwise;
mod functions;
mod host;
mod images;
mod indexing;
mod losses;
mod matrix;
mod norms;
mod pools;
mod quantized;
mod recurrent;
mod reductions;
mod resize;
mod shapes;
mod volumes;

pub(crate) use context::{Context, Value, Work};
pub(crate) use control::captured;

use crate::error::Fault;
use crate::proto::NodeProto;

type Operator = fn(&Context) -> Result<Vec<Value>, Fault>;

/// What computes an operator.
fn operator(op_type: &str) -> Option<Operator> {
    Some(match op_type {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" => elementwise::binary,
        "Max" | "Min" | "Sum" | "Mean" => elementwise::many,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" => elementwise::compare,
        "And" | "Or" | "Xor" | "Not" => elementwise::logic,
        "Where" => elementwise::choose,
        "Clip" => elementwise::clip,
        "Identity" | "Dropout" => elementwise::identity,
        "PRelu" => elementwise::prelu,
        "Neg" | "Abs" | "Sign" | "Exp" | "Log" | "Erf" | "Sqrt" | "Floor" | "Ceil" | "Round" | "Reciprocal" | "Sin"
        | "Cos" | "Tanh" | "Sigmoid" | "Relu" | "LeakyRelu" | "Elu" | "HardSwish" | "HardSigmoid" | "Softplus"
        | "Softsign" | "Mish" | "Gelu" | "Shrink" | "Swish" => elementwise::unary,
        "Selu" => functions::selu,
        "Celu" => functions::celu,
        "ThresholdedRelu" => functions::thresholded_relu,
        "IsNaN" => functions::is_nan,
        "IsInf" => functions::is_inf,
        "Mod" => functions::modulo,
        "Tan" | "Sinh" | "Cosh" | "Asin" | "Acos" | "Atan" | "Asinh" | "Acosh" | "Atanh" => functions::trigonometric,
        "MeanVarianceNormalization" => functions::mean_variance,
        "Hardmax" => functions::hardmax,
        "OneHot" => functions::one_hot,
        "Trilu" => functions::trilu,
        "EyeLike" => functions::eye_like,
        "If" => control::condition,
        "Loop" => control::repeat,
        "Scan" => control::scan,
        "LSTM" | "GRU" | "RNN" => recurrent::recurrent,
        "NonZero" => host::non_zero,
        "Compress" => host::compress,
        "GatherND" => host::gather_nd,
        "ScatterND" => host::scatter_nd,
        "NonMaxSuppression" => host::non_max_suppression,
        "ReverseSequence" => host::reverse_sequence,
        "RoiAlign" => host::roi_align,
        "QuantizeLinear" => quantized::quantize,
        "DequantizeLinear" => quantized::dequantize,
        "DynamicQuantizeLinear" => quantized::dynamic_quantize,
        "ConvInteger" => quantized::conv_integer,
        "MatMulInteger" => quantized::mat_mul_integer,
        "QLinearConv" => quantized::qlinear_conv,
        "QLinearMatMul" => quantized::qlinear_mat_mul,
        "Cast" | "CastLike" => convert::cast,
        "Constant" => convert::constant,
        "ConstantOfShape" => convert::constant_of_shape,
        "Range" => convert::range,
        "Shape" => shapes::shape,
        "Size" => shapes::size,
        "Reshape" => shapes::reshape,
        "Flatten" => shapes::flatten,
        "Squeeze" => shapes::squeeze,
        "Unsqueeze" => shapes::unsqueeze,
        "Transpose" => shapes::transpose,
        "Expand" => shapes::expand,
        "Tile" => shapes::tile,
        "Concat" => shapes::concat,
        "Split" => shapes::split,
        "Slice" => indexing::slice,
        "Pad" => shapes::pad,
        "DepthToSpace" => shapes::depth_to_space,
        "SpaceToDepth" => shapes::space_to_depth,
        "Gather" => indexing::gather,
        "GatherElements" => indexing::gather_elements,
        "ScatterElements" | "Scatter" => indexing::scatter_elements,
        "TopK" => indexing::top_k,
        "CumSum" => reductions::cum_sum,
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => reductions::reduce,
        "ArgMax" | "ArgMin" => reductions::arg,
        "Softmax" | "LogSoftmax" => reductions::softmax,
        "MatMul" => matrix::mat_mul,
        "Gemm" => matrix::gemm,
        "Einsum" => matrix::einsum,
        "Conv" => images::conv,
        "ConvTranspose" => images::conv_transpose,
        "MaxPool" => pools::max_pool,
        "AveragePool" => pools::average_pool,
        "LpPool" => pools::lp_pool,
        "MaxUnpool" => pools::max_unpool,
        "GlobalAveragePool" | "GlobalMaxPool" => pools::global,
        "Resize" | "Upsample" => resize::resize,
        "GridSample" => resize::grid_sample,
        "BatchNormalization" => norms::batch_norm,
        "InstanceNormalization" => norms::instance_norm,
        "LayerNormalization" => norms::layer_norm,
        "GroupNormalization" => norms::group_norm,
        "LRN" => norms::lrn,
        "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => losses::loss,
        _ => return None,
    })
}

/// The names of the standard domain of operators.
pub(crate) const DOMAINS: [&str; 2] = ["", "ai.onnx"];

/// Whether a node's operator is supported.
pub(crate) fn check_operator(node: &NodeProto) -> Result<(), Fault> {
    if !DOMAINS.contains(&node.domain()) {
        return Err(Fault::new(format!("domain {} is not supported", node.domain())));
    }
    if operator(node.op_type()).is_none() {
        return Err(Fault::new(format!("operator {} is not supported", node.op_type())));
    }
    match node.attribute.iter().find(|a| !a.ref_attr_name().is_empty()) {
        Some(a) => Err(Fault::new(format!("its {} is an attribute of a function, but it is in none", a.name()))),
        None => attributes::check(node),
    }
}

/// The operands of a node that training changes.
pub(crate) fn parameter_operands(node: &NodeProto) -> &[String] {
    let range = match node.op_type() {
        "Conv"
        | "ConvTranspose"
        | "Gemm"
        | "MatMul"
        | "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "PRelu" => 1..3,
        "BatchNormalization" => 1..3,
        _ => 0..0,
    };
    &node.input[range.start.min(node.input.len())..range.end.min(node.input.len())]
}

#[cfg(test)]
#[path = "operator_tests.rs"]
mod tests;
