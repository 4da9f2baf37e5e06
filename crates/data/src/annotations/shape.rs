//! [`Shape`]: outlines of objects, filled as COCO fills them.

use std::fmt::Write;

/// The outline of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// The corners of polygons in pixels, `x, y, x, y, …`; the object is what any of them covers.
    Polygons(Vec<Vec<f64>>),
    /// The pixels themselves, run by run.
    Rle(Rle),
}

/// Pixels run by run: column by column, first a run outside the object, then one inside, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rle {
    /// Height and width.
    pub size: [usize; 2],
    /// The lengths of the runs.
    pub counts: Vec<u32>,
}

/// How much finer than pixels COCO follows an edge.
const SCALE: f64 = 5.0;
/// Coordinates beyond this are as far outside as any.
const FAR: f64 = 1e8;

impl Shape {
    /// The left, top, right and bottom edge around all corners, or around all pixels. `None` where there are none.
    pub fn bounds(&self) -> Option<[f64; 4]> {
        match self {
            Shape::Polygons(polygons) => {
                let mut all = polygons.iter().flat_map(|p| p.as_chunks::<2>().0).peekable();
                all.peek()?;
                let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
                Some(all.fold(start, |[a, b, c, d], &[x, y]| [a.min(x), b.min(y), c.max(x), d.max(y)]))
            }
            Shape::Rle(rle) => rle.bounds(),
        }
    }

    /// Calls `fill` with each range of pixels that it covers, of an image of this height and width counted column by column. Polygons are filled by COCO's rule
    /// (`rleFrPoly`): pixels' edges are at whole numbers, and a pixel is inside if the edge, followed in fifths of a pixel, passes it. Runs of another size, or that do not fill it, cover nothing.
    pub fn fill(&self, size: [usize; 2], mut fill: impl FnMut(usize, usize)) {
        match self {
            Shape::Polygons(polygons) => polygons.iter().for_each(|p| crossings(p, size, &mut fill)),
            Shape::Rle(rle) if rle.size == size && rle.is_whole() => rle.runs().for_each(|(from, to)| fill(from, to)),
            Shape::Rle(_) => {}
        }
    }
}

impl Rle {
    /// Whether the runs fill the size.
    pub fn is_whole(&self) -> bool {
        let total = self.counts.iter().map(|&n| n as u128).sum::<u128>();
        total == self.size[0] as u128 * self.size[1] as u128
    }

    fn runs(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut at = 0;
        self.counts.iter().enumerate().filter_map(move |(i, &n)| {
            let from = at;
            at += n as usize;
            (i % 2 == 1 && n > 0).then_some((from, at))
        })
    }

    fn bounds(&self) -> Option<[f64; 4]> {
        let height = self.size[0].max(1);
        let (mut columns, mut rows) = ([usize::MAX, 0], [usize::MAX, 0]);
        for (from, to) in self.runs() {
            let (first, last) = (from / height, (to - 1) / height);
            columns = [columns[0].min(first), columns[1].max(last + 1)];
            let (top, bottom) = if first == last { (from % height, (to - 1) % height + 1) } else { (0, height) };
            rows = [rows[0].min(top), rows[1].max(bottom)];
        }
        (columns[1] > 0).then_some([columns[0], rows[0], columns[1], rows[1]].map(|v| v as f64))
    }

    /// The runs that COCO's text stands for (`rleFrString`): differences from the run before last, five bits a character.
    ///
    /// # Errors
    /// If the text ends within a number, has other characters, or a run that is negative or longer than the image.
    pub fn from_text(size: [usize; 2], text: &str) -> Result<Rle, &'static str> {
        let mut counts = Vec::<u32>::new();
        let mut bytes = text.bytes();
        while let Some(mut byte) = bytes.next() {
            let (mut value, mut shift) = (0i64, 0);
            loop {
                let bits = byte
                    .checked_sub(48)
                    .filter(|b| *b < 64)
                    .ok_or("its runs have a character that is none of theirs")?;
                if shift > 55 {
                    return Err("a run is longer than any image");
                }
                value |= i64::from(bits & 0x1f) << shift;
                shift += 5;
                if bits & 0x20 == 0 {
                    if bits & 0x10 != 0 {
                        value |= -1 << shift;
                    }
                    break;
                }
                byte = bytes.next().ok_or("its runs are cut short")?;
            }
            if let Some(before) = counts.len().checked_sub(2).filter(|b| *b > 0) {
                value += i64::from(counts[before]);
            }
            counts.push(u32::try_from(value).map_err(|_| "a run is negative or longer than any image")?);
        }
        Ok(Rle { size, counts })
    }

    /// The runs as COCO's text (`rleToString`).
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (i, &count) in self.counts.iter().enumerate() {
            let before = if i > 2 { i64::from(self.counts[i - 2]) } else { 0 };
            let mut value = i64::from(count) - before;
            loop {
                let bits = (value & 0x1f) as u8;
                value >>= 5;
                let more = if bits & 0x10 != 0 { value != -1 } else { value != 0 };
                let _ = text.write_char((bits + 48 + if more { 0x20 } else { 0 }) as char);
                if !more {
                    break;
                }
            }
        }
        text
    }

    /// The pixels that `shape` covers in an image of this height and width.
    pub fn of(shape: &Shape, size: [usize; 2]) -> Rle {
        let pixels = size[0] * size[1];
        let mut ranges = Vec::new();
        shape.fill(size, |from, to| ranges.push((from, to)));
        ranges.sort_unstable();
        let (mut counts, mut at) = (Vec::new(), 0);
        for (from, to) in ranges {
            if from > at || counts.is_empty() {
                counts.extend([(from - at) as u32, (to - from) as u32]);
            } else if to > at
                && let Some(last) = counts.last_mut()
            {
                *last += (to - at) as u32;
            }
            at = at.max(to);
        }
        if at < pixels || counts.is_empty() {
            counts.push((pixels - at) as u32);
        }
        Rle { size, counts }
    }
}

/// Where the boundary of a polygon crosses the middles of columns, as places counted column by column; what lies between two of them is filled. The walk along the boundary in
/// steps of a fifth of a pixel is not made: the steps that cross are computed.
fn crossings(corners: &[f64], [height, width]: [usize; 2], fill: &mut dyn FnMut(usize, usize)) {
    let limit = 4 * (height * width + 1);
    let mut places = Vec::<usize>::new();
    let fine = |v: f64| (SCALE * v.clamp(-FAR, FAR) + 0.5) as i64;
    let corners = corners.as_chunks::<2>().0;
    for (i, &[x, y]) in corners.iter().enumerate() {
        let [to_x, to_y] = corners[(i + 1) % corners.len()];
        let (mut start, mut end) = ([fine(x), fine(y)], [fine(to_x), fine(to_y)]);
        let [dx, dy] = [(end[0] - start[0]).abs(), (end[1] - start[1]).abs()];
        if dx == 0 {
            continue;
        }
        let shallow = dx >= dy;
        if (shallow && start[0] > end[0]) || (!shallow && start[1] > end[1]) {
            std::mem::swap(&mut start, &mut end);
        }
        let slope =
            if shallow { (end[1] - start[1]) as f64 / dx as f64 } else { (end[0] - start[0]) as f64 / dy as f64 };
        let other = |t: i64| {
            let from = if shallow { start[1] } else { start[0] };
            (from as f64 + slope * t as f64 + 0.5) as i64
        };
        // Column k is crossed between 5k + 2 and 5k + 3.
        let (low, high) = (start[0].min(end[0]), start[0].max(end[0]));
        let first = ((low - 2).max(0) + 4) / 5;
        let last = (high - 3).div_euclid(5).min(width as i64 - 1);
        for column in first..=last {
            let left = 5 * column + 2;
            let row = if shallow {
                let t = left - start[0];
                other(t).min(other(t + 1))
            } else {
                // The first step on the other side of the column's middle.
                let crossed = |t: i64| if slope > 0.0 { other(t) > left } else { other(t) <= left };
                let (mut before, mut after) = (0, dy);
                if crossed(before) || !crossed(after) {
                    continue;
                }
                while after - before > 1 {
                    let middle = before + (after - before) / 2;
                    if crossed(middle) { after = middle } else { before = middle }
                }
                start[1] + before
            };
            let row = ((row as f64 + 0.5) / SCALE - 0.5).clamp(0.0, height as f64).ceil();
            places.push(column as usize * height + row as usize);
            if places.len() >= limit {
                places = odd(places);
            }
        }
    }
    places = odd(places);
    places.push(height * width);
    places.as_chunks::<2>().0.iter().filter(|[from, to]| from < to).for_each(|&[from, to]| fill(from, to));
}

/// The places that stand there an odd number of times, once each and sorted.
fn odd(mut places: Vec<usize>) -> Vec<usize> {
    places.sort_unstable();
    let mut kept = Vec::with_capacity(places.len());
    for place in places {
        if kept.last() == Some(&place) {
            kept.pop();
        } else {
            kept.push(place);
        }
    }
    kept
}
