//! A curve in the terminal.

/// The columns of a plot, labels included.
const COLUMNS: usize = 80;
/// The lines that the curve has.
const ROWS: usize = 14;
/// The columns of the labels on the left.
const LABEL: usize = 9;
/// One line in this many has a label.
const LABELLED: usize = 4;

/// A curve over numbers of which the logarithm is shown, and a vertical line at each of `marks`. The points are in order, and all of them are finite and
/// their `x` positive.
pub fn over_log(points: &[[f64; 2]], marks: &[f64]) -> Vec<String> {
    let (Some(&[first, _]), Some(&[last, _])) = (points.first(), points.last()) else { return Vec::new() };
    let low = points.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max);
    let columns = COLUMNS - LABEL - 1;
    let place = |fraction: f64, cells: usize| (fraction.clamp(0.0, 1.0) * (cells - 1) as f64).round() as usize;
    let fraction = |from: f64, to: f64, at: f64| if to > from { (at - from) / (to - from) } else { 0.0 };
    let column = |x: f64| place(fraction(first.ln(), last.ln(), x.ln()), columns);
    let row = |y: f64| ROWS - 1 - place(fraction(low, high, y), ROWS);

    let mut cells = vec![vec![' '; columns]; ROWS];
    for &mark in marks {
        cells.iter_mut().for_each(|line| line[column(mark)] = '│');
    }
    for pair in points.windows(2) {
        let (from, to) = (column(pair[0][0]), column(pair[1][0]));
        for at in from..=to {
            let part = fraction(from as f64, to as f64, at as f64);
            cells[row(pair[0][1] + part * (pair[1][1] - pair[0][1]))][at] = '•';
        }
    }
    if let [[_, y]] = points {
        cells[row(*y)][0] = '•';
    }
    let value = |line: usize| high - (high - low) * line as f64 / (ROWS - 1) as f64;
    let label = |line: usize| {
        if line.is_multiple_of(LABELLED) || line == ROWS - 1 { number(value(line)) } else { String::new() }
    };
    let mut lines: Vec<String> = cells
        .iter()
        .enumerate()
        .map(|(line, cells)| format!("{:>LABEL$}┤{}", label(line), cells.iter().collect::<String>()).trim_end().into())
        .collect();
    lines.push(format!("{:LABEL$}└{}", "", "─".repeat(columns)));
    lines.push(below(first, last, columns, column));
    lines
}

/// The powers of ten between the ends, where there is room for their labels.
fn below(first: f64, last: f64, columns: usize, column: impl Fn(f64) -> usize) -> String {
    let mut line = " ".repeat(LABEL + 1);
    let start = line.chars().count();
    for power in first.log10().ceil() as i32..=last.log10().floor() as i32 {
        let label = format!("1e{power}");
        let at = start + column(10f64.powi(power));
        let used = line.chars().count();
        let fits = at + label.len() <= start + columns;
        if fits && (used == start || at > used) {
            line += &" ".repeat(at - used);
            line += &label;
        }
    }
    line.trim_end().to_string()
}

/// A number in few characters.
fn number(x: f64) -> String {
    if x == 0.0 || (1e-3..1e5).contains(&x.abs()) { format!("{x:.3}") } else { format!("{x:.2e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_fits_into_eighty_columns() {
        let points: Vec<[f64; 2]> =
            (0..100).map(|i| 10f64.powf(-7.0 + i as f64 / 12.5)).map(|x| [x, 2.0 / (1.0 + x)]).collect();
        let lines = over_log(&points, &[1e-3]);
        assert_eq!(lines.len(), ROWS + 2);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:#?}");
        assert!(lines[0].starts_with("    2.000┤•••") && lines[ROWS - 1].ends_with('•'), "{lines:#?}");
        assert_eq!(lines[3].chars().filter(|&c| c == '│').count(), 1);
        assert!(lines[ROWS + 1].trim_start().starts_with("1e-7") && lines[ROWS + 1].contains("1e0"), "{lines:#?}");
    }

    #[test]
    fn any_points_make_a_plot() {
        assert!(over_log(&[], &[1.0]).is_empty());
        for points in [&[[1e-7, 3.0]][..], &[[0.1, 2.0], [0.2, 2.0]], &[[1e-300, -1e300], [1e300, 1e300]]] {
            let lines = over_log(points, &[0.15]);
            assert!(lines.concat().contains('•') && lines.iter().all(|l| l.chars().count() <= COLUMNS), "{lines:#?}");
        }
    }
}
