use super::*;
use crate::Batch;
use striate_nn::{Conv2d, Forward, Linear, Module, Pass, ReLU6, Sequential};
use striate_tensor::op::Unary;
use striate_tensor::{ComputeSettings, DType, Generator, Op, isa::Isa};

/// An inverted residual after a convolution of 1×1 with stride 2.
fn convolutions(rng: &mut Generator) -> Sequential {
    Sequential::new()
        .add(Conv2d::options(5, 16, 1).stride(2).build(rng))
        .add(Conv2d::new(16, 48, 1, rng))
        .add(ReLU6)
        .add(Conv2d::options(48, 48, 3).padding(1).groups(48).build(rng))
        .add(ReLU6)
        .add(Conv2d::new(48, 7, 1, rng))
}

/// A linear layer along the last dimension of many rows.
#[derive(Module)]
struct Rows {
    wide: Linear,
    narrow: Linear,
}

impl Forward for Rows {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.narrow.forward(self.wide.forward(x, pass).relu(), pass)
    }
}

/// The graph of a network, with weights of its own.
fn own(network: &dyn Forward, input: &[usize]) -> Graph {
    let mut graph = capture(network, input);
    for tensor in graph.values.iter_mut().filter_map(|v| v.tensor.as_mut()) {
        *tensor = Tensor::from_vec(values(tensor), tensor.shape().to_vec());
    }
    graph
}

fn values(x: &Tensor) -> Vec<f32> {
    x.to_vec()
}

fn held(run: &Executable) -> usize {
    run.graph().values.iter().filter(|v| v.tensor.as_ref().is_some_and(|t| t.array().packed_bytes().is_some())).count()
}

#[test]
fn matrices_that_are_read_packed_are_held_so_alone() {
    let rng = &mut Generator::new(0);
    let net = convolutions(rng);
    let graph = own(&net, &[1, 5, 40, 36]);
    let weights: Vec<Vec<f32>> =
        graph.values_of(Origin::Parameter).map(|v| values(v.tensor.as_ref().unwrap())).collect();
    let run = Executable::new(graph);
    assert_eq!(held(&run), 3, "{}", run.graph());
    assert!(run.packed_bytes() >= 4 * (5 * 16 + 16 * 48 + 48 * 7));
    let kept: Vec<Vec<f32>> =
        run.graph().values_of(Origin::Parameter).map(|v| values(v.tensor.as_ref().unwrap())).collect();
    assert_eq!(kept, weights, "they can be read");
    let weight = run
        .graph()
        .values_of(Origin::Parameter)
        .find_map(|v| v.tensor.clone().filter(|t| t.array().packed_bytes().is_some()));
    let weight = weight.expect("one that is held");
    let twice = values(&weight).into_iter().map(|x| 2.0 * x).collect::<Vec<_>>();
    assert_eq!(values(&(weight.clone() + weight)), twice, "by other ops, too");
    for batch in [0, 1, 2, 17] {
        let x = Tensor::randn([batch, 5, 40, 36], DType::F32, rng);
        let want = net.forward(x.clone(), &Pass::eval());
        assert!(run.forward(x).allclose(&want, 1e-5, 1e-6), "{batch}");
    }
}

#[test]
fn linear_layers_of_many_rows_hold_packed_weights() {
    let rng = &mut Generator::new(0);
    let net = Rows { wide: Linear::new(129, 70, rng), narrow: Linear::new(70, 3, rng) };
    for (rows, expected) in [(1, 0), (95, 1), (100, 2)] {
        let run = Executable::new(own(&net, &[1, rows, 129]));
        assert_eq!(held(&run), expected, "{rows}");
        for batch in [1, 3] {
            let x = Tensor::randn([batch, rows, 129], DType::F32, rng);
            assert!(run.forward(x.clone()).allclose(&net.forward(x, &Pass::eval()), 1e-5, 1e-6), "{rows} {batch}");
        }
    }
}

#[test]
fn weights_that_others_read_too_are_held_as_they_are() {
    let net = Conv2d::new(4, 6, 1, &mut Generator::new(0));
    assert_eq!(held(&Executable::of(&net, &[1, 4, 5, 5])), 0, "the network holds them");
    let mut graph = own(&net, &[1, 4, 5, 5]);
    let weight = graph.nodes[0].inputs[1];
    let sum = graph.append(Op::Unary(Unary::Square), &[weight]);
    graph.outputs.push(sum);
    graph.batch = Batch::Fixed(1, "a test".into());
    assert_eq!(held(&Executable::as_is(graph.clone())), 0, "they are an output's");
    graph.outputs.pop();
    graph.nodes.pop();
    let other = graph.clone();
    assert_eq!(held(&Executable::as_is(graph)), 0, "another graph holds them");
    assert_eq!(held(&Executable::as_is(other)), 1);
}

#[test]
fn packed_weights_serve_other_settings_too() {
    let rng = &mut Generator::new(0);
    let net = convolutions(rng);
    let run = Executable::new(own(&net, &[1, 5, 40, 36]));
    assert_eq!(held(&run), 3);
    let x = Tensor::randn([2, 5, 40, 36], DType::F32, rng);
    let want = net.forward(x.clone(), &Pass::eval());
    for isa in Isa::available() {
        let got = ComputeSettings { isa: Some(isa), ..ComputeSettings::default() }.scope(|| run.forward(x.clone()));
        assert!(got.allclose(&want, 1e-5, 1e-6), "{}", isa.name());
        let made = ComputeSettings { isa: Some(isa), ..ComputeSettings::default() }
            .scope(|| Executable::new(own(&net, &[1, 5, 40, 36])));
        assert!(made.forward(x.clone()).allclose(&want, 1e-5, 1e-6), "{}", isa.name());
    }
}
