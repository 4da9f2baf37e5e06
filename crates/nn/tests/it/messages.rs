//! What layers say of an input that does not fit.

use super::panics::message;
use striate_nn::*;
use striate_tensor::{DType, Generator, Tensor};

fn given(layer: impl Forward, shape: &[usize]) -> String {
    message(|| layer.forward(Tensor::zeros(shape, DType::F32), &Pass::train(0)))
}

#[test]
fn likely_mistakes_are_named() {
    let rng = &mut Generator::new(0);
    let cases = [
        (
            given(Conv2d::new(1, 8, 3, rng), &[4, 28, 28, 1]),
            "conv2d: got an input of shape [4, 28, 28, 1], a weight of shape [8, 1, 3, 3] with groups 1 takes [n, 1, h, w]; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])",
        ),
        (
            given(Linear::new(400, 120, rng), &[4, 16, 5, 5]),
            "linear: got an input of shape [4, 16, 5, 5], a weight of shape [120, 400] takes [.., 400]; flatten it first with flatten(1, -1)",
        ),
        (
            given(Linear::new(400, 120, rng), &[4, 256]),
            "linear: got an input of shape [4, 256], a weight of shape [120, 400] takes [.., 400]; flattened, these could be images of 16×4×4 and 16×5×5: is the network made for images of another size, such as 32×32 instead of 28×28?",
        ),
        (
            given(BatchNorm2d::new(3), &[3, 8, 8]),
            "BatchNorm2d: the input must be [n, c, h, w], got [3, 8, 8]; for a single image add the batch dimension with unsqueeze(0)",
        ),
        (
            given(BatchNorm2d::new(3), &[2, 3]),
            "BatchNorm2d: the input must be [n, c, h, w], got [2, 3]; if it was flattened, flatten it later",
        ),
        (
            given(BatchNorm2d::new(3), &[2, 8, 8, 3]),
            "batch_norm: got an input of shape [2, 8, 8, 3] and statistics or weights of shape [3], for each channel one; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])",
        ),
        (
            given(Dropout2d::new(0.5), &[2, 128]),
            "Dropout2d: the input must be [n, c, h, w], got [2, 128]; Dropout takes lists of features",
        ),
        (
            given(Dropout2d::new(0.5), &[3, 8, 8]),
            "Dropout2d: the input must be [n, c, h, w], got [3, 8, 8]; for a single image add the batch dimension with unsqueeze(0)",
        ),
        (
            given(MaxPool2d::new(2), &[2, 128]),
            "max_pool2d: the input must be [n, c, h, w], got [2, 128]; if it was flattened, flatten it later",
        ),
        (message(|| Dropout::new(50.0)), "Dropout: the probability must be from 0 to 1, got 50"),
        (
            message(|| Conv2d::options(3, 8, 3).groups(2).build(rng)),
            "Conv2d: groups 2 must divide 3 input and 8 output channels",
        ),
        (
            message(|| Conv2d::options(3, 8, 3).padding("full")),
            "convolution: padding is a number, 'same' or 'valid', got 'full'",
        ),
        (
            message(|| Conv2d::options(3, 8, 3).padding("same").stride(2).build(&mut Generator::new(0))),
            "Conv2d: padding 'same' needs stride 1, got [2, 2]",
        ),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}
