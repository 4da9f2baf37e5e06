//! A wrong shape names the op and the shapes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use striate_tensor::{Conv2dOptions, DType, Index, Pool2dOptions, Reduction, Tensor};

fn message<R>(f: impl FnOnce() -> R) -> String {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(hook);
    let payload = result.err().expect("it must panic");
    payload.downcast_ref::<String>().cloned().or_else(|| payload.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()
}

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
            "matmul: shapes [2, 3] and [2, 3]: the inner sizes 3 and 2 differ",
        ),
        (
            message(|| z(&[1, 4, 8, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: got an input of shape [1, 4, 8, 8]; a weight of shape [2, 3, 3, 3] with groups 1 takes [n, 3, h, w]",
        ),
        (
            message(|| z(&[1, 3, 2, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: a kernel of 3×3 with dilation [1, 1] does not fit an input of shape [1, 3, 2, 8] with padding [[0, 0], [0, 0]]",
        ),
        (
            message(|| z(&[3, 8, 8]).conv2d(&z(&[2, 3, 3, 3]), None, &conv)),
            "conv2d: the input must be [n, c, h, w], got [3, 8, 8]",
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
            "cross_entropy: class 3 is not one of the 3 classes, 0 to 2",
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
        (message(|| z(&[2, 3]).sum(&[2], false)), "sum: dimension 2 is out of range for shape [2, 3]"),
        (message(|| z(&[0]).max(&[], false)), "max: there is nothing to choose from over dimensions [] of shape [0]"),
        (
            message(|| z(&[1, 3]).batch_norm(None, None, 1e-5)),
            "batch_norm: needs more than one value per channel in training, got shape [1, 3]",
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
        (message(|| x().index(z(&[2]))), "index: an index tensor must be i64 or u8, got f32"),
        (message(|| x().index(z(&[3]).gt(0.0))), "index: a condition of shape [3] stands for dimensions of [2]"),
        (message(|| z(&[2]).where_(0.0, 1.0)), "where: the condition must be u8, such as a comparison gives, got f32"),
        (
            message(|| ids(&[1]).eq(1).where_(ids(&[1]), 0.5)),
            "where: a tensor of i64 cannot hold 0.5 (convert it with to_dtype)",
        ),
        (
            message(|| ids(&[1, 2]).mean(&[], false)),
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
