//! Transposed convolution: the input gradient of a convolution.

use super::conv::conv2d_input_grad;
use super::{by_float, elementwise, no_such_op, take_more, views};
use crate::array::Array;
use crate::op::{Binary, ConvTranspose2dOptions, Op, Spec};
use crate::ops::conv_transpose::convolution;
use crate::shape::Shape;

/// The result of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let Op::ConvTranspose2d { options } = op else { no_such_op(op, "transposed convolution") };
    let ([x, weight], bias) = take_more(inputs);
    vec![conv_transpose2d(x, weight, bias, options, outputs[0].shape)]
}

fn conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Option<Array>,
    options: &ConvTranspose2dOptions,
    output: Shape,
) -> Array {
    let (o, beyond) = convolution(options);
    let reached = output.with(2, output[2] - beyond[0]).with(3, output[3] - beyond[1]);
    let mut y = by_float!(x, "conv_transpose2d", |T| conv2d_input_grad::<T>(&x, &weight, None, reached, &o));
    if beyond != [0; 2] {
        y = by_float!(y, "conv_transpose2d", |T| views::pad::<T>(
            &y,
            &[[0; 2], [0; 2], [0, beyond[0]], [0, beyond[1]]],
            0.0
        ));
    }
    match bias {
        Some(b) => elementwise::binary(Binary::Add, y, views::reshape(b, Shape::from([1, output[1], 1, 1]))),
        None => y,
    }
}
