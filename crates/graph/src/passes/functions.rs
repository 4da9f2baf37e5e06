use crate::graph::{Graph, ValueId};
use std::collections::HashMap;
use striate_tensor::Op;
use striate_tensor::op::{Activation, Binary, Reduce, Unary};

/// Finds functions that exporters write as several nodes, and makes one op of each: hardsigmoid, hardswish, SiLU, GELU and layer normalization.
/// [`super::join_scalars`] comes before it; what nobody reads any more, [`super::drop_dead`] drops.
pub fn fuse_functions(graph: &mut Graph) {
    let mut producers: HashMap<ValueId, usize> = HashMap::new();
    for i in 0..graph.nodes.len() {
        producers.extend(graph.nodes[i].outputs.iter().map(|&id| (id, i)));
        let find = Find { graph, producers: &producers };
        let y = graph.nodes[i].outputs[0];
        if let Some((f, x)) = find.activation(y).filter(|&(_, x)| graph.value(x).dims == graph.value(y).dims) {
            let node = &mut graph.nodes[i];
            (node.op, node.inputs) = (Op::Unary(Unary::Activation(f)), vec![x]);
        } else if let Some((eps, inputs)) = find.layer_norm(y) {
            layer_norm(graph, i, eps, inputs);
        }
    }
}

/// Puts a layer normalization in the place of a node. It has more results than that: mean and variance.
fn layer_norm(graph: &mut Graph, place: usize, eps: f64, inputs: [ValueId; 3]) {
    let y = graph.nodes[place].outputs[0];
    graph.append(Op::LayerNorm { eps }, &inputs);
    let mut node = graph.nodes.pop().expect("it was appended");
    node.outputs[0] = y;
    graph.nodes[place] = node;
}

struct Find<'a> {
    graph: &'a Graph,
    producers: &'a HashMap<ValueId, usize>,
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-5 * b.abs()
}

impl Find<'_> {
    fn op(&self, id: ValueId) -> Option<(&Op, &[ValueId])> {
        let node = &self.graph.nodes[*self.producers.get(&id)?];
        Some((&node.op, &node.inputs))
    }

    /// What `id` is a function of, if it is this function.
    fn of(&self, id: ValueId, f: Unary) -> Option<ValueId> {
        self.unary(id).filter(|&(g, _)| f == g).map(|(_, x)| x)
    }

    fn unary(&self, id: ValueId) -> Option<(Unary, ValueId)> {
        match self.op(id)? {
            (Op::Unary(f), inputs) => Some((*f, inputs[0])),
            _ => None,
        }
    }

    fn binary(&self, id: ValueId, f: Binary) -> Option<[ValueId; 2]> {
        match self.op(id)? {
            (Op::Binary(g), inputs) if *g == f => Some([inputs[0], inputs[1]]),
            _ => None,
        }
    }

    fn times(&self, id: ValueId, factor: f64) -> Option<ValueId> {
        match self.unary(id)? {
            (Unary::MulScalar(c), x) if near(c, factor) => Some(x),
            _ => None,
        }
    }

    fn plus(&self, id: ValueId, term: f64) -> Option<ValueId> {
        match self.unary(id)? {
            (Unary::AddScalar(c), x) if near(c, term) => Some(x),
            _ => None,
        }
    }

    /// The other side of a product of which one side is a function of it, by `f`.
    fn product(&self, id: ValueId, f: impl Fn(ValueId) -> Option<ValueId>) -> Option<ValueId> {
        let [a, b] = self.binary(id, Binary::Mul)?;
        match f(b) {
            Some(x) if x == a => Some(a),
            _ => f(a).filter(|&x| x == b),
        }
    }

    fn activation(&self, y: ValueId) -> Option<(Activation, ValueId)> {
        let find = |f: Activation, x: Option<ValueId>| x.map(|x| (f, x));
        find(Activation::Hardsigmoid, self.hardsigmoid(y))
            .or_else(|| find(Activation::Hardswish, self.hardswish(y)))
            .or_else(|| find(Activation::Silu, self.product(y, |id| self.of(id, Unary::Sigmoid))))
            .or_else(|| find(Activation::Gelu, self.gelu(y)))
    }

    /// min(max(x, 0), high)
    fn clamped(&self, id: ValueId, high: f64) -> Option<ValueId> {
        let of_two = || {
            let x = self.of(id, Unary::ClampMax(high))?;
            self.of(x, Unary::ClampMin(0.0)).or_else(|| self.of(x, Unary::Relu))
        };
        self.of(id, Unary::Activation(Activation::Hardtanh(0.0, high))).or_else(of_two)
    }

    /// min(max(x + 3, 0), 6)
    fn relu6_plus_3(&self, id: ValueId) -> Option<ValueId> {
        self.plus(self.clamped(id, 6.0)?, 3.0)
    }

    fn hardsigmoid(&self, y: ValueId) -> Option<ValueId> {
        let in_sixths = || self.relu6_plus_3(self.times(y, 1.0 / 6.0)?);
        let in_ones = || {
            let x = self.clamped(y, 1.0)?;
            self.times(self.plus(x, 0.5)?, 1.0 / 6.0)
        };
        in_sixths().or_else(in_ones)
    }

    fn hardswish(&self, y: ValueId) -> Option<ValueId> {
        let last_divided = || self.product(self.times(y, 1.0 / 6.0)?, |id| self.relu6_plus_3(id));
        self.product(y, |id| self.of(id, Unary::Activation(Activation::Hardsigmoid))).or_else(last_divided)
    }

    /// x/2 · (1 + erf(x/√2)), whichever product comes first.
    fn gelu(&self, y: ValueId) -> Option<ValueId> {
        let gate = |id: ValueId| {
            let x = self.of(self.plus(id, 1.0)?, Unary::Erf)?;
            self.times(x, std::f64::consts::FRAC_1_SQRT_2)
        };
        let half_gate = |id: ValueId| gate(self.times(id, 0.5)?);
        let half_x = || {
            let [a, b] = self.binary(y, Binary::Mul)?;
            let halved = |half: ValueId, other: ValueId| self.times(half, 0.5).filter(|&x| gate(other) == Some(x));
            halved(a, b).or_else(|| halved(b, a))
        };
        self.times(y, 0.5).and_then(|p| self.product(p, gate)).or_else(|| self.product(y, half_gate)).or_else(half_x)
    }

    /// (x − mean) / √(var + eps) · weight + bias over the last dimension.
    fn layer_norm(&self, y: ValueId) -> Option<(f64, [ValueId; 3])> {
        let [scaled, bias] = self.with_constant(y, Binary::Add)?;
        let [normed, weight] = self.with_constant(scaled, Binary::Mul)?;
        let [centred, deviation] = self.binary(normed, Binary::Div)?;
        let Some((Unary::AddScalar(eps), variance)) = self.unary(self.of(deviation, Unary::Sqrt)?) else { return None };
        let squares = self.mean(variance)?;
        let squared = self.of(squares, Unary::Square);
        let squared = squared.or_else(|| self.binary(squares, Binary::Mul).filter(|[a, b]| a == b).map(|[a, _]| a));
        let [x, mean] = self.binary(centred, Binary::Sub)?;
        let value = |id: ValueId| self.graph.value(id);
        let last = *value(x).spec.shape.last()?;
        let fits = |id: ValueId| *value(id).spec.shape == [last] && value(id).spec.dtype == value(x).spec.dtype;
        let is_one = squared == Some(centred)
            && self.mean(mean) == Some(x)
            && value(x).dims.last()?.per_sample == 0
            && fits(weight)
            && fits(bias);
        is_one.then_some((eps, [x, weight, bias]))
    }

    /// What `id` is the mean of, over the last dimension, which stays.
    fn mean(&self, id: ValueId) -> Option<ValueId> {
        match self.op(id)? {
            (Op::Reduce { op: Reduce::Mean, dims, keepdim: true }, inputs) => {
                let rank = self.graph.value(inputs[0]).dims.len();
                (dims[..] == [rank.wrapping_sub(1)]).then_some(inputs[0])
            }
            _ => None,
        }
    }

    /// The operands, the constant second.
    fn with_constant(&self, id: ValueId, f: Binary) -> Option<[ValueId; 2]> {
        let [a, b] = self.binary(id, f)?;
        let is_known = |id: ValueId| self.graph.value(id).is_known();
        match (is_known(a), is_known(b)) {
            (false, true) => Some([a, b]),
            (true, false) => Some([b, a]),
            _ => None,
        }
    }
}
