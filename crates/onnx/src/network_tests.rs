use super::*;
use crate::export::ExportOptions;
use crate::tensor::tensor_proto;
use crate::test_models::{model, node, port as three};
use striate_nn::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential};
use striate_tensor::Generator;

/// Exporters of other programs write a network for the one sample that they saw: the 1 is in the input's shape, and in the shapes inside.
#[test]
fn a_file_for_one_sample_takes_several() {
    let net = Sequential::new().add(Flatten::default()).add(Linear::new(12, 5, &mut Generator::new(0)));
    let mut model = Model::of_graph(&striate_graph::capture(&net, &[1, 3, 4]), &ExportOptions::default()).unwrap();
    let graph = model.0.graph.as_mut().unwrap();
    let input = graph.input[0].r#type.as_mut().unwrap().value.as_mut().unwrap();
    let type_proto::Value::TensorType(t) = input else { panic!("a tensor") };
    t.shape.as_mut().unwrap().dim[0].value = Some(dimension::Value::DimValue(1));
    for sizes in [vec![1i64, 12], vec![1, -1]] {
        let mut model = model.clone();
        let graph = model.0.graph.as_mut().unwrap();
        graph.initializer.push(tensor_proto("sizes", &Tensor::from_vec(sizes, [2])));
        let node = graph.node.iter_mut().find(|n| n.op_type() == "Flatten").unwrap();
        node.op_type = Some("Reshape".into());
        node.attribute.clear();
        node.input.push("sizes".into());
        let network = Network::of_model(model, Path::new("one.onnx")).unwrap();
        for batch in [1, 4] {
            let x = Tensor::randn([batch, 3, 4], DType::F32, &mut Generator::new(1));
            let want = net.forward(x.clone(), &Pass::eval()).to_vec::<f32>();
            assert_eq!(network.forward(x, &Pass::eval()).to_vec::<f32>(), want);
        }
    }
}

/// Sets what a model says that its input's sizes are.
fn declare(model: &mut Model, sizes: &[i64]) {
    let input = model.0.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap().value.as_mut().unwrap();
    let type_proto::Value::TensorType(t) = input else { panic!("a tensor") };
    for (dim, &n) in t.shape.as_mut().unwrap().dim.iter_mut().zip(sizes) {
        dim.value = Some(dimension::Value::DimValue(n));
    }
}

#[test]
fn sizes_that_a_file_promises_are_a_hint() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::options(3, 4, 3).padding(1).build(rng))
        .add(BatchNorm2d::new(4))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(4, 2, 1, rng));
    let graph = striate_graph::capture(&net, &[1, 3, 40, 56]);
    for sizes in [[1, 3, 32, 32], [7, 3, 40, 56], [1, 3, 40, 32], [1, 3, 32, 56], [2, 5, 8, 8]] {
        let mut model = Model::of_graph(&graph, &ExportOptions::default()).unwrap();
        declare(&mut model, &sizes);
        let network = Network::of_model(model, Path::new("fixed.onnx")).unwrap();
        assert_eq!(network.inputs()[0].sizes[2], Some(sizes[2] as usize));
        for shape in [[1, 3, 40, 56], [3, 3, 17, 9]] {
            let x = Tensor::randn(shape, DType::F32, &mut Generator::new(1));
            let want = net.forward(x.clone(), &Pass::eval());
            let captured = striate_graph::Executable::new(network.graph(&[x.shape_value()]).unwrap());
            for got in [
                network.forward(x.clone(), &Pass::eval()),
                captured.try_run(std::slice::from_ref(&x)).unwrap().remove(0),
            ] {
                assert_eq!(got.shape(), want.shape());
                let close = |(a, b): (f32, f32)| (a - b).abs() < 1e-5;
                assert!(got.to_vec().into_iter().zip(want.to_vec()).all(close), "{sizes:?} on {shape:?}");
            }
        }
    }
}

#[test]
fn an_input_with_a_default_may_be_given() {
    // y = x − w, by way of what is computed of w when the file is read.
    let nodes = vec![node("Neg", &["w"], &["v"]), node("Add", &["x", "v"], &["y"])];
    let mut with_default = model(Vec::new(), nodes);
    let graph = with_default.0.graph.as_mut().unwrap();
    graph.input.push(three("w"));
    graph.initializer.push(tensor_proto("w", &Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [3])));
    let path = Path::new("default.onnx");
    let optional = |model: &Model| {
        let all = model.optional_inputs(path).unwrap();
        all.into_iter().map(|port| port.name).collect::<Vec<_>>()
    };
    let run = |model: &Model| {
        let network = Network::of_model(model.clone(), path).unwrap();
        assert_eq!(network.inputs().len(), 1);
        network.forward(Tensor::zeros([3], DType::F32), &Pass::eval()).to_vec::<f32>()
    };
    with_default.0.ir_version = Some(3);
    assert!(optional(&with_default).is_empty());
    with_default.0.ir_version = Some(4);
    assert_eq!(optional(&with_default), ["w"]);
    assert_eq!(run(&with_default), [-1.0, -2.0, -3.0]);
    with_default.set_input("w", &Tensor::from_vec(vec![5.0f32], [1]));
    assert_eq!(run(&with_default), [-5.0; 3]);
}

#[test]
fn constants_of_a_small_file_are_bounded() {
    let filled = |name: &str| {
        let mut size = node("Constant", &[], &[&format!("n{name}")]);
        size.attribute.push(crate::proto::AttributeProto {
            name: Some("value_ints".into()),
            ints: vec![1 << 26],
            ..Default::default()
        });
        vec![size, node("ConstantOfShape", &[&format!("n{name}")], &[name])]
    };
    let nodes =
        |n: usize| (0..n).flat_map(|i| filled(&format!("c{i}"))).chain([node("Relu", &["x"], &["y"])]).collect();
    let read = |n: usize| Network::of_model(model(Vec::new(), nodes(n)), Path::new("large.onnx")).map(|_| ());
    read(2).unwrap();
    let e = read(5).unwrap_err().to_string();
    assert!(e.contains("large.onnx") && e.contains("constants take too much memory"), "{e}");
}
