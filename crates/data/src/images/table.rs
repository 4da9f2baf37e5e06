//! Tables as text: fields between commas, semicolons or tabs.

/// The most bytes that a table may have.
pub const BYTE_LIMIT: u64 = 1 << 30;

/// A field: what spaces surround it counts only in quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub text: String,
    pub quoted: bool,
}

/// A line with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub line: usize,
    pub fields: Vec<Field>,
}

/// The character that parts the fields of the first line: a tab, semicolon or comma, whichever is there most often.
pub fn delimiter(text: &str) -> char {
    let (mut quoted, mut counts) = (false, [(0, '\t'), (0, ';'), (0, ',')]);
    for c in text.trim_start().chars().take_while(|c| !matches!(c, '\n' | '\r')) {
        quoted ^= c == '"';
        counts.iter_mut().filter(|(_, d)| !quoted && *d == c).for_each(|(n, _)| *n += 1);
    }
    let most = counts.into_iter().map(|(n, _)| n).max().unwrap_or(0);
    counts.into_iter().rfind(|(n, _)| *n == most).map_or(',', |(_, d)| d)
}

/// Reads a table line by line. Empty lines are left out.
pub struct Reader<'a> {
    rest: &'a str,
    delimiter: char,
    line: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, delimiter: char) -> Reader<'a> {
        Reader { rest: text, delimiter, line: 1 }
    }

    /// Takes one character; a line's end of any kind is `\n`.
    fn end_of_line(&mut self) -> bool {
        let rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix(['\n', '\r']));
        if let Some(rest) = rest {
            self.rest = rest;
            self.line += 1;
        }
        rest.is_some()
    }

    fn quoted(&mut self) -> Result<String, String> {
        let (start, mut text) = (self.line, String::new());
        self.rest = &self.rest[1..];
        loop {
            let Some(end) = self.rest.find('"') else {
                return Err(format!("line {start}: a quotation mark is never closed"));
            };
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    text.push('"');
                    self.rest = rest;
                }
                None => break,
            }
        }
        self.line += text.matches('\n').count();
        Ok(text)
    }

    fn field(&mut self) -> Result<Field, String> {
        let delimiter = self.delimiter;
        let ends = |c: char| c == delimiter || matches!(c, '\n' | '\r');
        self.rest = self.rest.trim_start_matches(|c: char| c.is_whitespace() && !ends(c));
        let quoted = self.rest.starts_with('"');
        let mut text = if quoted { self.quoted()? } else { String::new() };
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let plain = self.rest[..end].trim_end();
        if quoted && !plain.is_empty() {
            return Err(format!("line {}: there is text after a closing quotation mark", self.line));
        }
        text.push_str(plain);
        self.rest = &self.rest[end..];
        Ok(Field { text, quoted })
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Row, String>;

    fn next(&mut self) -> Option<Result<Row, String>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let mut row = Row { line: self.line, fields: Vec::new() };
            loop {
                match self.field() {
                    Ok(field) => row.fields.push(field),
                    Err(reason) => {
                        self.rest = "";
                        return Some(Err(reason));
                    }
                }
                match self.rest.strip_prefix(self.delimiter) {
                    Some(rest) => self.rest = rest,
                    None => break,
                }
            }
            self.end_of_line();
            let empty = matches!(&row.fields[..], [field] if field.text.is_empty() && !field.quoted);
            if !empty {
                return Some(Ok(row));
            }
        }
    }
}

/// A field of a table with commas, in quotes where it would not come back as it is without.
pub fn field(text: &str) -> String {
    let odd = |c: char| matches!(c, ',' | ';' | '"' | '\t' | '\n' | '\r');
    if text.contains(odd) || text.trim() != text {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.to_string()
}

/// Adds a line of [`field`]s.
pub fn write(out: &mut String, fields: &[&str]) {
    out.push_str(&fields.iter().map(|f| field(f)).collect::<Vec<_>>().join(","));
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(usize, Vec<String>)> {
        let row = |r: Result<Row, String>| r.map(|r| (r.line, r.fields.into_iter().map(|f| f.text).collect()));
        Reader::new(text, delimiter(text)).map(|r| row(r).unwrap()).collect()
    }

    fn expected(rows: &[(usize, &[&str])]) -> Vec<(usize, Vec<String>)> {
        rows.iter().map(|(n, fields)| (*n, fields.iter().map(|f| f.to_string()).collect())).collect()
    }

    #[test]
    fn spaces_count_in_quotes_alone() {
        assert_eq!(texts(" a , b\n\" a \",\tb \n"), expected(&[(1, &["a", "b"]), (2, &[" a ", "b"])]));
        assert_eq!(texts("a,b\n\"x\ny\", \"say \"\"hi\"\"\" \r\n\r\n5\" disk,z"), {
            expected(&[(1, &["a", "b"]), (2, &["x\ny", "say \"hi\""]), (5, &["5\" disk", "z"])])
        });
        assert_eq!(texts("a;b,c;d\n1;2,5;3\n"), expected(&[(1, &["a", "b,c", "d"]), (2, &["1", "2,5", "3"])]));
        assert_eq!(texts("a\tb\rc\t\r"), expected(&[(1, &["a", "b"]), (2, &["c", ""])]));
        assert_eq!(texts("path\nx\n"), expected(&[(1, &["path"]), (2, &["x"])]));
        for (bad, line) in [("a,\"b\nc", "line 1"), ("a\n\"b\" c\n", "line 2")] {
            assert!(Reader::new(bad, ',').any(|r| r.is_err_and(|e| e.contains(line))), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(rows in proptest::collection::vec(proptest::collection::vec("[ \t\n\r\",;a\u{a0}é\\\\]{0,6}", 2..4), 1..5)) {
            let mut text = String::from("a,b\n");
            rows.iter().for_each(|r| write(&mut text, &r.iter().map(String::as_str).collect::<Vec<_>>()));
            let read: Vec<Vec<String>> = texts(&text).into_iter().skip(1).map(|r| r.1).collect();
            proptest::prop_assert_eq!(read, rows);
        }
    }
}
