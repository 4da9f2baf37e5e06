//! What can follow a layer's word: numbers and settings.

use super::plan::Value;
use std::fmt;

/// The largest whole number that can be written.
const MAX_COUNT: usize = 1_000_000;

/// What a setting can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number from 1.
    Count,
    /// A whole number from 1 for height and width, or one for each: `3`, `3x5`.
    Counts,
    /// A whole number from 0 for height and width, or one for each.
    Sizes,
    /// As `Sizes`, or `same`.
    Padding,
    /// A number from 0 to 1.
    Fraction,
    /// Any number.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A word without a value.
    Flag,
}

impl Kind {
    /// The value that `text` writes; none if it writes no value of this kind.
    pub fn read(self, text: &str) -> Option<Value> {
        let whole = |text: &str, min: usize| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|n| digits && (min..=MAX_COUNT).contains(n))
        };
        let pair = |min| match text.split_once(['x', '×']) {
            Some((h, w)) => Some(Value::Pair([whole(h, min)?, whole(w, min)?])),
            None => whole(text, min).map(|n| Value::Pair([n, n])),
        };
        // Rust also reads `inf`, `nan` and the like.
        let real = || text.parse().ok().filter(|x: &f64| x.is_finite() && is_number(text)).map(Value::Real);
        match self {
            Kind::Count => whole(text, 1).map(Value::Count),
            Kind::Counts => pair(1),
            Kind::Sizes => pair(0),
            Kind::Padding if text == "same" => Some(Value::Same),
            Kind::Padding => pair(0),
            Kind::Fraction => real().filter(|v| matches!(v, Value::Real(x) if (0.0..=1.0).contains(x))),
            Kind::Number => real(),
            Kind::Choice(words) => words.iter().find(|w| **w == text).map(|w| Value::Choice(w)),
            Kind::Flag => None,
        }
    }

    /// What a value of this kind must be, to end "it must be …".
    pub fn need(self) -> String {
        let need = match self {
            Kind::Choice(words) => return format!("one of {}", words.join(", ")),
            Kind::Count => "a whole number from 1 to 1000000",
            Kind::Counts => "a whole number from 1 to 1000000, or two, such as 3x5",
            Kind::Sizes => "a whole number from 0 to 1000000, or two, such as 1x2",
            Kind::Padding => "same, a whole number from 0 to 1000000, or two, such as 1x2",
            Kind::Fraction => "a number from 0 to 1",
            Kind::Number => "a number",
            Kind::Flag => "left out",
        };
        need.to_string()
    }
}

/// Whether `text` is meant as a number.
pub(super) fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
}

/// What holds for a setting that is not written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fallback {
    /// It must be written.
    Needed,
    /// It must be written unless the number of outputs is left to the classes.
    NeededBeforeHead(Value),
    /// This value.
    Is(Value),
    /// The value of an earlier setting.
    SameAs(&'static str),
    /// The number of classes, in the last layer that has such a setting; elsewhere it must be written.
    Classes,
}

/// A number or word that can follow a layer's word.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The word for it.
    pub name: &'static str,
    /// What it can be.
    pub kind: Kind,
    /// Whether it can stand without its word, right after the layer's word, in the order of the table.
    pub positional: bool,
    /// What holds if it is not written.
    pub fallback: Fallback,
}

impl Setting {
    /// One that can stand without its word.
    pub const fn number(name: &'static str, kind: Kind, fallback: Fallback) -> Self {
        Setting { name, kind, positional: true, fallback }
    }

    /// One that needs its word.
    pub const fn word(name: &'static str, kind: Kind, fallback: Fallback) -> Self {
        Setting { name, kind, positional: false, fallback }
    }

    /// A word without a value.
    pub const fn flag(name: &'static str) -> Self {
        Setting { name, kind: Kind::Flag, positional: false, fallback: Fallback::Is(Value::Flag(false)) }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fallback {
            _ if self.kind == Kind::Flag => write!(f, "{}", self.name),
            Fallback::Needed | Fallback::NeededBeforeHead(_) => write!(f, "{}", self.name),
            Fallback::Is(v) => write!(f, "{} = {v}", self.name),
            Fallback::SameAs(other) => write!(f, "{} = {other}", self.name),
            Fallback::Classes => write!(f, "{} = classes", self.name),
        }
    }
}
