//! The grammar: text to a tree, and the tree's canonical text.

use super::closest::closest;
use super::error::{Fault, TextError};
use super::plan::Value;
use super::settings::{Kind, is_number};
use super::tokens::{Span, Token, TokenKind, tokens};
use super::words::{WORDS, Word};
use std::fmt;

/// How deep parentheses may be nested.
const MAX_DEPTH: usize = 32;
/// How often something may be repeated.
const MAX_TIMES: usize = 1000;
const RESIDUAL: &str = "residual";

/// A network as text: what its layers are, before anything is known of the images. It prints as its canonical text, which
/// [`Net::parse`] reads as the same network again.
#[derive(Clone, Debug)]
pub struct Net {
    /// Its layers and groups.
    pub items: Vec<Item>,
    pub(super) source: String,
}

impl PartialEq for Net {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

/// A part of a network.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A layer.
    Layer(Layer),
    /// `(…) xN`: several parts, several times.
    Repeat {
        /// The parts.
        items: Vec<Item>,
        /// How often, at least 2.
        times: usize,
    },
    /// `residual(…)`: several parts whose input is added to their output.
    Residual {
        /// The parts.
        items: Vec<Item>,
        /// How often, at least 1.
        times: usize,
        /// Where its word stands.
        span: Span,
    },
}

/// A layer: its word and the settings written.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The entry of the table.
    pub word: &'static Word,
    /// What was written for each of its settings, and where.
    pub values: Vec<Option<(Value, Span)>>,
    /// Where its word stands.
    pub span: Span,
}

/// A text that cannot be read, with what comes before the fault.
pub(super) struct Broken {
    pub fault: Fault,
    pub before: Vec<Item>,
}

impl Net {
    /// Reads a network. Lines count as items, `#` starts a comment.
    ///
    /// # Errors
    /// If the text is no network. [`read`](super::read) gives the same error with the shapes up to it.
    pub fn parse(text: &str) -> Result<Net, TextError> {
        Net::parse_or_break(text).map_err(|broken| TextError::new(text, broken.fault, String::new()))
    }

    pub(super) fn parse_or_break(text: &str) -> Result<Net, Broken> {
        let mut parser = Parser { tokens: tokens(text), at: 0, depth: 0 };
        let (items, fault) = parser.items(None);
        match fault {
            Some(fault) => Err(Broken { fault, before: items }),
            None if items.is_empty() => {
                let fault = Fault { span: Span::default(), message: "the network has no layers".into() };
                Err(Broken { fault, before: items })
            }
            None => Ok(Net { items, source: text.to_string() }),
        }
    }

    /// How many layers there are, repeated ones counted each time.
    pub fn num_layers(&self) -> usize {
        count(&self.items, &|_| true)
    }
}

/// How many layers of `items` fit, repeated ones counted each time; the largest number if that overflows.
pub(super) fn count(items: &[Item], fits: &dyn Fn(&Layer) -> bool) -> usize {
    let of = |item: &Item| match item {
        Item::Layer(layer) => fits(layer) as usize,
        Item::Repeat { items, times } | Item::Residual { items, times, .. } => {
            count(items, fits).saturating_mul(*times)
        }
    };
    items.iter().fold(0, |n: usize, item| n.saturating_add(of(item)))
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    depth: usize,
}

fn fault<T>(token: Token, message: String) -> Result<T, Fault> {
    Err(Fault { span: token.span, message })
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    fn next_if(&mut self, kind: TokenKind) -> Option<Token<'a>> {
        let token = self.peek().filter(|t| t.kind == kind)?;
        self.at += 1;
        Some(token)
    }

    /// Items up to the end, or to the `)` that closes `open`, which is taken. What came before a fault is given with it.
    fn items(&mut self, open: Option<Token>) -> (Vec<Item>, Option<Fault>) {
        let mut items = Vec::new();
        loop {
            while self.next_if(TokenKind::Comma).is_some() {}
            let result = match (self.peek(), open) {
                (None, None) => return (items, None),
                (None, Some(open)) => fault(open, "this ( is never closed".into()),
                (Some(t), Some(_)) if t.kind == TokenKind::Close => {
                    self.at += 1;
                    return (items, None);
                }
                (Some(_), _) => self.item(&mut items),
            };
            if let Err(fault) = result {
                return (items, Some(fault));
            }
        }
    }

    fn item(&mut self, items: &mut Vec<Item>) -> Result<(), Fault> {
        let Some(token) = self.peek() else { return Ok(()) };
        self.at += 1;
        match token.kind {
            TokenKind::Close => fault(token, "there is no ( before this )".into()),
            TokenKind::Equals | TokenKind::Comma => fault(token, "a layer's word must stand here".into()),
            TokenKind::Open => {
                let inner = self.group(token, items)?;
                match self.times()? {
                    1 => items.extend(inner),
                    times => items.push(Item::Repeat { items: inner, times }),
                }
                self.end_of_group()
            }
            TokenKind::Run if plain(token.text) == RESIDUAL => {
                let Some(open) = self.next_if(TokenKind::Open) else {
                    return fault(
                        token,
                        "residual takes its layers in parentheses: residual(conv 32 3 padding same, relu)".into(),
                    );
                };
                let inner = self.group(open, items)?;
                let times = self.times()?;
                items.push(Item::Residual { items: inner, times, span: token.span });
                self.end_of_group()
            }
            TokenKind::Run => {
                let layer = self.layer(token)?;
                items.push(Item::Layer(layer));
                Ok(())
            }
        }
    }

    /// The items in parentheses; where one of them is at fault, those before it are added to `outer`.
    fn group(&mut self, open: Token, outer: &mut Vec<Item>) -> Result<Vec<Item>, Fault> {
        if self.depth == MAX_DEPTH {
            return fault(open, format!("parentheses are more than {MAX_DEPTH} deep here"));
        }
        self.depth += 1;
        let (inner, problem) = self.items(Some(open));
        self.depth -= 1;
        match problem {
            Some(problem) => {
                outer.extend(inner);
                Err(problem)
            }
            None if inner.is_empty() => fault(open, "there are no layers in these parentheses".into()),
            None => Ok(inner),
        }
    }

    /// `xN` after a group; 1 without.
    fn times(&mut self) -> Result<usize, Fault> {
        let Some(token) = self.peek().filter(|t| t.kind == TokenKind::Run) else { return Ok(1) };
        let Some(digits) = repeat(token.text) else { return Ok(1) };
        self.at += 1;
        match digits.parse() {
            Ok(times) if (1..=MAX_TIMES).contains(&times) => Ok(times),
            _ if digits.is_empty() => fault(token, "x takes its number without a blank, such as x3".into()),
            _ => fault(token, format!("the number of repetitions must be from 1 to {MAX_TIMES}")),
        }
    }

    fn end_of_group(&mut self) -> Result<(), Fault> {
        match self.peek() {
            Some(t) if t.kind == TokenKind::Run && is_number(t.text) => {
                fault(t, format!("to repeat what is in parentheses write x{0}", t.text))
            }
            Some(t) if matches!(t.kind, TokenKind::Run | TokenKind::Open) => {
                fault(t, "a comma is missing before this".into())
            }
            Some(t) if t.kind == TokenKind::Equals => fault(t, "a comma or the end must stand here".into()),
            _ => Ok(()),
        }
    }

    fn layer(&mut self, token: Token) -> Result<Layer, Fault> {
        let Some(word) = Word::find(&plain(token.text)) else { return fault(token, unknown(token.text)) };
        let mut layer = Layer { word, values: vec![None; word.settings.len()], span: token.span };
        let mut named = false;
        while let Some(token) = self.next_if(TokenKind::Run) {
            if is_number(token.text) {
                if named {
                    return fault(token, "numbers without a word stand right after the layer's word".into());
                }
                self.number(&mut layer, token)?;
            } else {
                named = true;
                self.setting(&mut layer, token)?;
            }
        }
        match self.peek() {
            Some(t) if t.kind == TokenKind::Open => {
                fault(t, format!("{} takes no parentheses: write {}", word.word, word.example))
            }
            Some(t) if t.kind == TokenKind::Equals => fault(t, format!("a setting of {} must stand here", word.word)),
            _ => Ok(layer),
        }
    }

    fn number(&mut self, layer: &mut Layer, token: Token) -> Result<(), Fault> {
        let word = layer.word;
        let free = word.settings.iter().zip(&layer.values).position(|(s, v)| s.positional && v.is_none());
        match free {
            Some(i) => set(layer, i, token),
            None => fault(token, format!("{} takes {}", word.word, numbers(word))),
        }
    }

    fn setting(&mut self, layer: &mut Layer, token: Token) -> Result<(), Fault> {
        let word = layer.word;
        let Some(i) = word.settings.iter().position(|s| s.name == plain(token.text)) else {
            return fault(token, no_setting(word, token.text));
        };
        let setting = &word.settings[i];
        if layer.values[i].is_some() {
            return fault(token, format!("{} is given twice", setting.name));
        }
        if setting.kind == Kind::Flag {
            layer.values[i] = Some((Value::Flag(true), token.span));
            return Ok(());
        }
        self.next_if(TokenKind::Equals);
        match self.next_if(TokenKind::Run) {
            Some(value) => set(layer, i, value),
            None => fault(token, format!("{} needs a value: it must be {}", setting.name, setting.kind.need())),
        }
    }
}

fn set(layer: &mut Layer, setting: usize, token: Token) -> Result<(), Fault> {
    let s = &layer.word.settings[setting];
    match s.kind.read(&token.text.to_lowercase()) {
        Some(value) => {
            layer.values[setting] = Some((value, token.span));
            Ok(())
        }
        None => fault(token, format!("{} of {} must be {}", s.name, layer.word.word, s.kind.need())),
    }
}

/// A word as the table has it: `Max_Pool2d` is `maxpool2d`.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !"_-".contains(*c)).flat_map(char::to_lowercase).collect()
}

/// The digits of `x3`; none if it is something else.
fn repeat(text: &str) -> Option<&str> {
    text.strip_prefix(['x', 'X', '×']).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
}

fn unknown(text: &str) -> String {
    if is_number(text) {
        return format!("{text} belongs to no layer: a layer's word must stand before it");
    }
    if repeat(text).is_some() {
        return format!("{text} repeats nothing: it stands right after parentheses, as in (conv 32 3, relu) {text}");
    }
    let words = WORDS.iter().flat_map(|w| [w.word].into_iter().chain(w.aliases.iter().copied())).chain([RESIDUAL]);
    match closest(&plain(text), words) {
        Some(near) => format!("unknown layer '{text}': did you mean {}?", Word::find(near).map_or(near, |w| w.word)),
        None => {
            let all: Vec<&str> = WORDS.iter().map(|w| w.word).chain([RESIDUAL]).collect();
            format!("unknown layer '{text}': known are {}", all.join(", "))
        }
    }
}

fn no_setting(word: &Word, text: &str) -> String {
    let name = word.word;
    if repeat(text).is_some() {
        return format!("{text} repeats what is in parentheses: write ({}) {text}", word.example);
    }
    if Word::find(&plain(text)).is_some() || plain(text) == RESIDUAL {
        return format!("{name} has no setting '{text}': a comma is missing before it");
    }
    let names: Vec<&str> = word.settings.iter().map(|s| s.name).collect();
    match closest(&plain(text), names.iter().copied()) {
        Some(near) => format!("{name} has no setting '{text}': did you mean {near}?"),
        None if names.is_empty() => format!("{name} has no setting '{text}': it has none"),
        None => format!("{name} has no setting '{text}': it has {}", names.join(", ")),
    }
}

/// `no number`, `one number (p)`, `two numbers (channels, kernel)`.
fn numbers(word: &Word) -> String {
    let names: Vec<&str> = word.settings.iter().filter(|s| s.positional).map(|s| s.name).collect();
    match names.len() {
        0 => "no number".into(),
        1 => format!("one number ({})", names[0]),
        n => format!("{n} numbers ({})", names.join(", ")),
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_items(f, &self.items)
    }
}

fn write_items(f: &mut fmt::Formatter<'_>, items: &[Item]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        write!(f, "{item}")?;
    }
    Ok(())
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, items, times) = match self {
            Item::Layer(layer) => return write!(f, "{layer}"),
            Item::Repeat { items, times } => ("", items, *times),
            Item::Residual { items, times, .. } => (RESIDUAL, items, *times),
        };
        write!(f, "{name}(")?;
        write_items(f, items)?;
        f.write_str(")")?;
        if times == 1 { Ok(()) } else { write!(f, " x{times}") }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word.word)?;
        let mut bare = true;
        for (setting, value) in self.word.settings.iter().zip(&self.values) {
            bare &= setting.positional && value.is_some();
            match value {
                Some((Value::Flag(_), _)) => write!(f, " {}", setting.name)?,
                Some((value, _)) if bare => write!(f, " {value}")?,
                Some((value, _)) => write!(f, " {} {value}", setting.name)?,
                None => {}
            }
        }
        Ok(())
    }
}
