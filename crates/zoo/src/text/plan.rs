//! What a layer is planned with: the size of its input, the values of its settings, and what it becomes.

#[cfg(doc)]
use super::Kind;
use std::fmt;
use striate_nn::{Forward, Padding};
use striate_tensor::Generator;

/// The shape of one sample on its way through a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Channels, height and width.
    Image([usize; 3]),
    /// A list of this many numbers.
    Flat(usize),
}

impl Size {
    /// How many numbers these are; the largest number if that overflows.
    pub fn numel(self) -> usize {
        match self {
            Size::Image(sizes) => sizes.iter().fold(1, |n: usize, &s| n.saturating_mul(s)),
            Size::Flat(n) => n,
        }
    }

    /// Channels of an image, or the length of a list.
    pub fn features(self) -> usize {
        match self {
            Size::Image([c, ..]) => c,
            Size::Flat(n) => n,
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Image([c, h, w]) => write!(f, "{c}×{h}×{w}"),
            Size::Flat(n) => write!(f, "{n}"),
        }
    }
}

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of a [`Kind::Count`].
    Count(usize),
    /// Of [`Kind::Counts`], [`Kind::Sizes`] or [`Kind::Padding`]: for height and width.
    Pair([usize; 2]),
    /// Of a [`Kind::Padding`]: as much as keeps the size.
    Same,
    /// Of a [`Kind::Fraction`] or [`Kind::Number`].
    Real(f64),
    /// Of a [`Kind::Choice`].
    Choice(&'static str),
    /// Of a [`Kind::Flag`].
    Flag(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Count(n) => write!(f, "{n}"),
            Value::Pair([h, w]) if h == w => write!(f, "{h}"),
            Value::Pair([h, w]) => write!(f, "{h}x{w}"),
            Value::Same => write!(f, "same"),
            Value::Real(x) => write!(f, "{x}"),
            Value::Choice(word) => f.write_str(word),
            Value::Flag(on) => write!(f, "{on}"),
        }
    }
}

/// Makes a layer with fresh weights.
pub(super) type Make = Box<dyn Fn(&mut Generator) -> Box<dyn Forward> + Send + Sync>;

/// A layer for an input of a known size.
pub struct Planned {
    /// The size of its output.
    pub output: Size,
    /// How many numbers of it training changes; the largest number if that overflows.
    pub parameters: usize,
    /// Makes it.
    pub make: Make,
}

/// The values of all of a layer's settings by name, written or not.
#[derive(Clone, Debug)]
pub struct Values(pub(super) Vec<(&'static str, Value)>);

impl Values {
    fn get(&self, name: &str) -> Value {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.unwrap_or_else(|| panic!("the table of layers has no setting '{name}' here")).1
    }

    /// The value of a count.
    pub fn count(&self, name: &str) -> usize {
        match self.get(name) {
            Value::Count(n) => n,
            other => panic!("{name} is {other:?}, not a count"),
        }
    }

    /// The values for height and width.
    pub fn pair(&self, name: &str) -> [usize; 2] {
        match self.get(name) {
            Value::Pair(pair) => pair,
            other => panic!("{name} is {other:?}, not a pair"),
        }
    }

    /// The value of a fraction or number.
    pub fn real(&self, name: &str) -> f64 {
        match self.get(name) {
            Value::Real(x) => x,
            other => panic!("{name} is {other:?}, not a number"),
        }
    }

    /// The word chosen.
    pub fn choice(&self, name: &str) -> &'static str {
        match self.get(name) {
            Value::Choice(word) => word,
            other => panic!("{name} is {other:?}, not a choice of words"),
        }
    }

    /// Whether a flag is there.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name) == Value::Flag(true)
    }

    /// A convolution's padding.
    pub fn padding(&self, name: &str) -> Padding {
        match self.get(name) {
            Value::Same => Padding::Same,
            _ => Padding::Zeros(self.pair(name)),
        }
    }
}

/// What does not fit, and at which setting; at the layer's word if at none.
#[derive(Debug)]
pub struct Misfit {
    pub(super) setting: Option<&'static str>,
    pub(super) message: String,
}

impl Misfit {
    /// What does not fit at `setting`.
    pub fn at(setting: &'static str, message: String) -> Self {
        Misfit { setting: Some(setting), message }
    }
}

impl From<String> for Misfit {
    fn from(message: String) -> Self {
        Misfit { setting: None, message }
    }
}
