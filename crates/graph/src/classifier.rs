//! A graph as a classifier: its last layer, and what comes before it.

use crate::graph::{Graph, ValueId};
use crate::module::GraphModule;
use crate::passes::drop_dead;
use striate_nn::{Classifier, Entry, EntryMut, Forward, Module, Parameter, Pass, module::join};
use striate_tensor::op::Binary;
use striate_tensor::{DType, Op, Tensor};

/// The name of a last layer whose weight is not called `….weight`.
const HEAD: &str = "head";

/// A graph as a network whose last layer can be replaced: a linear layer or a convolution, wherever its weight lies in the file that the graph comes from.
/// Its parameters are `weight`, `[classes, …]`, and `bias`, after the layer's name.
pub struct GraphClassifier {
    features: GraphModule,
    op: Op,
    weight: Parameter,
    bias: Option<Parameter>,
    /// What is done to the layer's result.
    after: Vec<Op>,
    name: String,
}

/// A last layer as it is found in a graph.
struct Found {
    op: Op,
    features: ValueId,
    weight: ValueId,
    weight_values: Tensor,
    bias: Option<Tensor>,
    after: Vec<Op>,
}

impl GraphClassifier {
    /// Finds the last layer with weights on the way to the output.
    ///
    /// # Errors
    /// If the graph has not one input and one output, or what comes after its last weights is more than a bias, a pooling and a change of shape.
    pub fn new(graph: &Graph) -> Result<GraphClassifier, String> {
        if graph.inputs.len() != 1 || graph.outputs.len() != 1 {
            return Err(format!("it has {} inputs and {} outputs", graph.inputs.len(), graph.outputs.len()));
        }
        let found = find(graph)?;
        let named = graph.value(found.weight).name.strip_suffix(".weight").map(str::to_string);
        let mut before = graph.clone();
        before.outputs = vec![found.features];
        drop_dead(&mut before);
        let name = named.unwrap_or_else(|| unused(&before));
        Ok(GraphClassifier {
            features: GraphModule::new(before),
            op: found.op,
            weight: Parameter::new(found.weight_values),
            bias: found.bias.map(Parameter::new),
            after: found.after,
            name,
        })
    }

    /// How many scores it gives.
    pub fn classes(&self) -> usize {
        self.weight.value().size(0)
    }

    /// The same network with a last layer of zeros for this many classes; as it is if it has this many already.
    pub fn with_classes(mut self, classes: usize) -> GraphClassifier {
        if classes != self.classes() {
            let mut shape = self.weight.value().shape().to_vec();
            shape[0] = classes;
            self.weight = Parameter::new(Tensor::zeros(shape, DType::F32));
            self.bias = self.bias.map(|_| Parameter::new(Tensor::zeros([classes], DType::F32)));
        }
        self
    }
}

/// A name that begins no parameter's.
fn unused(graph: &Graph) -> String {
    let mut name = HEAD.to_string();
    while graph.values.iter().any(|v| v.name.strip_prefix(&name).is_some_and(|rest| rest.starts_with('.'))) {
        name.push('_');
    }
    name
}

/// A tensor with its elements in order.
fn packed(x: &Tensor) -> Tensor {
    Tensor::from_vec(x.to_vec::<f32>(), x.shape().to_vec())
}

/// The elements of a value that is known before a run, be it through a permutation, and the value that has them.
fn known(graph: &Graph, id: ValueId) -> Option<(ValueId, Tensor)> {
    if let Some(tensor) = &graph.value(id).tensor {
        return Some((id, tensor.clone()));
    }
    let node = graph.producer(id)?;
    let Op::Permute { dims } = &node.op else { return None };
    let tensor = graph.value(node.inputs[0]).tensor.as_ref().filter(|t| t.dtype() == DType::F32)?;
    let dims: Vec<isize> = dims.iter().map(|&d| d as isize).collect();
    Some((node.inputs[0], packed(&tensor.clone().permute(&dims))))
}

fn find(graph: &Graph) -> Result<Found, String> {
    let uses = graph.uses();
    let (mut after, mut added) = (Vec::new(), None);
    let mut at = graph.outputs[0];
    loop {
        let Some(node) = graph.producer(at) else { return Err("it has no layer with weights".into()) };
        if uses[&at] != 1 {
            return Err(format!("the result of {}, after its last layer, is used more than once", node.op.name()));
        }
        let rank = graph.value(node.inputs[0]).dims.len();
        match &node.op {
            Op::Linear | Op::Conv2d { input_relu: false, .. } | Op::MatMul => {
                let (weight, values) =
                    known(graph, node.inputs[1]).ok_or("the weights of its last layer are computed")?;
                if values.dtype() != DType::F32 {
                    return Err(format!("the weights of its last layer are {}", values.dtype()));
                }
                let is_matmul = node.op == Op::MatMul;
                if is_matmul && values.shape().len() != 2 {
                    return Err("its last layer is a product of more than matrices".into());
                }
                let values = if is_matmul { packed(&values.permute(&[1, 0])) } else { values };
                let own =
                    node.inputs.get(2).map(|&id| known(graph, id).ok_or("the bias of its last layer is computed"));
                let own = own.transpose()?.map(|(_, bias)| bias);
                let bias = match (own, added) {
                    (Some(_), Some(_)) => return Err("two numbers are added to each of its scores".into()),
                    (own, added) => own.or(added),
                };
                let classes = values.size(0);
                if bias.as_ref().is_some_and(|bias: &Tensor| bias.numel() != classes) {
                    return Err("what is added to its scores is no bias".into());
                }
                return Ok(Found {
                    op: if is_matmul { Op::Linear } else { node.op.clone() },
                    features: node.inputs[0],
                    weight,
                    weight_values: values,
                    bias: bias.map(|bias| bias.reshape([classes])),
                    after,
                });
            }
            Op::Binary(Binary::Add) if added.is_none() && after.is_empty() => {
                let places = [(0, 1), (1, 0)];
                let bias = places.iter().find_map(|&(b, x)| Some((known(graph, node.inputs[b])?.1, node.inputs[x])));
                let Some((bias, x)) = bias else { return Err("its scores are a sum of two results".into()) };
                (added, at) = (Some(bias), x);
            }
            Op::Reshape { .. } | Op::Flatten { .. } if graph.value(at).dims.len() == 2 && rank >= 2 => {
                after.insert(0, Op::Flatten { start_dim: 1, end_dim: rank - 1 });
                at = node.inputs[0];
            }
            op @ (Op::AdaptiveAvgPool { .. } | Op::AvgPool2d { .. } | Op::Reduce { .. }) => {
                after.insert(0, op.clone());
                at = node.inputs[0];
            }
            op => return Err(format!("after its last layer comes {}", op.name())),
        }
    }
}

impl Module for GraphClassifier {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.features.visit(prefix, f);
        let head = join(prefix, &self.name);
        self.weight.visit(&join(&head, "weight"), f);
        if let Some(bias) = &self.bias {
            bias.visit(&join(&head, "bias"), f);
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.features.visit_mut(prefix, f);
        let head = join(prefix, &self.name);
        self.weight.visit_mut(&join(&head, "weight"), f);
        if let Some(bias) = &mut self.bias {
            bias.visit_mut(&join(&head, "bias"), f);
        }
    }
}

impl Forward for GraphClassifier {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.head(self.features(x, pass), pass)
    }
}

impl Classifier for GraphClassifier {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.features.forward(x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        let parameters = std::iter::once(&self.weight).chain(&self.bias).map(|p| pass.parameter(p));
        let operands = std::iter::once(features).chain(parameters).collect();
        let scores = self.op.apply(operands).swap_remove(0);
        self.after.iter().fold(scores, |scores, op| op.apply(vec![scores]).swap_remove(0))
    }

    fn head_name(&self) -> String {
        self.name.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture;
    use crate::graph::Origin;
    use striate_nn::{Conv2d, CrossEntropyLoss, Linear, Optimizer, Passes, Sequential, Sgd};
    use striate_tensor::Generator;

    /// A small network that ends as `end` says.
    struct Net<F> {
        conv: Conv2d,
        end: Vec<Parameter>,
        forward: F,
    }

    impl<F: Send + Sync> Module for Net<F> {
        fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
            self.conv.visit(&join(prefix, "conv"), f);
            self.end.iter().enumerate().for_each(|(i, p)| p.visit(&join(prefix, &format!("end_{i}")), f));
        }
        fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
            self.conv.visit_mut(&join(prefix, "conv"), f);
            self.end.iter_mut().enumerate().for_each(|(i, p)| p.visit_mut(&join(prefix, &format!("end_{i}")), f));
        }
    }

    impl<F: Fn(Tensor, Vec<Tensor>) -> Tensor + Send + Sync> Forward for Net<F> {
        fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
            let end = self.end.iter().map(|p| pass.parameter(p)).collect();
            (self.forward)(self.conv.forward(x, pass).relu(), end)
        }
    }

    fn graph(shapes: &[&[usize]], forward: impl Fn(Tensor, Vec<Tensor>) -> Tensor + Send + Sync) -> Graph {
        let rng = &mut Generator::new(5);
        let conv = Conv2d::new(1, 2, 3, rng);
        let end = shapes.iter().map(|shape| Parameter::new(Tensor::randn(shape.to_vec(), DType::F32, rng))).collect();
        capture(&Net { conv, end, forward }, &[2, 1, 6, 6])
    }

    fn images(n: usize) -> Tensor {
        Tensor::randn([n, 1, 6, 6], DType::F32, &mut Generator::new(9))
    }

    /// Finds the head of a graph, which must leave its scores as they are.
    fn found(graph: &Graph) -> GraphClassifier {
        let classifier = GraphClassifier::new(graph).unwrap();
        let got = classifier.forward(images(3), &Pass::eval());
        let want = graph.run(&[images(3)]).swap_remove(0);
        let far = got.to_vec::<f32>().iter().zip(want.to_vec::<f32>()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(got.shape() == want.shape() && far < 1e-5, "{far}");
        classifier
    }

    #[test]
    fn the_head_is_found_however_it_is_written() {
        let pooled = |x: Tensor| x.mean(&[2, 3]);
        let cases = [
            graph(&[&[4, 2], &[4]], |x, p| x.mean(&[2, 3]).linear(&p[0], Some(&p[1]))),
            graph(&[&[4, 2]], move |x, p| pooled(x).linear(&p[0], None)),
            graph(&[&[2, 4], &[4]], move |x, p| pooled(x).matmul(&p[0]) + &p[1]),
            graph(&[&[2, 4], &[1, 4]], move |x, p| p[1].clone() + pooled(x).matmul(&p[0])),
            graph(&[&[4, 2, 1, 1], &[4]], |x, p| {
                x.conv2d(&p[0], Some(&p[1]), &Default::default()).mean_keepdim(&[2, 3]).flatten(1, -1)
            }),
            graph(&[&[4, 2, 1, 1]], |x, p| {
                let n = x.size(0);
                x.conv2d(&p[0], None, &Default::default()).adaptive_avg_pool2d([1, 1]).reshape([n, 4])
            }),
        ];
        for (i, graph) in cases.iter().enumerate() {
            let classifier = found(graph);
            assert_eq!((classifier.classes(), classifier.head_name().as_str()), (4, "head"), "{i}");
            let wider = classifier.with_classes(7);
            assert_eq!(wider.forward(images(5), &Pass::eval()).shape(), [5, 7], "{i}");
            let again = found(&capture(&wider, &[1, 1, 6, 6]));
            assert_eq!((again.classes(), again.head_name().as_str()), (7, "head"));
        }
    }

    #[test]
    fn names_are_kept_and_the_head_learns() {
        let rng = &mut Generator::new(1);
        let body = Sequential::new().add(Conv2d::new(1, 2, 3, rng)).add(striate_nn::Flatten::default());
        let net = body.add(Linear::new(32, 4, rng));
        let classifier = found(&capture(&net, &[1, 1, 6, 6]));
        assert_eq!(classifier.head_name(), "2");
        let mut classifier = classifier.with_classes(3);
        let names: Vec<String> = classifier.named_parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
        let labels = Tensor::from_vec(vec![0i64, 1, 2, 0, 1, 2], [6]);
        let (mut passes, mut sgd) = (Passes::new(&classifier, 0), Sgd::new(0.1));
        let mut losses = Vec::new();
        for _ in 0..60 {
            let scores = classifier.forward(images(6), &passes.train());
            let loss = CrossEntropyLoss::new().forward(scores, &labels);
            losses.push(loss.item::<f32>());
            sgd.step(&mut classifier, &loss.backward());
        }
        assert!((losses[0] - 3f32.ln()).abs() < 1e-5 && losses[59] < 0.5, "{losses:?}");
    }

    #[test]
    fn what_has_no_such_head_is_refused_with_the_reason() {
        let refused = |graph: &Graph| GraphClassifier::new(graph).err().expect("there is no head to be found");
        let x = graph(&[&[4, 2]], |x, p| x.mean(&[2, 3]).linear(&p[0], None).exp());
        assert!(refused(&x).contains("after its last layer comes exp"));
        let x = graph(&[&[4, 2]], |x, p| {
            let y = x.mean(&[2, 3]).linear(&p[0], None);
            y.clone() + y
        });
        assert!(refused(&x).contains("a sum of two results"));
        let mut x = graph(&[], |x, _| x.flatten(1, -1));
        x.outputs = x.inputs.clone();
        assert!(refused(&x).contains("no layer with weights"));
        assert!(graph(&[], |x, _| x).values_of(Origin::Parameter).count() == 2);
    }
}
