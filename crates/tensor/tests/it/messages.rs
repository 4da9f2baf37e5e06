//! A wrong shape names the op and the shapes.

use super::panics::message;
use striate_tensor::{Conv2dOptions, DType, Index, Pool2dOptions, Reduction, Tensor};

fn z(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32)
}

#[test]
fn wrong_shapes_are_explained() {
    let conv = Conv2dOptions::default();
    let classes = Tensor::from_vec(vec![0i64, 3], [2]);
    let cases = [
        (message(|| z(&[2, 3]) + z(&[4])), "add: shapes [2, 3] and [4] do not broadcast"),
        (
            message(|| z(&[2, 3]).matmul(&z(&[2, 3]))),
            "matmul: shapes [2, 3] and [2, 3]: the inner sizes 3 and 2 differ; the second one transposed would fit",
        ),
        (
            message(|| z(&[1, 4, 8, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: got an input of shape [1, 4, 8, 8], a weight of shape [2, 3, 3, 3] with groups 1 takes [n, 3, h, w]",
        ),
        (
            message(|| z(&[1, 3, 2, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: a kernel of 3×3 with dilation [1, 1] does not fit an input of shape [1, 3, 2, 8] with padding [[0, 0], [0, 0]]; add padding, or shrink the images less before it",
        ),
        (
            message(|| z(&[3, 8, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: the input must be [n, c, h, w], got [3, 8, 8]; for a single image add the batch dimension with unsqueeze(0)",
        ),
        (
            message(|| z(&[5, 100]).linear(&z(&[10, 99]), None)),
            "linear: got an input of shape [5, 100], a weight of shape [10, 99] takes [.., 99]",
        ),
        (
            message(|| z(&[1, 1, 4, 4]).max_pool2d(Pool2dOptions { padding: [2, 2], ..3.into() })),
            "max_pool2d: padding [2, 2] is more than half of kernel size [3, 3]",
        ),
        (
            message(|| z(&[2, 3]).cross_entropy(&classes, Reduction::Mean)),
            "cross_entropy: the target holds class 3, the input has 3 classes, 0 to 2: labels start at 0",
        ),
        (
            message(|| z(&[2, 3]).mse_loss(&z(&[3]), Reduction::Mean)),
            "mse_loss: the input has shape [2, 3], the target [3]",
        ),
        (message(|| z(&[2, 3]).reshape([7])), "reshape: [2, 3] has 6 elements, [7] 7"),
        (
            message(|| z(&[2]) + Tensor::zeros([2], DType::F64)),
            "add: needs tensors of one type, got f32 and f64 (convert one with to_dtype)",
        ),
        (message(|| z(&[2, 3]).sum(&[2])), "sum: dimension 2 is out of range for shape [2, 3]"),
        (message(|| z(&[0]).max_all()), "max: there is nothing to choose from over dimensions [] of shape [0]"),
        (
            message(|| z(&[1, 3]).batch_norm(None, None, 1e-5)),
            "batch_norm: needs more than one value per channel in training, got shape [1, 3]; a batch of one sample has no variance: use a larger one",
        ),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}

#[test]
fn likely_mistakes_are_named() {
    let conv = |x: &[usize], weight: &[usize]| {
        let (x, weight) = (z(x), z(weight));
        message(|| x.conv2d(&weight, None, &Conv2dOptions::default()))
    };
    let groups = Conv2dOptions { groups: 2, ..Conv2dOptions::default() };
    let linear = |x: &[usize], weight: &[usize]| {
        let (x, weight) = (z(x), z(weight));
        message(|| x.linear(&weight, None))
    };
    let loss = |x: &[usize], target: Tensor| {
        let x = z(x);
        message(|| x.cross_entropy(&target, Reduction::Mean))
    };
    let classes = |shape: &[usize]| Tensor::zeros(shape, DType::I64);
    let cases = [
        // The wrong images.
        (
            conv(&[2, 28, 28, 1], &[8, 1, 3, 3]),
            "conv2d: got an input of shape [2, 28, 28, 1], a weight of shape [8, 1, 3, 3] with groups 1 takes [n, 1, h, w]; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])",
        ),
        (
            conv(&[2, 32, 32, 3], &[8, 3, 3, 3]),
            "conv2d: got an input of shape [2, 32, 32, 3], a weight of shape [8, 3, 3, 3] with groups 1 takes [n, 3, h, w]; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])",
        ),
        (
            conv(&[2, 3, 28, 28], &[8, 1, 3, 3]),
            "conv2d: got an input of shape [2, 3, 28, 28], a weight of shape [8, 1, 3, 3] with groups 1 takes [n, 1, h, w]; the images are in colour, the weights for grey ones",
        ),
        (
            conv(&[2, 1, 28, 28], &[8, 3, 3, 3]),
            "conv2d: got an input of shape [2, 1, 28, 28], a weight of shape [8, 3, 3, 3] with groups 1 takes [n, 3, h, w]; the images are grey, the weights for colour ones: expand the one channel to three",
        ),
        (
            conv(&[2, 784], &[8, 1, 3, 3]),
            "conv2d: the input must be [n, c, h, w], got [2, 784]; if it was flattened, flatten it later",
        ),
        (
            message(|| z(&[1, 4, 8, 8]).conv2d(&z(&[3, 2, 3, 3]), None, &groups)),
            "conv2d: groups 2 must divide the 3 output channels of weight [3, 2, 3, 3]",
        ),
        (
            message(|| z(&[3, 8, 8]).max_pool2d(2)),
            "max_pool2d: the input must be [n, c, h, w], got [3, 8, 8]; for a single image add the batch dimension with unsqueeze(0)",
        ),
        (
            message(|| z(&[1, 3, 1, 1]).avg_pool2d(2)),
            "avg_pool2d: a window of [2, 2] does not fit an input of shape [1, 3, 1, 1] with padding [0, 0]; shrink the images less before it",
        ),
        // The wrong features.
        (
            linear(&[5, 256], &[120, 400]),
            "linear: got an input of shape [5, 256], a weight of shape [120, 400] takes [.., 400]; flattened, these could be images of 16×4×4 and 16×5×5: is the network made for images of another size, such as 32×32 instead of 28×28?",
        ),
        (
            linear(&[5, 16, 5, 5], &[120, 400]),
            "linear: got an input of shape [5, 16, 5, 5], a weight of shape [120, 400] takes [.., 400]; flatten it first with flatten(1, -1)",
        ),
        (
            linear(&[16, 5, 5], &[120, 400]),
            "linear: got an input of shape [16, 5, 5], a weight of shape [120, 400] takes [.., 400]; it looks like one image without a batch: unsqueeze(0), then flatten(1, -1)",
        ),
        (
            linear(&[5, 16, 4, 4], &[120, 400]),
            "linear: got an input of shape [5, 16, 4, 4], a weight of shape [120, 400] takes [.., 400]; flattened with flatten(1, -1) it would have 256 features",
        ),
        (
            linear(&[5, 10], &[10, 99]),
            "linear: got an input of shape [5, 10], a weight of shape [10, 99] takes [.., 99]; the weight may be transposed, it must be [out, in]",
        ),
        (
            linear(&[], &[10, 99]),
            "linear: got an input of shape [], a weight of shape [10, 99] takes [.., 99]; a scalar has no features",
        ),
        (
            message(|| z(&[2, 8, 8, 3]).batch_norm(Some(&z(&[3])), None, 1e-5)),
            "batch_norm: got an input of shape [2, 8, 8, 3] and statistics or weights of shape [3], for each channel one; it looks like channels-last: make it with Tensor::from_channels_last, or permute(&[0, 3, 1, 2])",
        ),
        (
            message(|| z(&[2, 4, 8, 8]).batch_norm(Some(&z(&[3])), None, 1e-5)),
            "batch_norm: got an input of shape [2, 4, 8, 8] and statistics or weights of shape [3], for each channel one",
        ),
        // The wrong targets.
        (
            loss(&[2, 10], z(&[2])),
            "cross_entropy: the target must hold classes as i64, got f32 [2]; convert it with to_dtype(DType::I64)",
        ),
        (
            loss(&[2, 10], z(&[2, 10])),
            "cross_entropy: the target must hold classes as i64, got f32 [2, 10]; it has a number for each class: give the classes, argmax(1)",
        ),
        (
            loss(&[2, 10], classes(&[2, 10])),
            "cross_entropy: an input of shape [2, 10] takes a target of shape [2], got [2, 10]; it has a number for each class: give the classes, argmax(1)",
        ),
        (
            loss(&[2], classes(&[2])),
            "cross_entropy: the input must be [n, classes, ..], got [2] with a target of shape [2]; it needs one number for each class, not one for each sample",
        ),
        (
            loss(&[10], classes(&[])),
            "cross_entropy: the input must be [n, classes, ..], got [10] with a target of shape []; for a single sample add the batch dimension to both with unsqueeze(0)",
        ),
        (
            loss(&[2, 10], classes(&[2, 1])),
            "cross_entropy: an input of shape [2, 10] takes a target of shape [2], got [2, 1]; squeeze(1) it",
        ),
        (
            loss(&[2, 10, 1, 1], classes(&[2])),
            "cross_entropy: an input of shape [2, 10, 1, 1] takes a target of shape [2, 1, 1], got [2]; for one class per image bring the input to [n, classes] with flatten or a mean",
        ),
        (
            loss(&[2, 10], classes(&[3])),
            "cross_entropy: an input of shape [2, 10] takes a target of shape [2], got [3]",
        ),
        (
            loss(&[2, 10], Tensor::from_vec(vec![1i64, 10], [2])),
            "cross_entropy: the target holds class 10, the input has 10 classes, 0 to 9: labels start at 0",
        ),
        (
            message(|| z(&[2, 10]).nll_loss(&Tensor::from_vec(vec![1i64, -1], [2]), Reduction::Mean)),
            "nll_loss: the target holds class -1, the input has 10 classes, 0 to 9: labels start at 0",
        ),
        (
            message(|| z(&[4, 1]).mse_loss(&z(&[4]), Reduction::Mean)),
            "mse_loss: the input has shape [4, 1], the target [4]; they have as many elements, so reshape or squeeze one",
        ),
        (
            message(|| z(&[4]).requires_grad().backward()),
            "backward: needs a tensor of one element (a loss), got shape [4]; take its mean or sum first",
        ),
        // Shapes that do not broadcast.
        (
            message(|| z(&[2, 3, 8, 9]) + z(&[3])),
            "add: shapes [2, 3, 8, 9] and [3] do not broadcast; for one number along dimension 1 reshape [3] to [3, 1, 1]",
        ),
        (
            message(|| z(&[5]) * z(&[5, 4])),
            "mul: shapes [5] and [5, 4] do not broadcast; for one number along dimension 0 reshape [5] to [5, 1]",
        ),
        (
            message(|| z(&[2, 3]).gather(0, &z(&[2, 3]))),
            "gather: the index must be i64, got f32 (convert it with to_dtype)",
        ),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}

#[test]
fn what_indexing_and_the_like_were_given_is_explained() {
    let ids = |ids: &[i64]| Tensor::from(ids);
    let x = || z(&[2, 3]);
    let cases = [
        (message(|| x().index((0, 1, 2))), "index: 3 indices for shape [2, 3]"),
        (message(|| x().index((.., 3))), "index: there is no element 3 in a dimension of size 3 of shape [2, 3]"),
        (message(|| x().index((.., ids(&[0, -4])))), "index: -4 is out of range for a dimension of size 3"),
        (message(|| x().index((Index::Rest, Index::Rest))), "index: Rest can stand in one place only, got it 2 times"),
        (message(|| x().index(z(&[2]))), "index: an index tensor must be i64, u8 or bool, got f32"),
        (message(|| x().index(z(&[3]).gt(0.0))), "index: a condition of shape [3] stands for dimensions of [2]"),
        (
            message(|| z(&[2]).where_(0.0, 1.0)),
            "where: the condition must be u8, such as a comparison gives, or bool, got f32",
        ),
        (
            message(|| ids(&[1]).eq(1).where_(ids(&[1]), 0.5)),
            "where: a tensor of i64 cannot hold 0.5 (convert it with to_dtype)",
        ),
        (
            message(|| ids(&[1, 2]).mean_all()),
            "mean: needs a floating-point tensor, got i64 (convert it with to_dtype)",
        ),
        (message(|| x().topk(4, 1, true)), "topk: there are no 4 elements in dimension 1 of shape [2, 3]"),
        (message(|| z(&[2, 0]).argmin(1, false)), "argmin: dimension 1 of shape [2, 0] is empty"),
        (
            message(|| x().scatter_add(0, &ids(&[0]), z(&[1]))),
            "scatter_add: an index of shape [1] does not fit a source of shape [1] and a tensor of shape [2, 3] along dimension 0",
        ),
        (message(|| ids(&[0, 3]).one_hot(3)), "one_hot: class 3 is not one of the 3 classes, 0 to 2"),
        (
            message(|| x().split_with_sizes(&[1, 1], 1)),
            "split_with_sizes: [1, 1] add up to 2, dimension 1 of shape [2, 3] has 3",
        ),
        (message(|| x().repeat(&[2])), "repeat: 1 sizes for shape [2, 3]"),
        (
            message(|| z(&[1, 9, 3]).fold([4, 4], 3)),
            "fold: an image of 4×4 has 2×2 windows of 3×3, which takes [n, c·9, 4], got [1, 9, 3]",
        ),
        (message(|| Tensor::einsum("ij,jk->ik", &[x(), x()])), "einsum: 'j' in \"ij,jk->ik\" has sizes [3, 2]"),
        (message(|| Tensor::einsum("ijk->i", &[x()])), "einsum: \"ijk\" in \"ijk->i\" does not fit shape [2, 3]"),
        (
            message(|| Tensor::einsum("ij->k", &[x()])),
            "einsum: 'k' in the result of \"ij->k\" is there twice or in no operand",
        ),
        (message(|| Tensor::einsum("ij,jk->ik", &[x()])), "einsum: \"ij,jk->ik\" names 2 operands, got 1"),
    ];
    for (got, expected) in cases {
        assert_eq!(got, expected);
    }
}
