//! From the tree to a network, by way of every shape.

use super::error::{Fault, TextError};
use super::grammar::{Item, Layer, Net, count};
use super::plan::{Make, Misfit, Planned, Size, Value, Values};
use super::settings::Fallback;
use super::tokens::Span;
use striate_nn::{BatchNorm2d, Classifier, Conv2d, Entry, EntryMut, Linear, Module, Pass, Residual, Sequential};
use striate_tensor::{Generator, Tensor};

/// The most layers a network may have, repeated ones counted each time.
const MAX_LAYERS: usize = 10_000;
/// The most parameters: 4 GB of them.
const MAX_PARAMETERS: usize = 1_000_000_000;
/// The most numbers that a layer may make of one image.
const MAX_ACTIVATIONS: usize = 100_000_000;
/// How many of the last layers an error shows.
const TRAIL: usize = 8;

/// A network for images of one size and a number of classes: every shape is known, and fits.
pub struct Plan {
    parts: Vec<Part>,
    parameters: usize,
}

impl Plan {
    /// The network with PyTorch's default initial values. Parameters are named as in a `torch.nn.Sequential` of all layers, repeated
    /// ones written out; those of a residual part are `3.body.0.weight` and `3.shortcut.0.weight`.
    ///
    /// Its head is the last linear layer or convolution, or the residual part that it stands in; without either, the last layer with
    /// parameters; without any, the whole network.
    pub fn build(&self, rng: &mut Generator) -> Box<dyn Classifier> {
        let roles = || self.parts.iter().map(|p| p.role);
        let most = roles().max().filter(|&role| role >= Role::Weights);
        let head = most.and_then(|most| roles().rposition(|role| role == most)).unwrap_or(0);
        let dropouts = roles().take(head).rev().take_while(|&role| role == Role::Dropout).count();
        Box::new(TextNet { layers: sequential(&self.parts, rng), head, head_start: head - dropouts })
    }

    /// How many numbers training changes.
    pub fn num_parameters(&self) -> usize {
        self.parameters
    }
}

/// Reads a network for images of shape `input` (channels, height, width) and a number of classes.
///
/// # Errors
/// If the text is no network, or a shape does not fit.
pub fn read(text: &str, input: [usize; 3], classes: usize) -> Result<(Net, Plan), TextError> {
    match Net::parse_or_break(text) {
        Ok(net) => {
            let plan = net.plan(input, classes)?;
            Ok((net, plan))
        }
        Err(broken) => {
            // What does not fit before the fault comes first.
            let mut planner = Planner::new(&broken.before, input, classes);
            let earlier = planner.items(&broken.before, Size::Image(input)).err();
            Err(TextError::new(text, earlier.unwrap_or(broken.fault), planner.trail()))
        }
    }
}

impl Net {
    /// Works out every shape for images of shape `input` (channels, height, width) and a number of classes.
    ///
    /// # Errors
    /// If a shape does not fit, or the network does not end in one number for each class.
    pub fn plan(&self, input: [usize; 3], classes: usize) -> Result<Plan, TextError> {
        let mut planner = Planner::new(&self.items, input, classes);
        let result = planner.items(&self.items, Size::Image(input)).and_then(|(parts, output)| {
            planner.check_end(output)?;
            Ok(Plan { parts, parameters: planner.parameters })
        });
        result.map_err(|fault| TextError::new(&self.source, fault, planner.trail()))
    }
}

/// What a part can be to the head, the likelier one last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Dropout,
    Plain,
    /// It has parameters.
    Weights,
    /// It is or contains a linear layer or a convolution.
    Linear,
}

impl Role {
    fn of(layer: &Layer, parameters: usize) -> Role {
        match layer.word.word {
            "dropout" | "dropout2d" => Role::Dropout,
            _ if may_be_head(layer) => Role::Linear,
            _ if parameters > 0 => Role::Weights,
            _ => Role::Plain,
        }
    }
}

/// What the network's sequence is made of.
struct Part {
    make: Make,
    role: Role,
}

struct TextNet {
    layers: Sequential,
    /// The place of the last layer.
    head: usize,
    /// The place of the first dropout before it, or its own.
    head_start: usize,
}

impl Module for TextNet {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.layers.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.layers.visit_mut(prefix, f);
    }
}

forward_in_parts!(TextNet);

impl Classifier for TextNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.layers.forward_range(..self.head_start, x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.layers.forward_range(self.head_start.., features, pass)
    }

    fn head_name(&self) -> String {
        self.head.to_string()
    }
}

fn sequential(parts: &[Part], rng: &mut Generator) -> Sequential {
    parts.iter().fold(Sequential::new(), |net, part| net.add((part.make)(rng)))
}

/// Whether a layer's number of outputs can be left to the classes.
fn may_be_head(layer: &Layer) -> bool {
    layer.word.settings.iter().any(|s| s.fallback == Fallback::Classes)
}

impl Misfit {
    fn in_layer(self, layer: &Layer) -> Fault {
        let at = self.setting.and_then(|name| layer.word.settings.iter().position(|s| s.name == name));
        let span = at.and_then(|i| layer.values[i].map(|(_, span)| span)).unwrap_or(layer.span);
        Fault { span, message: self.message }
    }
}

struct Planner {
    input: Size,
    classes: usize,
    /// Layers still to come that can be left to the classes.
    heads: usize,
    parameters: usize,
    steps: Vec<(&'static str, Size)>,
    last: Span,
}

impl Planner {
    fn new(items: &[Item], input: [usize; 3], classes: usize) -> Self {
        let heads = count(items, &may_be_head);
        Planner { input: Size::Image(input), classes, heads, parameters: 0, steps: Vec::new(), last: Span::default() }
    }

    fn items(&mut self, items: &[Item], mut size: Size) -> Result<(Vec<Part>, Size), Fault> {
        let mut parts = Vec::new();
        for item in items {
            match item {
                Item::Layer(layer) => {
                    let planned = self.layer(layer, size)?;
                    parts.push(Part { role: Role::of(layer, planned.parameters), make: planned.make });
                    size = planned.output;
                }
                Item::Repeat { items, times } => {
                    for _ in 0..*times {
                        let (more, output) = self.items(items, size)?;
                        parts.extend(more);
                        size = output;
                    }
                }
                Item::Residual { items, times, span } => {
                    for _ in 0..*times {
                        let (part, output) = self.residual(items, *span, size)?;
                        parts.push(part);
                        size = output;
                    }
                }
            }
        }
        Ok((parts, size))
    }

    fn layer(&mut self, layer: &Layer, input: Size) -> Result<Planned, Fault> {
        let wrong = |message: String| Fault { span: layer.span, message };
        if self.steps.len() >= MAX_LAYERS {
            return Err(wrong(format!("the network has more than {MAX_LAYERS} layers")));
        }
        let is_head = may_be_head(layer) && self.heads == 1;
        self.heads -= may_be_head(layer) as usize;
        let values = self.values(layer, is_head).map_err(|m| m.in_layer(layer))?;
        let planned = (layer.word.plan)(&values, input).map_err(|m| m.in_layer(layer))?;
        self.parameters = self.parameters.saturating_add(planned.parameters);
        if self.parameters > MAX_PARAMETERS {
            return Err(wrong("with this layer the network has more than 1,000,000,000 parameters".into()));
        }
        if planned.output.numel() > MAX_ACTIVATIONS {
            return Err(wrong(format!(
                "{} would make {} of each image: that is too large",
                layer.word.word, planned.output
            )));
        }
        self.steps.push((layer.word.word, planned.output));
        self.last = layer.span;
        Ok(planned)
    }

    /// The values of all settings, written or not.
    fn values(&self, layer: &Layer, is_head: bool) -> Result<Values, Misfit> {
        let word = layer.word;
        let mut values = Values(Vec::with_capacity(word.settings.len()));
        let mut left_out = false;
        for (setting, written) in word.settings.iter().zip(&layer.values) {
            let needed = || Misfit::from(format!("{} needs its {}, as in {}", word.word, setting.name, word.example));
            let value = match (written, setting.fallback) {
                (Some((value, _)), _) => *value,
                (None, Fallback::Is(value)) => value,
                (None, Fallback::SameAs(other)) => Value::Pair(values.pair(other)),
                (None, Fallback::NeededBeforeHead(value)) if left_out => value,
                (None, Fallback::Needed | Fallback::NeededBeforeHead(_)) => return Err(needed()),
                (None, Fallback::Classes) if is_head => {
                    left_out = true;
                    Value::Count(self.classes)
                }
                (None, Fallback::Classes) => {
                    return Err(format!(
                        "{} needs its {}, as in {}: only the last linear or conv takes the number of classes without one",
                        word.word, setting.name, word.example
                    )
                    .into());
                }
            };
            values.0.push((setting.name, value));
        }
        Ok(values)
    }

    fn residual(&mut self, items: &[Item], span: Span, input: Size) -> Result<(Part, Size), Fault> {
        let (body, output) = self.items(items, input)?;
        let normed = count(items, &|layer| layer.word.word == "batchnorm") > 0;
        let Some((shortcut, parameters)) = shortcut(input, output, normed) else {
            let hint = if matches!((input, output), (Size::Image(_), Size::Image(_))) {
                "keep the size with padding same, or halve it with stride 2"
            } else {
                "flatten outside of it"
            };
            let message =
                format!("residual adds its input, {input}, to its output, {output}, and no projection fits: {hint}");
            return Err(Fault { span, message });
        };
        self.parameters = self.parameters.saturating_add(parameters);
        let role = body.iter().chain(&shortcut).map(|p| p.role).max().unwrap_or(Role::Plain).max(Role::Plain);
        let make: Make = Box::new(move |rng| {
            let part = Residual::new(sequential(&body, rng));
            Box::new(if shortcut.is_empty() { part } else { part.shortcut(sequential(&shortcut, rng)) })
        });
        Ok((Part { make, role }, output))
    }

    /// Whether the network ends as a loss needs it.
    fn check_end(&self, output: Size) -> Result<(), Fault> {
        let wrong = |message: String| Fault { span: self.last, message };
        let classes = self.classes;
        let last = self.steps.last().map_or("", |(word, _)| word);
        match output {
            Size::Flat(n) if n == classes => {}
            Size::Flat(n) => {
                return Err(wrong(format!(
                    "the network ends in {n} numbers, it must end in {classes}, one for each class: the last linear needs no number"
                )));
            }
            Size::Image(sizes) => {
                let add = match sizes {
                    [c, 1, 1] if c == classes => "flatten",
                    [c, ..] if c == classes => "globalavgpool",
                    _ => "flatten, linear",
                };
                return Err(wrong(format!(
                    "the network ends in {output}, it must end in {classes} numbers, one for each class: add {add}"
                )));
            }
        }
        if last == "softmax" {
            return Err(wrong(
                "softmax before the loss: cross-entropy takes logits and does the softmax itself, so leave it out here (predict gives probabilities all the same)".into(),
            ));
        }
        Ok(())
    }

    /// `1×28×28 → conv 32×26×26 → relu`: the last layers, and shapes where they change.
    fn trail(&self) -> String {
        let mut size = self.input;
        let mut parts = vec![size.to_string()];
        for &(word, output) in &self.steps {
            parts.push(if output == size { word.to_string() } else { format!("{word} {output}") });
            size = output;
        }
        if parts.len() > TRAIL {
            parts.drain(..parts.len() - TRAIL);
            parts[0] = "…".into();
        }
        parts.join(" → ")
    }
}

/// What brings a residual part's input to the size of its output, with its number of parameters: nothing where they are the same, else a
/// projection (1×1 convolution with a stride, or linear layer) without bias, normalized where the part normalizes; none if there is none.
fn shortcut(input: Size, output: Size, normed: bool) -> Option<(Vec<Part>, usize)> {
    let mut parts = Vec::new();
    let mut add = |role, make: Make| parts.push(Part { make, role });
    if input == output {
        return Some((parts, 0));
    }
    match (input, output) {
        (Size::Image([c, h, w]), Size::Image([to, to_h, to_w])) => {
            let stride = |from: usize, to: usize| {
                let stride = from.div_ceil(to);
                (from.div_ceil(stride) == to).then_some(stride)
            };
            let stride = [stride(h, to_h)?, stride(w, to_w)?];
            let conv = move |rng: &mut _| Conv2d::options(c, to, 1).stride(stride).bias(false).build(rng);
            add(Role::Linear, Box::new(move |rng| Box::new(conv(rng))));
            if normed {
                add(Role::Weights, Box::new(move |_| Box::new(BatchNorm2d::new(to))));
            }
            Some((parts, c.saturating_mul(to).saturating_add(2 * to * normed as usize)))
        }
        (Size::Flat(n), Size::Flat(to)) => {
            add(Role::Linear, Box::new(move |rng| Box::new(Linear::without_bias(n, to, rng))));
            Some((parts, n.saturating_mul(to)))
        }
        _ => None,
    }
}
