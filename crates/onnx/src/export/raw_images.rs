//! What makes a network's input of images of any size, as nodes of ONNX.

use crate::error::OnnxError;
use crate::export::attributes::{float, int, ints, string};
use crate::export::builder::{Builder, as_i64};
use crate::export::ops::{cast, reduce};
use crate::{MAX_OPSET, MIN_RAW_OPSET};
use striate_tensor::op::Reduce;
use striate_tensor::{DType, Tensor};

/// The name of the images in the file, and that of what the network takes.
const RAW: &str = "images";
const PREPARED: &str = "prepared";
/// What the names of the nodes start with.
const PREFIX: &str = "preprocessing";
/// The weights of red, green and blue in grey (ITU-R BT.601), and their sum.
const LUMA: [f32; 3] = [299.0, 587.0, 114.0];
const LUMA_SUM: f64 = 1000.0;
const WHITE: f64 = 255.0;
/// Values up to this are dark.
const DARK: f64 = 127.0;
/// Height and width of images `[n, c, h, w]`.
const SIDES: [usize; 2] = [2, 3];

/// How an image gets its size.
#[derive(Clone, Debug, PartialEq)]
pub enum RawFit {
    /// It is scaled, whatever its aspect.
    Resize,
    /// Its shorter side is scaled, and the middle cut out.
    Crop {
        /// To so many pixels.
        shorter: usize,
    },
    /// All of it is scaled with its aspect kept, and gets a border.
    Letterbox {
        /// The colour of the border: a value of 0 to 255 for each channel.
        border: Vec<u8>,
    },
}

/// How the network's input is made of images `u8 [n, height, width, 3]` (red, green, blue) of any size: grey, polarity, scaling with antialiasing, the middle or a
/// border, black pixels around it, and normalization. Rows are scaled before columns, and both round to bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct RawImages {
    /// Channels of the network's input: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Height and width before padding. An image of this size is not scaled.
    pub size: [usize; 2],
    /// How they get it.
    pub fit: RawFit,
    /// The `a` of the cubic that weighs pixels; none for a triangle.
    pub cubic: Option<f64>,
    /// Whether grey images that are dark on light are inverted: those of most of whose edge and most of whose pixels are light.
    pub light_on_dark: bool,
    /// Black pixels added on each side.
    pub pad: usize,
    /// What is subtracted from each channel, of values 0 to 1.
    pub mean: Vec<f32>,
    /// What each channel is divided by.
    pub std: Vec<f32>,
}

impl RawImages {
    /// Whether files of this version of the operators can have it.
    pub(crate) fn check(&self, opset: i64) -> Result<(), OnnxError> {
        let fits = (MIN_RAW_OPSET..=MAX_OPSET).contains(&opset);
        if fits { Ok(()) } else { Err(OnnxError::RawOpset(opset)) }
    }

    /// Channels, height and width of what the network takes.
    pub fn output_shape(&self) -> [usize; 3] {
        let [h, w] = self.size.map(|side| side + 2 * self.pad);
        [self.channels, h, w]
    }

    /// Writes the nodes; gives the names of the images and of what the network takes.
    pub(crate) fn write(&self, b: &mut Builder) -> [String; 2] {
        let (raw, prepared) = (b.fresh(RAW), b.fresh(PREPARED));
        b.prefix = PREFIX.into();
        let x = b.node("Transpose", &[&raw], vec![ints("perm", &[0, 3, 1, 2])]);
        let mut x = cast(b, &x, DType::F32);
        let size = b.node("Shape", &[&x], vec![int("start", 2), int("end", 4)]);
        if self.channels == 1 {
            x = grey(b, &x);
            if self.light_on_dark {
                x = light_on_dark(b, &x, &size);
            }
        }
        x = match &self.fit {
            RawFit::Resize => {
                let [h, w] = self.size.map(|side| b.ints(&[side as i64]));
                self.scaled(b, &x, [h, w])
            }
            RawFit::Crop { shorter } => self.middle(b, &x, &size, *shorter),
            RawFit::Letterbox { border } => self.letterbox(b, &x, &size, border),
        };
        if self.pad > 0 {
            let p = self.pad as i64;
            let pads = b.ints(&[0, 0, p, p, 0, 0, p, p]);
            x = b.node("Pad", &[&x, &pads], vec![]);
        }
        x = self.normalized(b, &x);
        let [c, h, w] = self.output_shape();
        // Runtimes do not see the size through what comes before.
        let shape = b.ints(&[-1, c as i64, h as i64, w as i64]);
        b.node_to(vec![prepared.clone()], "Reshape", &[&x, &shape], vec![]);
        b.prefix.clear();
        [raw, prepared]
    }

    fn scaled(&self, b: &mut Builder, x: &str, size: [String; 2]) -> String {
        let mut x = x.to_string();
        for (dim, size) in SIDES.into_iter().zip(size) {
            let mode = if self.cubic.is_some() { "cubic" } else { "linear" };
            let mut attributes = vec![
                string("mode", mode),
                string("coordinate_transformation_mode", "half_pixel"),
                ints("axes", &[dim]),
                int("antialias", 1),
                int("exclude_outside", 1),
            ];
            attributes.extend(self.cubic.map(|a| float("cubic_coeff_a", a)));
            x = b.node("Resize", &[&x, "", "", &size], attributes);
            // `Round` would round halves to even.
            x = number(b, "Add", &x, 0.5);
            x = b.node("Floor", &[&x], vec![]);
            if self.cubic.is_some() {
                let (black, white) = (b.scalar(0.0, DType::F32), b.scalar(WHITE, DType::F32));
                x = b.node("Clip", &[&x, &black, &white], vec![]);
            }
        }
        x
    }

    /// The middle, once the shorter side is scaled.
    fn middle(&self, b: &mut Builder, x: &str, size: &str, shorter: usize) -> String {
        let wanted = b.ints(&as_i64(&self.size));
        let two = b.ints(&[2]);
        let mut now = self.size_of_shorter(b, size, &wanted, shorter);
        let sides = [0, 1].map(|i| part(b, &now, i));
        let mut x = self.scaled(b, x, sides);
        if self.size.iter().any(|&side| side > shorter) {
            let missing = b.node("Sub", &[&wanted, &now], vec![]);
            let zero = b.ints(&[0]);
            let missing = b.node("Max", &[&missing, &zero], vec![]);
            x = pad(b, &x, &missing);
            now = b.node("Max", &[&now, &wanted], vec![]);
        }
        // Half pixels go to the even side: half of what is spare, and one more where both that and the rest are odd.
        let spare = b.node("Sub", &[&now, &wanted], vec![]);
        let half = b.node("Div", &[&spare, &two], vec![]);
        let odd = [&spare, &half].map(|n| b.node("Mod", &[n, &two], vec![]));
        let more = b.node("Mul", &[&odd[0], &odd[1]], vec![]);
        let start = b.node("Add", &[&half, &more], vec![]);
        let end = b.node("Add", &[&start, &wanted], vec![]);
        let axes = b.ints(&as_i64(&SIDES));
        b.node("Slice", &[&x, &start, &end, &axes], vec![])
    }

    /// All of it with a border, which is 0 while it is added.
    fn letterbox(&self, b: &mut Builder, x: &str, size: &str, border: &[u8]) -> String {
        let [height, width] = self.size.map(|side| side as i64);
        let (wanted, one, two) = (b.ints(&[height, width]), b.ints(&[1]), b.ints(&[2]));
        let [h, w] = [0, 1].map(|i| part(b, size, i));
        let (height, width) = (b.ints(&[height]), b.ints(&[width]));
        // The least of both scales as a fraction.
        let by_width = b.node("Mul", &[&width, &h], vec![]);
        let by_height = b.node("Mul", &[&height, &w], vec![]);
        let is_by_width = b.node("LessOrEqual", &[&by_width, &by_height], vec![]);
        let numerator = b.node("Where", &[&is_by_width, &width, &height], vec![]);
        let denominator = b.node("Where", &[&is_by_width, &w, &h], vec![]);
        // Rounded to the nearest, halves up.
        let doubled = b.node("Mul", &[size, &numerator], vec![]);
        let doubled = b.node("Mul", &[&doubled, &two], vec![]);
        let rounded = b.node("Add", &[&doubled, &denominator], vec![]);
        let by = b.node("Mul", &[&denominator, &two], vec![]);
        let now = b.node("Div", &[&rounded, &by], vec![]);
        let now = b.node("Max", &[&now, &one], vec![]);
        let now = b.node("Min", &[&now, &wanted], vec![]);
        let sides = [0, 1].map(|i| part(b, &now, i));
        let x = self.scaled(b, x, sides);
        let border = b.constant(&by_channel(&border.iter().map(|&v| f32::from(v)).collect::<Vec<_>>()));
        let x = b.node("Sub", &[&x, &border], vec![]);
        let missing = b.node("Sub", &[&wanted, &now], vec![]);
        let x = pad(b, &x, &missing);
        b.node("Add", &[&x, &border], vec![])
    }

    /// Height and width once the shorter side has this many pixels; an image of the wanted size keeps it.
    fn size_of_shorter(&self, b: &mut Builder, size: &str, wanted: &str, shorter: usize) -> String {
        let least = reduce(b, Reduce::Min, size, &[0], true);
        let side = b.ints(&[shorter as i64]);
        let product = b.node("Mul", &[size, &side], vec![]);
        let scaled = b.node("Div", &[&product, &least], vec![]);
        if self.size.iter().min() == Some(&shorter) {
            return scaled;
        }
        let apart = b.node("Sub", &[size, wanted], vec![]);
        let apart = b.node("Abs", &[&apart], vec![]);
        let apart = reduce(b, Reduce::Sum, &apart, &[0], true);
        let zero = b.ints(&[0]);
        let is_wanted = b.node("Equal", &[&apart, &zero], vec![]);
        b.node("Where", &[&is_wanted, wanted, &scaled], vec![])
    }

    fn normalized(&self, b: &mut Builder, x: &str) -> String {
        let mut x = number(b, "Div", x, WHITE);
        for (op_type, values, nothing) in [("Sub", &self.mean, 0.0), ("Div", &self.std, 1.0)] {
            if values.iter().any(|&v| v != nothing) {
                let values = b.constant(&by_channel(values));
                x = b.node(op_type, &[&x, &values], vec![]);
            }
        }
        x
    }
}

/// Adds so many rows and columns of 0, the half before, and what is left after.
fn pad(b: &mut Builder, x: &str, missing: &str) -> String {
    let (two, none) = (b.ints(&[2]), b.ints(&[0, 0]));
    let before = b.node("Div", &[missing, &two], vec![]);
    let after = b.node("Sub", &[missing, &before], vec![]);
    let pads = b.node("Concat", &[&none, &before, &none, &after], vec![int("axis", 0)]);
    b.node("Pad", &[x, &pads], vec![])
}

fn by_channel(values: &[f32]) -> Tensor {
    Tensor::from_vec(values.to_vec(), [1, values.len(), 1, 1])
}

/// A function of a value and one number.
fn number(b: &mut Builder, op_type: &str, x: &str, number: f64) -> String {
    let number = b.scalar(number, DType::F32);
    b.node(op_type, &[x, &number], vec![])
}

/// Element `i` of a list, as a list.
fn part(b: &mut Builder, list: &str, i: i64) -> String {
    let (start, end, axis) = (b.ints(&[i]), b.ints(&[i + 1]), b.ints(&[0]));
    b.node("Slice", &[list, &start, &end, &axis], vec![])
}

/// Colours as grey, rounded to whole numbers; all sums are exact.
fn grey(b: &mut Builder, x: &str) -> String {
    let weights = b.constant(&by_channel(&LUMA));
    let weighed = b.node("Mul", &[x, &weights], vec![]);
    let sum = reduce(b, Reduce::Sum, &weighed, &[1], true);
    let rounded = number(b, "Add", &sum, LUMA_SUM / 2.0);
    let grey = number(b, "Div", &rounded, LUMA_SUM);
    b.node("Floor", &[&grey], vec![])
}

/// Images that are dark on light, inverted.
fn light_on_dark(b: &mut Builder, x: &str, size: &str) -> String {
    let limit = b.scalar(DARK, DType::F32);
    let dark = b.node("LessOrEqual", &[x, &limit], vec![]);
    let dark = cast(b, &dark, DType::I32);
    let (zero, one, two) = (b.ints(&[0]), b.ints(&[1]), b.ints(&[2]));
    let (starts, axes) = (b.ints(&[1, 1]), b.ints(&as_i64(&SIDES)));
    let ends = b.node("Sub", &[size, &one], vec![]);
    let inner = b.node("Slice", &[&dark, &starts, &ends, &axes], vec![]);
    let inner_size = b.node("Sub", &[size, &two], vec![]);
    let inner_size = b.node("Max", &[&inner_size, &zero], vec![]);
    // Dark pixels and all pixels of the whole, and of what is not the edge.
    let count = |b: &mut Builder, dark: &str, size: &str| {
        let dark = reduce(b, Reduce::Sum, dark, &[1, 2, 3], true);
        [cast(b, &dark, DType::I64), reduce(b, Reduce::Prod, size, &[0], true)]
    };
    let (whole, inner) = (count(b, &dark, size), count(b, &inner, &inner_size));
    let edge = [0, 1].map(|i| b.node("Sub", &[&whole[i], &inner[i]], vec![]));
    let is_light = [&whole, &edge].map(|[dark, all]| {
        let half = b.node("Div", &[all, &two], vec![]);
        b.node("LessOrEqual", &[dark, &half], vec![])
    });
    let is_light = b.node("And", &[&is_light[0], &is_light[1]], vec![]);
    let white = b.scalar(WHITE, DType::F32);
    let inverse = b.node("Sub", &[&white, x], vec![]);
    b.node("Where", &[&is_light, &inverse, x], vec![])
}
