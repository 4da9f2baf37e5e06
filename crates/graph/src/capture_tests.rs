//! Tests of captures.

use super::*;
use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, GroupNorm, Linear, MaxPool2d, PReLU,
    ReLU, ReflectionPad2d, Sequential, SiLU, Upsample,
};
use striate_tensor::{Generator, Index, Interpolation};

#[test]
fn a_network_is_written_down_with_shapes_and_costs() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::options(3, 8, 3).padding(1).groups(1).build(rng))
        .add(BatchNorm2d::new(8))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Dropout::new(0.5))
        .add(Flatten::default())
        .add(Linear::new(8 * 4 * 4, 5, rng));
    let g = capture(&net, &[2, 3, 8, 8]);
    let row = |n: &'_ Node| (n.op.name(), n.layer.clone(), g.output_spec(n).shape.to_vec(), g.macs(n));
    let rows: Vec<_> = g.nodes.iter().map(row).collect();
    let layer = |name: &str| Some(name.to_string());
    assert_eq!(
        rows,
        [
            ("conv2d", layer("0"), vec![2, 8, 8, 8], 2 * 8 * 64 * 27),
            ("batch_norm", layer("1"), vec![2, 8, 8, 8], 2 * 8 * 64),
            ("relu", None, vec![2, 8, 8, 8], 0),
            ("max_pool2d", None, vec![2, 8, 4, 4], 0),
            ("flatten", None, vec![2, 128], 0),
            ("linear", layer("6"), vec![2, 5], 2 * 128 * 5),
        ]
    );
    assert_eq!(g.nodes[5].inputs[0], g.nodes[4].outputs[0]);
    assert_eq!(g.outputs, g.nodes[5].outputs);
    assert_eq!(g.parameters_of(&g.nodes[0]).collect::<Vec<_>>(), ["0.weight", "0.bias"]);
    let buffers: Vec<_> = g.values_of(Origin::Buffer).map(|v| v.name.as_str()).collect();
    assert_eq!(buffers, ["1.running_mean", "1.running_var", "1.num_batches_tracked"]);
    let Op::Conv2d { options, .. } = &g.nodes[0].op else { panic!("a convolution") };
    assert_eq!(options.padding, [[1, 1], [1, 1]]);
}

#[test]
fn the_batch_size_is_a_symbol() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::options(3, 4, 3).padding(1).build(rng))
        .add(Flatten::default())
        .add(Linear::new(4 * 16, 5, rng));
    let g = capture(&net, &[2, 3, 4, 4]);
    assert_eq!(g.batch, Batch::Any(2));
    let text = g.to_string();
    for line in ["input: f32 [n, 3, 4, 4]", "f32 [n, 4, 4, 4]", "f32 [n, 64]", "f32 [n, 5]"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(g.value(g.outputs[0]).spec_at(7), Spec::new([7, 5], DType::F32));
}

/// Adds numbers for each sample that it makes itself.
struct MakesConstants;

impl striate_nn::Module for MakesConstants {
    fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, striate_nn::Entry<'a>)) {}
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, striate_nn::EntryMut<'a>)) {}
}

impl Forward for MakesConstants {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        let n = x.size(0);
        x + Tensor::arange(n).to_dtype(DType::F32).reshape([n, 1])
    }
}

#[test]
fn constants_that_depend_on_the_batch_size_fix_it() {
    let g = capture(&MakesConstants, &[3, 2]);
    assert_eq!(g.run(&[Tensor::zeros([3, 2], DType::F32)])[0].to_vec::<f32>(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    let Batch::Fixed(3, reason) = &g.batch else { panic!("{:?}", g.batch) };
    assert!(reason.contains("constant"), "{reason}");
}

/// Ops of all kinds, one after the other.
struct Mixed;

impl striate_nn::Module for Mixed {
    fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, striate_nn::Entry<'a>)) {}
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, striate_nn::EntryMut<'a>)) {}
}

impl Forward for Mixed {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        let x = x.unfold(2).fold([4, 4], 2);
        let x = x.gt(0.0).where_(x.clone().erf(), -x).clamp(-1.0, 1.0);
        let x = x.index((Index::Rest, vec![3, 0, -1], Index::step(.., 2))).flip(&[1]).roll(&[1], &[1]);
        let (x, _) = x.cumsum(1).sort(2, true);
        let x = x.clone() / x.var(&[2], 1, true);
        let x = Tensor::einsum("nchw,ndhw->ncd", &[x.clone(), x.log1p()]);
        let best = x.argmin(2, false).one_hot(3).to_dtype(DType::F32);
        let zeros = Tensor::full_like(&x, 0.0);
        (zeros.scatter_add(2, &x.argsort(2, false), x) * best).logsumexp(&[-1], false)
    }
}

#[test]
fn ops_that_order_and_move_elements_read_no_values() {
    let g = capture(&Mixed, &[2, 3, 4, 4]);
    let ops: Vec<_> = g.nodes.iter().map(|n| n.op.name()).collect();
    for op in
        ["index_select", "index_add", "gt", "where", "erf", "cumsum", "argsort", "gather", "argmin", "scatter_add"]
    {
        assert!(ops.contains(&op), "{op} is not among {ops:?}");
    }
    assert_eq!(*g.value(g.outputs[0]).spec.shape, [2, 3]);
    let x = Tensor::randn([2, 3, 4, 4], DType::F32, &mut Generator::new(1));
    let (eager, run) = (Mixed.forward(x.clone(), &Pass::eval()), g.run(&[x]));
    let bits = |t: &Tensor| t.to_vec::<f32>().into_iter().map(f32::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(&eager), bits(&run[0]));
}

#[test]
fn layers_beyond_convolution_are_written_down() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(GroupNorm::new(2, 4))
        .add(SiLU)
        .add(ConvTranspose2d::options(4, 6, 2).stride(2).build(rng))
        .add(PReLU::new(6))
        .add(Upsample::new([5, 5], Interpolation::Bilinear { align_corners: false }))
        .add(ReflectionPad2d::new(1))
        .add(AdaptiveAvgPool2d::new(2));
    let g = capture(&net, &[1, 4, 3, 3]);
    let row = |n: &Node| (n.op.name(), g.output_spec(n).shape.to_vec(), g.macs(n));
    let rows: Vec<_> = g.nodes.iter().map(row).collect();
    let last = rows.len() - 3;
    assert_eq!(rows[3].0, "prelu");
    assert_eq!(rows[0], ("group_norm", vec![1, 4, 3, 3], 36));
    assert_eq!(rows[1], ("silu", vec![1, 4, 3, 3], 0));
    assert_eq!(rows[2], ("conv_transpose2d", vec![1, 6, 6, 6], 36 * 6 * 4));
    assert_eq!(rows[last], ("interpolate", vec![1, 6, 5, 5], 0));
    assert_eq!(rows[last + 1], ("pad", vec![1, 6, 7, 7], 0));
    assert_eq!(rows[last + 2], ("adaptive_avg_pool2d", vec![1, 6, 2, 2], 0));
}

#[test]
#[should_panic(expected = "conv2d: got an input of shape [1, 4, 8, 8]")]
fn an_input_that_does_not_fit_is_refused() {
    capture(&Conv2d::new(3, 8, 3, &mut Generator::new(0)), &[1, 4, 8, 8]);
}

/// Takes three samples and no other number.
#[derive(striate_nn::Module)]
struct Three {}

impl Forward for Three {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.reshape([6, 2])
    }
}

#[test]
fn a_network_that_panics_for_another_number_of_samples_takes_its_own() {
    let graph = capture(&Three {}, &[3, 4]);
    let Batch::Fixed(3, reason) = &graph.batch else { panic!("{:?}", graph.batch) };
    assert!(reason.contains("cannot be run with 4") && reason.contains("reshape"), "{reason}");
    assert_eq!(graph.run(&[Tensor::ones([3, 4], DType::F32)])[0].shape(), [6, 2]);
}
