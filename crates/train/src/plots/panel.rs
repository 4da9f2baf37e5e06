//! A panel: two axes around the place where something is drawn, and a legend.

use super::axis::Axis;
use super::lines::class;
use super::svg::{Anchor, SMALL, Svg, TEXT, TITLE, fitted, width};

/// The distance of things that belong together.
const GAP: f64 = 7.0;
/// The height of a line of text.
const LINE: f64 = 18.0;
/// The length of a line in a legend.
const SAMPLE: f64 = 20.0;
/// This many lines of a legend at most.
const LEGEND_LINES: usize = 6;
/// What remains free around a panel.
const EDGE: f64 = 10.0;

/// A panel within the document.
pub struct Panel {
    x: Axis,
    y: Axis,
    /// Left, top, width and height of what the axes enclose.
    area: [f64; 4],
}

/// What stands around a panel.
pub struct Labels<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below its axis.
    pub x: &'a str,
    /// Beside its axis.
    pub y: &'a str,
}

/// The least distance of ticks, across and up.
const APART: [f64; 2] = [64.0, 42.0];

/// How many ticks an axis of this length has at most.
fn wanted(length: f64, apart: f64) -> usize {
    (length / apart).max(2.0) as usize
}

impl Panel {
    /// Draws the frame of a panel of which title, labels and ticks fit into a width, from `left` and `top` on, and whose area has this `height`.
    pub fn draw(svg: &mut Svg, [left, top, full, height]: [f64; 4], axes: [Axis; 2], labels: &Labels) -> Panel {
        let [x, y] = axes;
        let ticks = y.ticks(wanted(height, APART[1]));
        let widest = ticks.iter().map(|(_, label)| width(label, SMALL)).fold(0.0, f64::max);
        let beside = if labels.y.is_empty() { 0.0 } else { LINE + GAP };
        let before = EDGE + beside + widest + GAP;
        let area = [left + before, top + EDGE + LINE + GAP, full - before - 2.0 * EDGE, height];
        let panel = Panel { x, y, area };
        let [l, t, w, h] = area;
        svg.text("ink", TITLE, [l, t - GAP - 3.0], Anchor::Start, &fitted(labels.title, w, TITLE));
        for (value, label) in ticks {
            let at = t + h * (1.0 - y.at(value));
            svg.line("grid", [l, at], [l + w, at]);
            svg.text("soft", SMALL, [l - GAP, at + SMALL * 0.35], Anchor::End, &label);
        }
        let mut free = l - EDGE;
        for (value, label) in x.ticks(wanted(w, APART[0])) {
            let (at, half) = (l + w * x.at(value), width(&label, SMALL) / 2.0);
            svg.line("grid", [at, t], [at, t + h]);
            // A label that would touch the one before, or be cut off, is left out.
            if at - half >= free && at + half <= l + w + 2.0 * EDGE {
                svg.text("soft", SMALL, [at, t + h + LINE], Anchor::Middle, &label);
                free = at + half + GAP;
            }
        }
        svg.path("rule", &format!("M{l:.1} {t:.1}v{h:.1}h{w:.1}"), 1.0);
        svg.text("soft", TEXT, [l + w / 2.0, t + h + 2.0 * LINE + 2.0], Anchor::Middle, &fitted(labels.x, w, TEXT));
        if !labels.y.is_empty() {
            let at = [left + EDGE + TEXT, t + h / 2.0];
            svg.turned_text("soft", TEXT, at, -90.0, Anchor::Middle, &fitted(labels.y, h, TEXT));
        }
        panel
    }

    /// How much higher than its area a panel is, without a legend.
    pub const fn around() -> f64 {
        EDGE + LINE + GAP + 2.0 * LINE + GAP + EDGE
    }

    /// Where a value is in the document.
    pub fn x(&self, value: f64) -> f64 {
        self.area[0] + self.area[2] * self.x.at(value)
    }

    /// As [`Panel::x`], in the other direction.
    pub fn y(&self, value: f64) -> f64 {
        self.area[1] + self.area[3] * (1.0 - self.y.at(value))
    }

    /// Says in the middle that there is nothing to see.
    pub fn say(&self, svg: &mut Svg, text: &str) {
        let [l, t, w, h] = self.area;
        svg.text("soft", TEXT, [l + w / 2.0, t + h / 2.0], Anchor::Middle, &fitted(text, w, TEXT));
    }
}

/// What lines are called, in rows of a width.
pub struct Legend {
    /// Of each name row, distance from the left, and the text.
    entries: Vec<(usize, f64, String)>,
    rows: usize,
    /// Names for which there is no room.
    left_out: usize,
}

impl Legend {
    /// Of these names in rows of `full`.
    pub fn new(names: &[&str], full: f64) -> Legend {
        let (mut row, mut x, mut entries) = (0, 0.0, Vec::new());
        for name in names {
            let text = fitted(name, full - SAMPLE - 2.0 * GAP, SMALL);
            let needed = SAMPLE + GAP + width(&text, SMALL);
            if x > 0.0 && x + needed > full {
                (row, x) = (row + 1, 0.0);
            }
            // The last row is kept for the number of those left out.
            if row + 1 == LEGEND_LINES && names.len() > entries.len() + 1 && x + needed + full / 3.0 > full {
                break;
            }
            entries.push((row, x, text));
            x += needed + 2.0 * GAP;
        }
        let left_out = names.len() - entries.len();
        let rows = if names.is_empty() { 0 } else { row + 1 };
        Legend { entries, rows, left_out }
    }

    /// Its height, with room below it.
    pub fn height(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.rows as f64 * LINE + GAP }
    }

    /// Draws it from its left upper corner on.
    pub fn draw(&self, svg: &mut Svg, [left, top]: [f64; 2]) {
        for (index, (row, x, text)) in self.entries.iter().enumerate() {
            let (x, y) = (left + x, top + *row as f64 * LINE + LINE / 2.0);
            let line = format!("M{x:.1} {y:.1}h{SAMPLE:.1}");
            svg.path(&class(index), &line, 3.0);
            svg.text("ink", SMALL, [x + SAMPLE + GAP, y + SMALL * 0.35], Anchor::Start, text);
        }
        if self.left_out > 0 {
            let end = self
                .entries
                .iter()
                .filter(|(row, ..)| row + 1 == self.rows)
                .map(|(_, x, text)| x + SAMPLE + 3.0 * GAP + width(text, SMALL));
            let at = [left + end.fold(0.0, f64::max), top + (self.rows as f64 - 0.5) * LINE + SMALL * 0.35];
            svg.text("soft", SMALL, at, Anchor::Start, &format!("and {} more", self.left_out));
        }
    }
}
