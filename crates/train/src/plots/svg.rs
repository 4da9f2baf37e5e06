//! Writing SVG.

use std::fmt::{Display, Write};

/// Sizes of text.
pub const TITLE: f64 = 15.0;
pub const TEXT: f64 = 13.0;
pub const SMALL: f64 = 12.0;

/// Colours of lines, on white paper Okabe and Ito's with grey in the place of yellow and black; the second of each is for dark paper.
const LINES: [[&str; 2]; COLOURS] = [
    ["#0072b2", "#3d9ae0"],
    ["#d55e00", "#e8702a"],
    ["#009e73", "#1fb58a"],
    ["#cc79a7", "#e0a0c4"],
    ["#e69f00", "#f2c04e"],
    ["#56b4e9", "#a8dcfa"],
    ["#3d434b", "#8a929d"],
];
/// How many colours lines have.
pub const COLOURS: usize = 7;
/// Dashes of lines that share a colour.
pub const DASHES: [&str; 3] = ["none", "7 5", "1.5 5"];
/// How opaque dots are that stand for more and more points.
pub const OPACITIES: [f64; 4] = [0.55, 0.7, 0.85, 1.0];

/// Colours of cells from none to all, each darker than the one before on white paper (ColorBrewer's Blues, Harrower and Brewer, 2003) and lighter on dark.
const CELLS: [[&str; 2]; STEPS + 1] = [
    ["#f4f6f8", "#1b222c"],
    ["#deebf7", "#1f3350"],
    ["#cfe1f2", "#234163"],
    ["#b5d4e9", "#285077"],
    ["#93c3df", "#2e608c"],
    ["#6daed5", "#3672a3"],
    ["#4b97c9", "#4486ba"],
    ["#2f7ebc", "#5a9bcf"],
    ["#1864aa", "#79b2e0"],
    ["#0a4a90", "#9fcaee"],
    ["#08306b", "#cbe3f8"],
];
/// Steps between the colours of none and all.
pub const STEPS: usize = 10;
/// The first cell that takes the paper's colour for its digits.
const INVERTED: [usize; 2] = [6, 7];

/// What does not depend on the scheme.
fn rules() -> String {
    let mut css =
        "path[stroke-width]{fill:none;stroke-linecap:round;stroke-linejoin:round}.p{pointer-events:none}".to_string();
    for (i, dashes) in DASHES.iter().enumerate() {
        _ = write!(css, ".s{i}{{stroke-dasharray:{dashes}}}");
    }
    for (i, opacity) in OPACITIES.iter().enumerate() {
        _ = write!(css, ".o{i}{{stroke-opacity:{opacity}}}");
    }
    css
}

/// What `scheme` (0 for white paper, 1 for dark) makes of each class.
fn colours(scheme: usize) -> String {
    let [paper, ink, soft, grid] =
        [["#ffffff", "#1f2328", "#59636e", "#d9dee3"], ["#0f141a", "#e8edf2", "#a3adb8", "#323b45"]][scheme];
    let mut css = format!(
        ".paper{{fill:{paper}}}.ink{{fill:{ink}}}.soft{{fill:{soft}}}.grid{{stroke:{grid}}}.rule{{stroke:{soft}}}"
    );
    for (i, colour) in LINES.iter().enumerate() {
        _ = write!(css, ".l{i}{{stroke:{}}}", colour[scheme]);
    }
    for (i, colour) in CELLS.iter().enumerate() {
        let digits = if i >= INVERTED[scheme] { paper } else { ink };
        _ = write!(css, ".c{i}{{fill:{}}}.d{i}{{fill:{digits}}}", colour[scheme]);
    }
    css
}

/// Rules that give table cells of an HTML page the colours of those of a plot: classes `<prefix>0` for none to `<prefix>10` for all.
pub fn cell_colours(prefix: &str) -> String {
    let rules = |scheme: usize| -> String {
        let paper = ["#ffffff", "#0f141a"][scheme];
        let ink = ["#1f2328", "#e8edf2"][scheme];
        let rule = |(i, colour): (usize, &[&str; 2])| {
            let text = if i >= INVERTED[scheme] { paper } else { ink };
            format!(".{prefix}{i}{{background:{};color:{text}}}", colour[scheme])
        };
        CELLS.iter().enumerate().map(rule).collect()
    };
    format!("{}@media (prefers-color-scheme:dark){{{}}}", rules(0), rules(1))
}

/// Which end of a text stands at its position.
#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// A document under way.
pub struct Svg {
    body: String,
    size: [f64; 2],
    title: String,
}

impl Svg {
    /// Nothing but paper.
    pub fn new(size: [f64; 2], title: &str) -> Self {
        Svg { body: String::new(), size, title: title.to_string() }
    }

    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        self.path(class, &format!("M{} {}L{} {}", n(x1), n(y1), n(x2), n(y2)), 1.0);
    }

    /// A path that is drawn, not filled.
    pub fn path(&mut self, class: &str, d: &str, width: f64) {
        self.put(format_args!(r#"<path class="{class}" stroke-width="{}" d="{d}"/>"#, n(width)));
    }

    /// A path that is filled, with what is shown when the pointer is on it.
    pub fn area(&mut self, class: &str, d: &str, tip: Option<&str>) {
        match tip {
            Some(tip) => {
                self.put(format_args!(r#"<path class="{class}" d="{d}"><title>{}</title></path>"#, Escaped(tip)));
            }
            None => self.put(format_args!(r#"<path class="{class}" d="{d}"/>"#)),
        }
    }

    /// A text whose baseline is at `at`.
    pub fn text(&mut self, class: &str, size: f64, at: [f64; 2], anchor: Anchor, text: &str) {
        self.turned_text(class, size, at, 0.0, anchor, text);
    }

    /// A text that is turned by this many degrees about its position.
    pub fn turned_text(&mut self, class: &str, size: f64, [x, y]: [f64; 2], degrees: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let turn = match degrees {
            0.0 => String::new(),
            _ => format!(r#" transform="rotate({} {} {})""#, n(degrees), n(x), n(y)),
        };
        self.put(format_args!(
            r#"<text class="{class}" font-size="{}" x="{}" y="{}"{anchor}{turn}>{}</text>"#,
            n(size),
            n(x),
            n(y),
            Escaped(text)
        ));
    }

    fn put(&mut self, element: impl Display) {
        _ = writeln!(self.body, "{element}");
    }

    /// The document.
    pub fn finish(self) -> String {
        let [width, height] = self.size.map(n);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="striate-plot" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" font-family="system-ui,'DejaVu Sans',Verdana,sans-serif">
<title>{}</title>
<style>{}{}@media (prefers-color-scheme:dark){{{}}}</style>
<path class="paper" d="M0 0h{width}v{height}h-{width}z"/>
{}</svg>
"#,
            Escaped(&self.title),
            scoped(&rules()),
            scoped(&colours(0)),
            scoped(&colours(1)),
            self.body
        )
    }
}

/// Rules for what is inside a plot: a page may hold other things of these classes.
fn scoped(css: &str) -> String {
    css.split_inclusive('}').map(|rule| format!(".striate-plot {rule}")).collect()
}

/// A length, to a tenth.
pub fn n(x: f64) -> String {
    debug_assert!(x.is_finite(), "a length that is no number");
    let tenths = (x * 10.0).round() as i64;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        digit => format!("{}{}.{}", if tenths < 0 { "-" } else { "" }, (tenths / 10).abs(), digit.abs()),
    }
}

/// Text as XML, without what XML cannot hold.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                    f.write_char(char::REPLACEMENT_CHARACTER)?
                }
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// How wide a text may be at this size: fonts differ.
pub fn width(text: &str, size: f64) -> f64 {
    let em = |c| match c {
        'i' | 'j' | 'l' | 'f' | 't' | 'r' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '(' | ')' | '/' => 0.42,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.98,
        'A'..='Z' => 0.74,
        '\0'..='\u{2ff}' => 0.64,
        _ => 1.0,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// The text, cut so that it is not wider than this.
pub fn fitted(text: &str, limit: f64, size: f64) -> String {
    if width(text, size) <= limit {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if width(&kept, size) + size > limit {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lightness and colour (CIE L*a*b*, D65) of linear red, green and blue.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|x| x.clamp(0.0, 1.0));
        let curve = |t: f64| if t > 0.008856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let x = curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
        let y = curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
        let z = curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn linear(colour: &str) -> [f64; 3] {
        [1, 3, 5].map(|i| {
            let x = u8::from_str_radix(&colour[i..i + 2], 16).unwrap() as f64 / 255.0;
            if x <= 0.04045 { x / 12.92 } else { ((x + 0.055) / 1.055).powf(2.4) }
        })
    }

    #[test]
    fn lines_can_be_told_apart() {
        // Without L, M or S cones: Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency", 2009.
        let eyes = [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
        ];
        for (eye, scheme) in eyes.iter().flat_map(|eye| [(eye, 0), (eye, 1)]) {
            let seen = |colour: &str| {
                let rgb = linear(colour);
                lab(eye.map(|row| row.iter().zip(rgb).map(|(a, b)| a * b).sum()))
            };
            let colours = LINES.map(|line| seen(line[scheme]));
            for i in 0..COLOURS {
                for j in 0..i {
                    let difference =
                        colours[i].iter().zip(colours[j]).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                    assert!(difference > 12.0, "{:?} and {:?}: {difference}", LINES[i], LINES[j]);
                }
            }
            // Cells of more are always further from paper.
            let lightness = CELLS.map(|cell| seen(cell[scheme])[0]);
            assert!(lightness.is_sorted_by(|a, b| if scheme == 0 { a > b } else { a < b }), "{lightness:?}");
        }
    }

    #[test]
    fn lengths_are_short() {
        let cases =
            [(0.0, "0"), (-0.01, "0"), (12.0, "12"), (12.34, "12.3"), (-0.5, "-0.5"), (99.96, "100"), (-3.0, "-3")];
        for (x, text) in cases {
            assert_eq!(n(x), text);
        }
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(fitted("cat", 100.0, 12.0), "cat");
        let cut = fitted(&"long name ".repeat(20), 100.0, 12.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 100.0 && cut.len() > 10, "{cut}");
        assert_eq!(fitted("anything", 0.0, 12.0), "…");
    }

    #[test]
    fn text_is_text() {
        assert_eq!(Escaped("a<b>&\"\u{1}\n").to_string(), "a&lt;b&gt;&amp;&quot;\u{fffd} ");
    }
}
