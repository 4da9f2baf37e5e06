//! What is wrong with a text, shown in it.

use super::tokens::Span;
use std::fmt;

/// How much of a long line is shown.
const WIDTH: usize = 96;

/// What is wrong, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub span: Span,
    pub message: String,
}

/// What is wrong with a network's text. It prints as one line; [`TextError::screen`] shows the place too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextError {
    message: String,
    /// The line at fault, counted from 1, where there are several.
    line: Option<usize>,
    /// The line, and a line of carets under the word.
    place: Option<[String; 2]>,
    shapes: String,
}

impl TextError {
    pub(crate) fn new(source: &str, fault: Fault, shapes: String) -> Self {
        let Fault { span, message } = fault;
        let before = &source[..span.start];
        let several = source.trim_end().contains('\n');
        let start = before.rfind('\n').map_or(0, |n| n + 1);
        let line = source[start..].split('\n').next().unwrap_or_default();
        // One cell for each character, so that the carets stand where they should.
        let cells: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let from = source[start..span.start].chars().count();
        let length = source[span.start..span.end].chars().count().max(1);
        TextError {
            message: message.replace(char::is_control, " "),
            line: several.then(|| before.matches('\n').count() + 1),
            place: (span.start < span.end).then(|| excerpt(&cells, from, length)),
            shapes,
        }
    }

    /// The message, the line at fault with carets under the word, and the shapes up to it.
    pub fn screen(&self) -> String {
        let mut out = self.to_string();
        for line in self.place.iter().flatten() {
            out += &format!("\n  {}", line.trim_end());
        }
        if !self.shapes.is_empty() {
            out += &format!("\n  shapes so far: {}", self.shapes);
        }
        out
    }
}

/// At most [`WIDTH`] cells of the line, with the word in sight, and carets under the word.
fn excerpt(cells: &[char], from: usize, length: usize) -> [String; 2] {
    let first =
        if cells.len() <= WIDTH { 0 } else { (from + length / 2).saturating_sub(WIDTH / 2).min(cells.len() - WIDTH) };
    let last = cells.len().min(first + WIDTH);
    let (left, right) = (if first > 0 { "…" } else { "" }, if last < cells.len() { "…" } else { "" });
    let shown: String = cells[first..last].iter().collect();
    let (start, end) = (from.max(first), (from + length).min(last));
    let blanks = left.chars().count() + start - first;
    [format!("{left}{shown}{right}"), format!("{}{}", " ".repeat(blanks), "^".repeat(end.saturating_sub(start).max(1)))]
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => write!(f, "{}", self.message),
        }
    }
}

impl std::error::Error for TextError {}
