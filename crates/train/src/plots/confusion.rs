//! The confusion matrix as a map of colours.

use super::svg::{Anchor, SMALL, STEPS, Svg, TEXT, TITLE, fitted, n, width};

/// Up to this many classes have names and digits.
const NAMED: usize = 30;
/// This many rows of cells at most; of more classes neighbours share a cell.
const ROWS: usize = 100;
const GAP: f64 = 7.0;
const EDGE: f64 = 12.0;
const LINE: f64 = 18.0;
/// The widest name beside the cells.
const NAME: f64 = 150.0;
/// The longest name that is shown when the pointer is on a cell.
const TIP: f64 = 60.0;
/// The size of all cells together where they have no digits.
const MAP: f64 = 460.0;
/// The size of a cell with digits.
const CELL: [f64; 2] = [30.0, 46.0];
/// The least size of few cells together.
const LEAST: f64 = 90.0;
/// What the colours mean.
const LEGEND: [&str; 2] = ["0%", "100% of the row"];
/// A colour's width in the legend.
const SWATCH: f64 = 18.0;

/// How often each class was taken for each: `counts[actual][predicted]`. The colour of a cell is the fraction of its row. Up to 30 classes have names and
/// digits; of more than 100 classes neighbours share a cell.
///
/// ```
/// let svg = striate_train::plots::confusion(&[vec![8, 2], vec![1, 9]], &["cat", "dog"]);
/// assert!(svg.contains(">cat<") && svg.contains("actual dog, predicted cat: 1 (10.0%)"));
/// ```
///
/// # Panics
/// If a row or the names have another number of classes.
pub fn confusion<S: AsRef<str>>(counts: &[Vec<usize>], classes: &[S]) -> String {
    let names: Vec<&str> = classes.iter().map(AsRef::as_ref).collect();
    let rows = counts.iter().map(Vec::len).chain([names.len()]).all(|n| n == counts.len());
    assert!(rows, "confusion: {} rows of {:?} and {} names", counts.len(), counts.first().map(Vec::len), names.len());
    if counts.len() <= NAMED { named(counts, &names) } else { map(counts) }
}

/// The step of the colour for a fraction; none at all has a step of its own.
fn step(part: usize, whole: usize) -> usize {
    if part == 0 { 0 } else { (part as f64 / whole as f64 * STEPS as f64).ceil().clamp(1.0, STEPS as f64) as usize }
}

fn cell([x, y]: [f64; 2], [w, h]: [f64; 2]) -> String {
    format!("M{} {}h{}v{}h-{}z", n(x), n(y), n(w), n(h), n(w))
}

/// A count of at most four digits.
fn short(count: usize) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..999_500 => format!("{:.0}k", count as f64 / 1e3),
        1_000_000_000.. => format!("{:.0e}", count as f64),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

fn named(counts: &[Vec<usize>], names: &[&str]) -> String {
    let digits = counts.iter().flatten().map(|c| width(&short(*c), SMALL)).fold(0.0, f64::max);
    let few = counts.len().max(1) as f64;
    let side = (digits + GAP).clamp(CELL[0], CELL[1]).max(LEAST / few);
    let shown: Vec<String> = names.iter().map(|name| fitted(name, NAME, SMALL)).collect();
    let widest = shown.iter().map(|name| width(name, SMALL)).fold(0.0, f64::max);
    // Names below the cells are upright where they would not fit beside each other.
    let upright = widest > side - 4.0;
    let below = if upright { widest } else { SMALL };
    let (left, top) = (EDGE + LINE + GAP + widest + GAP, EDGE + LINE + GAP);
    let all = side * few;
    let size = frame_size(left, top, all, below);
    let mut svg = Svg::new(size, "Confusion matrix");
    frame(&mut svg, left, top, all, below, "Confusion matrix");
    for (row, (counts_row, name)) in counts.iter().zip(&shown).enumerate() {
        let (y, total) = (top + row as f64 * side, counts_row.iter().sum::<usize>());
        svg.text("ink", SMALL, [left - GAP, y + side / 2.0 + SMALL * 0.35], Anchor::End, name);
        for (column, &count) in counts_row.iter().enumerate() {
            let x = left + column as f64 * side;
            let step = step(count, total);
            let tip = (count > 0).then(|| {
                let percentage = 100.0 * count as f64 / total as f64;
                let name = |class: usize| fitted(names[class], TIP, 1.0);
                format!("actual {}, predicted {}: {count} ({percentage:.1}%)", name(row), name(column))
            });
            svg.area(&format!("c{step}"), &cell([x + 0.5, y + 0.5], [side - 1.0; 2]), tip.as_deref());
            if count > 0 {
                let at = [x + side / 2.0, y + side / 2.0 + SMALL * 0.35];
                svg.text(&format!("d{step} p"), SMALL, at, Anchor::Middle, &short(count));
            }
        }
    }
    for (column, name) in shown.iter().enumerate() {
        let x = left + (column as f64 + 0.5) * side;
        if upright {
            svg.turned_text("ink", SMALL, [x + SMALL * 0.35, top + all + GAP], -90.0, Anchor::End, name);
        } else {
            svg.text("ink", SMALL, [x, top + all + GAP + SMALL], Anchor::Middle, name);
        }
    }
    svg.finish()
}

fn map(counts: &[Vec<usize>]) -> String {
    let classes = counts.len();
    let together = classes.div_ceil(ROWS);
    let rows = classes.div_ceil(together);
    let mut cells = vec![vec![0; rows]; rows];
    for (row, counts) in counts.iter().enumerate() {
        for (column, count) in counts.iter().enumerate() {
            cells[row / together][column / together] += count;
        }
    }
    let ticks: Vec<usize> = (0..classes).step_by(nice(classes as f64 / 6.0)).collect();
    let widest = width(&classes.to_string(), SMALL);
    let (left, top) = (EDGE + LINE + GAP + widest + GAP, EDGE + LINE + GAP);
    let title = match together {
        1 => format!("Confusion matrix of {classes} classes"),
        _ => format!("Confusion matrix of {classes} classes, {together} by {together} a cell"),
    };
    let mut svg = Svg::new(frame_size(left, top, MAP, SMALL), "Confusion matrix");
    frame(&mut svg, left, top, MAP, SMALL, &title);
    svg.area("c0", &cell([left, top], [MAP; 2]), None);
    // One path a colour; cells of one colour that follow each other in a row are one.
    let side = MAP / rows as f64;
    let mut paths = vec![String::new(); STEPS + 1];
    for (row, cells) in cells.iter().enumerate() {
        let total = cells.iter().sum();
        let steps: Vec<usize> = cells.iter().map(|&count| step(count, total)).collect();
        let mut column = 0;
        for run in steps.chunk_by(|a, b| a == b) {
            let at = [left + column as f64 * side, top + row as f64 * side];
            paths[run[0]] += &cell(at, [run.len() as f64 * side, side]);
            column += run.len();
        }
    }
    for (step, path) in paths.iter().enumerate().skip(1).filter(|(_, path)| !path.is_empty()) {
        svg.area(&format!("c{step}"), path, None);
    }
    for class in ticks {
        let at = (class as f64 / together as f64 + 0.5) * side;
        let label = class.to_string();
        svg.text("soft", SMALL, [left - GAP, top + at + SMALL * 0.35], Anchor::End, &label);
        svg.text("soft", SMALL, [left + at, top + MAP + GAP + SMALL], Anchor::Middle, &label);
    }
    svg.finish()
}

/// The least of 1, 2, 5, 10, … that is not below `x`.
fn nice(x: f64) -> usize {
    let power = 10f64.powf(x.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= x).unwrap_or(x.ceil()) as usize
}

fn legend_width() -> f64 {
    (STEPS + 1) as f64 * SWATCH + LEGEND.map(|text| width(text, SMALL) + GAP).iter().sum::<f64>()
}

fn frame_size(left: f64, top: f64, all: f64, below: f64) -> [f64; 2] {
    let wide = (left + all).max(EDGE + legend_width()) + 2.0 * EDGE;
    [wide, top + all + GAP + below + GAP + LINE + GAP + 2.0 * LINE + EDGE]
}

/// Title, names of the axes, and what the colours mean.
fn frame(svg: &mut Svg, left: f64, top: f64, all: f64, below: f64, title: &str) {
    svg.text("ink", TITLE, [EDGE, top - GAP - 3.0], Anchor::Start, title);
    svg.turned_text("soft", TEXT, [EDGE + TEXT, top + all / 2.0], -90.0, Anchor::Middle, "actual");
    let y = top + all + GAP + below + GAP + TEXT;
    svg.text("soft", TEXT, [left + all / 2.0, y], Anchor::Middle, "predicted");
    let y = y + GAP + LINE;
    svg.text("soft", SMALL, [EDGE, y + SMALL], Anchor::Start, LEGEND[0]);
    let mut x = EDGE + width(LEGEND[0], SMALL) + GAP;
    for step in 0..=STEPS {
        svg.area(&format!("c{step}"), &cell([x, y], [SWATCH, SMALL + 2.0]), None);
        x += SWATCH;
    }
    svg.text("soft", SMALL, [x + GAP, y + SMALL], Anchor::Start, LEGEND[1]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_mistake_has_a_colour() {
        assert_eq!([step(0, 5), step(1, 10_000), step(1, 10), step(11, 100), step(5, 5)], [0, 1, 1, 2, STEPS]);
    }

    #[test]
    fn counts_are_short() {
        let shown = [0, 9_999, 10_000, 999_499, 999_500, 123_456_789, 5_000_000_000].map(short);
        assert_eq!(shown, ["0", "9999", "10k", "999k", "1.0M", "123.5M", "5e9"]);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!([nice(0.2), nice(1.0), nice(3.0), nice(17.0), nice(166.0)], [1, 1, 5, 20, 200]);
    }
}
