//! Convolutions that follow one another.

use super::by_float;
use super::conv::{conv_shape, fused_conv2d};
use super::weights::Weight;
use crate::array::{Array, Packed};
use crate::dtype::DType;
use crate::op::{FusedConv2d, Spec, as_clamp, operands_of_chain};
use crate::shape::Shape;
use striate_kernels::conv2d::{self as conv, DepthwiseBlock, Epilogue, Pointwise};
use striate_kernels::{AlignedVec, PackedWeight, Weights};

/// Whether convolutions of these operands are best computed in one pass over the rows of the images, as far as that does not depend on the batch: a depthwise one
/// with pointwise ones around it.
pub fn is_one_pass(chain: &[FusedConv2d], inputs: &[Spec]) -> bool {
    let Some(parts) = Parts::of(chain) else { return false };
    let weight = operands_of_chain(chain, inputs)[usize::from(parts.expand.is_some())][0].shape;
    inputs[0].dtype == DType::F32
        && conv::fits_block(&conv_shape(inputs[0].shape.with(1, weight[0]), weight, &parts.depthwise.options))
}

/// A depthwise convolution and its neighbours, by their options alone.
struct Parts<'a> {
    expand: Option<&'a FusedConv2d>,
    depthwise: &'a FusedConv2d,
    project: Option<&'a FusedConv2d>,
}

impl<'a> Parts<'a> {
    fn of(chain: &'a [FusedConv2d]) -> Option<Parts<'a>> {
        let (expand, depthwise, project) = match chain {
            [a, b] if a.options.groups > 1 => (None, a, Some(b)),
            [a, b] => (Some(a), b, None),
            [a, b, c] => (Some(a), b, Some(c)),
            _ => return None,
        };
        let is_plain =
            |f: &FusedConv2d| f.options.groups == 1 && f.options.stride == [1; 2] && f.options.padding == [[0; 2]; 2];
        let fits = depthwise.options.groups > 1
            && !depthwise.residual
            && expand.is_none_or(|f| is_plain(f) && !f.residual && !f.input_relu && !depthwise.input_relu)
            && project.is_none_or(|f| is_plain(f) && !f.input_relu)
            && chain.iter().all(|f| !f.max_pool2);
        fits.then_some(Parts { expand, depthwise, project })
    }
}

/// In one pass where that is faster, or one after another.
pub fn run(chain: &[FusedConv2d], packed: Option<&[PackedWeight; 3]>, inputs: Vec<Array>) -> Array {
    let operands = operands_of_chain(chain, &inputs);
    if let Some(y) = block(chain, packed, &inputs[0], &operands) {
        return y;
    }
    let mut x = inputs[0].clone();
    for (i, (f, rest)) in chain.iter().zip(operands).enumerate() {
        let inputs = [&[x], rest].concat();
        x = by_float!(inputs[0], "conv2d", |T| fused_conv2d::<T>(f, packed.map(|p| &p[i]), inputs));
    }
    x
}

/// What a convolution takes, as plain numbers.
struct Values<'a> {
    f: &'a FusedConv2d,
    shape: Shape,
    weight: Weight<'a>,
    values: Packed<'a, f32>,
    bias: Option<Packed<'a, f32>>,
    residual: Option<Packed<'a, f32>>,
}

impl<'a> Values<'a> {
    fn of(f: &'a FusedConv2d, operands: &'a [Array], packed: Option<&'a PackedWeight>) -> Values<'a> {
        let (bias, rest) = operands[1..].split_at(usize::from(f.bias));
        let weight = Weight { array: &operands[0], packed };
        Values {
            f,
            shape: operands[0].shape,
            weight,
            values: weight.values(),
            bias: bias.first().map(Array::packed_default),
            residual: rest.first().map(Array::packed_default),
        }
    }

    fn weights(&self) -> Weights<'_, f32> {
        self.weight.of_values(&self.values)
    }

    fn epilogue(&self) -> Epilogue<'_, f32> {
        let clamp = self.f.activation.and_then(as_clamp);
        let activation = self.f.activation.filter(|_| clamp.is_none());
        Epilogue { residual: self.residual.as_deref(), clamp, activation }
    }

    fn pointwise(&self) -> Pointwise<'_> {
        Pointwise {
            channels: [self.shape[1], self.shape[0]],
            weight: self.weights(),
            bias: self.bias.as_deref(),
            epilogue: self.epilogue(),
        }
    }
}

/// In one pass, if that is faster for this batch and these threads.
fn block(chain: &[FusedConv2d], packed: Option<&[PackedWeight; 3]>, x: &Array, operands: &[&[Array]]) -> Option<Array> {
    let parts = Parts::of(chain)?;
    if x.dtype() != DType::F32 {
        return None;
    }
    let values = |i: usize| Values::of(&chain[i], operands[i], packed.map(|p| &p[i]));
    let at = usize::from(parts.expand.is_some());
    let middle = operands[at][0].shape;
    let input = x.shape.with(1, middle[0]);
    let shape = conv_shape(input, middle, &parts.depthwise.options);
    if !conv::serves_block(&shape, parts.expand.is_some()) {
        return None;
    }
    let expand = parts.expand.map(|_| values(0));
    let depthwise = values(at);
    let project = parts.project.map(|_| values(at + 1));
    let channels = project.as_ref().map_or(shape.out_channels, |p| p.shape[0]);
    let [h, w] = shape.out_size();
    let mut out = AlignedVec::unspecified(shape.batch * h * w * channels);
    let block = DepthwiseBlock {
        shape: &shape,
        expand: expand.as_ref().map(Values::pointwise),
        weight: depthwise.weights(),
        bias: depthwise.bias.as_deref(),
        epilogue: depthwise.epilogue(),
        project: project.as_ref().map(Values::pointwise),
    };
    let relu = chain[0].input_relu;
    conv::depthwise_block(&block, conv::Input { values: &x.packed_default::<f32>(), relu }, &mut out);
    Some(Array::from_buffer(out, Shape::from([shape.batch, channels, h, w])))
}
