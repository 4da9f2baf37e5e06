//! Text as tokens.

/// Where something stands in a text, in bytes. It does not count in comparisons: where a layer stands does not make it another one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word or a number.
    Run,
    /// A comma, or the end of a line.
    Comma,
    Open,
    Close,
    Equals,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub kind: TokenKind,
    pub text: &'a str,
    pub span: Span,
}

/// The tokens of `text`, without blanks and comments. There is no text that has none.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let kind = match c {
            ',' | '\n' | '\r' => TokenKind::Comma,
            '(' => TokenKind::Open,
            ')' => TokenKind::Close,
            '=' => TokenKind::Equals,
            '#' => {
                while rest.next_if(|&(_, c)| c != '\n' && c != '\r').is_some() {}
                continue;
            }
            c if c.is_whitespace() => continue,
            _ => TokenKind::Run,
        };
        let mut end = start + c.len_utf8();
        if kind == TokenKind::Run {
            while let Some((at, c)) = rest.next_if(|&(_, c)| !c.is_whitespace() && !",()=#".contains(c)) {
                end = at + c.len_utf8();
            }
        }
        out.push(Token { kind, text: &text[start..end], span: Span { start, end } });
    }
    out
}
