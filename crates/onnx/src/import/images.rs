//! Convolutions.

use crate::error::Fault;
use crate::import::{Context, Value, volumes};
use striate_tensor::{Conv2dOptions, ConvTranspose2dOptions, Op};

/// Windows over the spatial dimensions of `[n, c, ..]`.
#[derive(Clone)]
pub(crate) struct Windows {
    pub kernel: Vec<usize>,
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    /// Added before and after each dimension.
    pub pads: Vec<[usize; 2]>,
}

impl Windows {
    /// Of a node over images of these sizes.
    pub fn of(ctx: &Context, kernel: &[usize], input: &[usize]) -> Result<Windows, Fault> {
        let n = kernel.len();
        if n != input.len() || n == 0 {
            return Err(Fault::new(format!("windows of {kernel:?} do not fit {} dimensions", input.len())));
        }
        let strides = ctx.sizes("strides", n, 1)?;
        let dilations = ctx.sizes("dilations", n, 1)?;
        if kernel.iter().chain(&strides).chain(&dilations).any(|&x| x == 0) {
            return Err(Fault::new("kernel, strides and dilations must be at least 1"));
        }
        let pads = match ctx.string_or("auto_pad", "NOTSET")? {
            "NOTSET" | "" => {
                let all = ctx.sizes("pads", 2 * n, 0)?;
                (0..n).map(|d| [all[d], all[n + d]]).collect()
            }
            "VALID" => vec![[0; 2]; n],
            mode @ ("SAME_UPPER" | "SAME_LOWER") => {
                let same = |d: usize| {
                    let reach = (kernel[d] - 1) * dilations[d] + 1;
                    let total =
                        (input[d].div_ceil(strides[d]).saturating_sub(1) * strides[d] + reach).saturating_sub(input[d]);
                    let (less, more) = (total / 2, total - total / 2);
                    if mode == "SAME_UPPER" { [less, more] } else { [more, less] }
                };
                (0..n).map(same).collect()
            }
            other => return Err(Fault::new(format!("auto_pad '{other}' is not supported"))),
        };
        Ok(Windows { kernel: kernel.to_vec(), strides, dilations, pads })
    }

    /// As windows over two dimensions: with one dimension, the height is 1.
    pub fn in_2d(mut self) -> Result<Windows, Fault> {
        match self.kernel.len() {
            1 => {
                self.kernel.insert(0, 1);
                self.strides.insert(0, 1);
                self.dilations.insert(0, 1);
                self.pads.insert(0, [0; 2]);
                Ok(self)
            }
            2 => Ok(self),
            n => Err(Fault::new(format!("{n} spatial dimensions are not supported"))),
        }
    }
}

/// `[n, c, l]` as images of height 1.
pub(crate) fn as_images(ctx: &Context, x: Value) -> Result<Value, Fault> {
    match x.shape()[..] {
        [n, c, l] => ctx.reshaped(x, &[n, c, 1, l]),
        _ => Ok(x),
    }
}

/// Images as `[n, c, l]`, if that is what came in.
pub(crate) fn as_came(ctx: &Context, y: Value, rank: usize) -> Result<Value, Fault> {
    match y.shape()[..] {
        [n, c, 1, l] if rank == 3 => ctx.reshaped(y, &[n, c, l]),
        _ => Ok(y),
    }
}

pub(crate) fn groups(ctx: &Context) -> Result<usize, Fault> {
    let n = ctx.int_or("group", 1);
    usize::try_from(n).ok().filter(|n| (1..1 << 31).contains(n)).ok_or_else(|| Fault::new(format!("group is {n}")))
}

/// The operands of a convolution.
struct Operands {
    /// Input and weight as images, and the bias if there is one.
    all: Vec<Value>,
    /// The rank that they came with.
    rank: usize,
    kernel: Vec<usize>,
    size: Vec<usize>,
}

/// Refuses a kernel size that is not the weight's.
pub(crate) fn check_kernel(ctx: &Context, kernel: &[usize]) -> Result<(), Fault> {
    match ctx.ints("kernel_shape") {
        Some(sizes) if !sizes.iter().map(|&n| usize::try_from(n).ok()).eq(kernel.iter().map(|&n| Some(n))) => {
            Err(Fault::new(format!("kernel_shape is {sizes:?}, but the weight has {kernel:?}")))
        }
        _ => Ok(()),
    }
}

fn operands(ctx: &Context, x: Value, w: Value, bias: Option<Value>) -> Result<Operands, Fault> {
    let (shape, kernel) = (x.shape(), w.shape());
    if shape.rank() < 3 || kernel.rank() != shape.rank() {
        return Err(Fault::new(format!("an input of shape {shape} does not go with a weight of shape {kernel}")));
    }
    check_kernel(ctx, &kernel[2..])?;
    let all = [Some(as_images(ctx, x)?), Some(as_images(ctx, w)?), bias].into_iter().flatten().collect();
    Ok(Operands { all, rank: shape.rank(), kernel: kernel[2..].to_vec(), size: shape[2..].to_vec() })
}

pub(crate) fn conv(ctx: &Context) -> Result<Vec<Value>, Fault> {
    Ok(vec![convolved(ctx, ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2))?])
}

/// A convolution by the attributes of the node.
pub(crate) fn convolved(ctx: &Context, x: Value, w: Value, bias: Option<Value>) -> Result<Value, Fault> {
    if x.rank() == 5 && w.rank() == 5 {
        return volumes::convolved(ctx, x, w, bias);
    }
    let Operands { all, rank, kernel, size } = operands(ctx, x, w, bias)?;
    let w = Windows::of(ctx, &kernel, &size)?.in_2d()?;
    let options = Conv2dOptions {
        stride: [w.strides[0], w.strides[1]],
        padding: [w.pads[0], w.pads[1]],
        dilation: [w.dilations[0], w.dilations[1]],
        groups: groups(ctx)?,
    };
    let y = ctx.op_of(Op::Conv2d { options, input_relu: false }, all)?;
    as_came(ctx, y, rank)
}

pub(crate) fn conv_transpose(ctx: &Context) -> Result<Vec<Value>, Fault> {
    let operands = operands(ctx, ctx.operand(0)?, ctx.operand(1)?, ctx.try_operand(2))?;
    let Operands { all, rank, kernel, size } = operands;
    let n = kernel.len();
    let more = ctx.sizes("output_padding", n, 0)?;
    let shape = ctx.attribute("output_shape").map(|_| ctx.sizes("output_shape", n, 0)).transpose()?;
    let mode = ctx.string_or("auto_pad", "NOTSET")?;
    let strides = ctx.sizes("strides", n, 1)?;
    let dilations = ctx.sizes("dilations", n, 1)?;
    if kernel.iter().chain(&strides).chain(&dilations).chain(&size).any(|&x| x == 0) {
        return Err(Fault::new("kernel, strides, dilations and sizes must be at least 1"));
    }
    // The sizes before anything is cut off.
    let full: Vec<usize> =
        (0..n).map(|d| (size[d] - 1) * strides[d] + (kernel[d] - 1) * dilations[d] + 1 + more[d]).collect();
    let same = mode.starts_with("SAME");
    let wanted = shape.or_else(|| same.then(|| (0..n).map(|d| size[d] * strides[d]).collect()));
    let given = ctx.sizes("pads", 2 * n, 0)?;
    let cut = |d: usize| match &wanted {
        None => [given[d], given[n + d]],
        Some(wanted) => {
            let total = full[d].saturating_sub(wanted[d]);
            let (less, more) = (total / 2, total - total / 2);
            if mode == "SAME_UPPER" { [less, more] } else { [more, less] }
        }
    };
    let mut cuts: Vec<[usize; 2]> = (0..n).map(cut).collect();
    // What a wanted shape has beyond the full one is zeros at the end.
    let beyond: Vec<usize> = (0..n).map(|d| wanted.as_ref().map_or(0, |w| w[d].saturating_sub(full[d]))).collect();
    let ends: Vec<usize> = more.iter().zip(&beyond).map(|(a, b)| a + b).collect();
    if n == 3 {
        let windows = Transposed { strides, dilations, ends, cuts };
        return Ok(vec![volumes::transposed(ctx, all, &windows)?]);
    }
    if n > 3 {
        return Err(Fault::new(format!("{n} spatial dimensions are not supported, only one to three")));
    }
    let two = |mut list: Vec<usize>, one: usize| {
        if n == 1 {
            list.insert(0, one);
        }
        [list[0], list[1]]
    };
    if n == 1 {
        cuts.insert(0, [0; 2]);
    }
    let equal = cuts.iter().all(|c| c[0] == c[1]);
    let options = ConvTranspose2dOptions {
        stride: two(strides, 1),
        padding: if equal { [cuts[0][0], cuts[1][0]] } else { [0; 2] },
        output_padding: [0; 2],
        dilation: two(dilations, 1),
        groups: groups(ctx)?,
    };
    finish_transposed(ctx, all, options, (two(ends, 0), cuts, equal), rank)
}

/// The windows of a transposed convolution.
pub(crate) struct Transposed {
    pub strides: Vec<usize>,
    pub dilations: Vec<usize>,
    /// What the output has at the end of each dimension besides what windows reach.
    pub ends: Vec<usize>,
    /// What is cut off before and after each dimension.
    pub cuts: Vec<[usize; 2]>,
}

/// Computes a transposed convolution, adds what its output has at the end, and cuts off what is padding.
fn finish_transposed(
    ctx: &Context,
    all: Vec<Value>,
    mut options: ConvTranspose2dOptions,
    (ends, cuts, equal): ([usize; 2], Vec<[usize; 2]>, bool),
    rank: usize,
) -> Result<Vec<Value>, Fault> {
    let fits = (0..2).all(|d| ends[d] < options.stride[d].max(options.dilation[d]));
    if !fits {
        return Err(Fault::new(format!(
            "output padding of {ends:?} is not supported for strides of {:?}",
            options.stride
        )));
    }
    options.output_padding = ends;
    let mut y = ctx.op_of(Op::ConvTranspose2d { options }, all)?;
    if !equal {
        for (d, [before, after]) in cuts.into_iter().enumerate() {
            let size = y.shape()[2 + d];
            let left = size.checked_sub(before + after).filter(|&n| n > 0);
            let left = left.ok_or_else(|| Fault::new("its pads leave nothing"))?;
            y = ctx.narrow(y, 2 + d, before, left)?;
        }
    }
    Ok(vec![as_came(ctx, y, rank)?])
}
