//! The attributes that operators have.

use crate::error::Fault;
use crate::proto::NodeProto;

/// Of the first versions of many operators; it changes no result.
const LEGACY: &str = "consumed_inputs";

/// The attributes of an operator's versions that what computes it knows, those that change nothing here among them.
fn known(op_type: &str) -> &'static [&'static str] {
    match op_type {
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Less" | "Greater" => {
            &["axis", "broadcast"]
        }
        "Clip" => &["min", "max"],
        "Dropout" => &["ratio", "is_test", "seed"],
        "LeakyRelu" | "Elu" | "Celu" | "ThresholdedRelu" | "Swish" => &["alpha"],
        "HardSigmoid" => &["alpha", "beta"],
        "Selu" => &["alpha", "gamma"],
        "Gelu" => &["approximate"],
        "Shrink" => &["bias", "lambd"],
        "IsInf" => &["detect_negative", "detect_positive"],
        "Mod" => &["fmod"],
        "MeanVarianceNormalization" | "Squeeze" | "Unsqueeze" => &["axes"],
        "Hardmax" | "OneHot" | "Compress" | "Flatten" | "Concat" | "Gather" | "GatherElements" | "Softmax"
        | "LogSoftmax" => &["axis"],
        "Trilu" => &["upper"],
        "EyeLike" => &["dtype", "k"],
        "If" => &["then_branch", "else_branch"],
        "Loop" => &["body"],
        "Scan" => &[
            "body",
            "num_scan_inputs",
            "scan_input_axes",
            "scan_input_directions",
            "scan_output_axes",
            "scan_output_directions",
        ],
        "LSTM" | "GRU" | "RNN" => &[
            "activation_alpha",
            "activation_beta",
            "activations",
            "clip",
            "direction",
            "hidden_size",
            "input_forget",
            "layout",
            "linear_before_reset",
            "output_sequence",
        ],
        "GatherND" => &["batch_dims"],
        "ScatterND" => &["reduction"],
        "Scatter" | "ScatterElements" => &["axis", "reduction"],
        "NonMaxSuppression" => &["center_point_box"],
        "ReverseSequence" => &["batch_axis", "time_axis"],
        "RoiAlign" => &[
            "coordinate_transformation_mode",
            "mode",
            "output_height",
            "output_width",
            "sampling_ratio",
            "spatial_scale",
        ],
        "QuantizeLinear" => &["axis", "block_size", "output_dtype", "precision", "saturate"],
        "DequantizeLinear" => &["axis", "block_size", "output_dtype"],
        "Cast" => &["to", "saturate", "round_mode"],
        "CastLike" => &["saturate", "round_mode"],
        "Constant" => &["value", "value_float", "value_floats", "value_int", "value_ints"],
        "ConstantOfShape" => &["value"],
        "Range" => &["stash_type"],
        "Shape" => &["start", "end"],
        "Reshape" => &["allowzero", "shape"],
        "Transpose" => &["perm"],
        "Split" => &["axis", "num_outputs", "split"],
        "Slice" => &["axes", "ends", "starts"],
        "Pad" => &["mode", "pads", "paddings", "value"],
        "DepthToSpace" | "SpaceToDepth" => &["blocksize", "mode"],
        "TopK" => &["axis", "k", "largest", "sorted"],
        "CumSum" => &["exclusive", "reverse"],
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceSumSquare" | "ReduceLogSum" | "ReduceLogSumExp" => &["axes", "keepdims", "noop_with_empty_axes"],
        "ArgMax" | "ArgMin" => &["axis", "keepdims", "select_last_index"],
        "Gemm" => &["alpha", "beta", "broadcast", "transA", "transB"],
        "Einsum" => &["equation"],
        "Conv" | "ConvInteger" | "QLinearConv" => {
            &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"]
        }
        "ConvTranspose" => {
            &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"]
        }
        "MaxPool" => &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
        "AveragePool" => {
            &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"]
        }
        "LpPool" => &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"],
        "MaxUnpool" => &["kernel_shape", "pads", "strides"],
        "Resize" => &[
            "antialias",
            "axes",
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "keep_aspect_ratio_policy",
            "mode",
            "nearest_mode",
        ],
        "Upsample" => &["mode", "scales"],
        "GridSample" => &["align_corners", "mode", "padding_mode"],
        "BatchNormalization" => &["epsilon", "is_test", "momentum", "spatial", "training_mode"],
        "InstanceNormalization" => &["epsilon"],
        "LayerNormalization" => &["axis", "epsilon", "stash_type"],
        "GroupNormalization" => &["epsilon", "num_groups", "stash_type"],
        "LRN" => &["alpha", "beta", "bias", "size"],
        "NegativeLogLikelihoodLoss" | "SoftmaxCrossEntropyLoss" => &["ignore_index", "reduction"],
        _ => &[],
    }
}

/// Refuses attributes that nothing reads: what they ask for would silently not be done.
pub(super) fn check(node: &NodeProto) -> Result<(), Fault> {
    let known = known(node.op_type());
    match node.attribute.iter().map(|a| a.name()).find(|name| *name != LEGACY && !known.contains(name)) {
        Some(name) => Err(Fault::new(format!("attribute {name} is not supported"))),
        None => Ok(()),
    }
}
