//! Tables of text: the first column to the left, the others to the right.

use crate::output::shown;
use std::fmt;
use unicode_width::UnicodeWidthStr;

/// Rows of cells, the first row being the header. Cells are [`shown`], and as wide as a terminal makes them.
pub struct Table {
    rows: Vec<Vec<String>>,
    /// How many columns stand to the left.
    left: usize,
}

impl Table {
    /// A table with this header.
    pub fn new(header: &[&str]) -> Self {
        Table { rows: vec![header.iter().map(shown).collect()], left: 1 }
    }

    /// With the first `columns` columns to the left.
    pub fn left(self, columns: usize) -> Self {
        Table { left: columns, ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(shown).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| self.rows.iter().filter_map(|r| r.get(c)).map(|s| s.width()).max().unwrap_or(0);
        (0..columns).map(width).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (c, (cell, &w)) in row.iter().zip(&widths).enumerate() {
                let gap = if c == 0 { "" } else { "  " };
                let space = " ".repeat(w - cell.width());
                line += gap;
                line += &if c < self.left { format!("{cell}{space}") } else { format!("{space}{cell}") };
            }
            let end = if i + 1 == self.rows.len() { "" } else { "\n" };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut t = Table::new(&["layer", "size"]);
        t.row(vec!["a".into(), "1".into()]);
        t.row(vec!["longer".into(), "12345".into()]);
        assert_eq!(t.to_string(), "layer    size\na           1\nlonger  12345");
    }

    #[test]
    fn wide_and_unsafe_names_keep_the_columns() {
        let mut t = Table::new(&["class", "as", "n"]).left(2);
        for name in ["猫", "\x1b[31m", "e\u{301}", "👍"] {
            t.row(vec![name.into(), "x".into(), "1".into()]);
        }
        let text = t.to_string();
        assert!(!text.contains('\x1b') && text.contains(r"\x1b[31m"), "{text}");
        let widths: Vec<usize> = text.lines().map(|l| l.width()).collect();
        assert!(widths.iter().all(|w| *w == widths[0]), "{text}");
    }
}
