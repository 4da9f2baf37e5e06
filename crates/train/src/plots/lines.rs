//! Lines of many points.

use super::svg::{COLOURS, DASHES, Svg, n};

/// Up to this many points are drawn as they are.
const FEW: usize = 1000;
/// Up to this many have a dot each.
const DOTTED: usize = 40;
/// How wide lines of few and of many points are.
const WIDTHS: [f64; 2] = [2.0, 1.2];
const DOT: f64 = 6.0;

/// Where a point is in the document; without a height it is a gap.
pub type Point = (f64, Option<f64>);

/// Draws line number `index` through points from left to right.
pub fn draw(svg: &mut Svg, index: usize, points: &[Point]) {
    let lines = if points.len() <= FEW { exact(points) } else { thinned(points) };
    let mut d = String::new();
    for line in lines.iter().filter(|line| line.len() > 1) {
        for (i, [x, y]) in line.iter().enumerate() {
            d += &format!("{}{} {}", ["M", "L", " "][i.min(2)], n(*x), n(*y));
        }
    }
    if !d.is_empty() {
        svg.path(&class(index), &d, WIDTHS[(points.len() > FEW) as usize]);
    }
    let all = points.len() <= DOTTED;
    let dots: Vec<[f64; 2]> = lines.iter().filter(|line| all || line.len() == 1).flatten().copied().collect();
    draw_dots(svg, &format!("l{}", index % COLOURS), &dots, DOT);
}

/// The colour and dashes of line number `index`.
pub fn class(index: usize) -> String {
    match index / COLOURS % DASHES.len() {
        0 => format!("l{}", index % COLOURS),
        dashes => format!("l{} s{dashes}", index % COLOURS),
    }
}

/// Draws round dots of this diameter.
pub fn draw_dots(svg: &mut Svg, class: &str, dots: &[[f64; 2]], diameter: f64) {
    // The ends of a line are round, and this one is nothing but ends.
    let d: String = dots.iter().map(|[x, y]| format!("M{} {}h.01", n(*x), n(*y))).collect();
    if !d.is_empty() {
        svg.path(class, &d, diameter);
    }
}

/// The points, in lines without a gap.
fn exact(points: &[Point]) -> Vec<Vec<[f64; 2]>> {
    let lines = points.split(|(_, y)| y.is_none());
    let lines = lines.map(|line| line.iter().filter_map(|&(x, y)| Some([x, y?])).collect());
    lines.filter(|line: &Vec<_>| !line.is_empty()).collect()
}

/// Of the points in each column of the document the first, the lowest, the highest and the last, which draw the same line (Jugel and others, "M4: a
/// visualization-oriented time series data aggregation", 2014). A gap within a column comes after it.
fn thinned(points: &[Point]) -> Vec<Vec<[f64; 2]>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    for column in points.chunk_by(|(a, _), (b, _)| a.floor() == b.floor()) {
        let drawn: Vec<[f64; 2]> = column.iter().filter_map(|&(x, y)| Some([x, y?])).collect();
        if let (Some(&first), Some(&last)) = (drawn.first(), drawn.last()) {
            let by_height = |a: &usize, b: &usize| drawn[*a][1].total_cmp(&drawn[*b][1]);
            let extremes =
                [(0..drawn.len()).min_by(by_height), (0..drawn.len()).max_by(by_height)].map(Option::unwrap_or_default);
            let (low, high) = (extremes[0].min(extremes[1]), extremes[0].max(extremes[1]));
            line.extend([first, drawn[low], drawn[high], last]);
            line.dedup();
        }
        if drawn.len() < column.len() && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.extend(Some(line).filter(|line| !line.is_empty()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_part_lines() {
        let points =
            [(0.0, None), (1.0, Some(1.0)), (2.0, Some(2.0)), (3.0, None), (4.0, None), (5.0, Some(5.0)), (6.0, None)];
        let lines = vec![vec![[1.0, 1.0], [2.0, 2.0]], vec![[5.0, 5.0]]];
        assert_eq!((exact(&points), thinned(&points)), (lines.clone(), lines));
        assert_eq!((exact(&[]).len(), thinned(&[]).len()), (0, 0));
    }

    #[test]
    fn thinning_keeps_extremes() {
        let height = |i: usize| if i == 5_001 { 900.0 } else { (i % 7) as f64 };
        let points: Vec<Point> = (0..100_000).map(|i| (i as f64 / 250.0, Some(height(i)))).collect();
        let lines = thinned(&points);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].len() <= 4 * 400, "{}", lines[0].len());
        assert!(lines[0].contains(&[5_001.0 / 250.0, 900.0]));
        assert!(lines[0].is_sorted_by(|a, b| a[0] <= b[0]));
        let all_gaps: Vec<Point> = points.iter().map(|(x, _)| (*x, None)).collect();
        assert!(thinned(&all_gaps).is_empty());
        let half: Vec<Point> = points.iter().enumerate().map(|(i, &(x, y))| (x, y.filter(|_| i % 2 == 0))).collect();
        assert!(thinned(&half).len() <= 400);
    }
}
