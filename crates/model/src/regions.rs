//! The connected regions of a segmentation.

use serde::{Deserialize, Serialize};

/// Which pixels of one class are neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Connectivity {
    /// Those that share an edge.
    Edges,
    /// Those that share an edge or a corner.
    #[default]
    Corners,
}

/// A connected region of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Its class.
    pub class: u8,
    /// Its pixels.
    pub area: usize,
    /// The left, top, right and bottom edge of its box in pixels: of a single pixel at 3, 5 they are 3, 5, 4, 6.
    pub bbox: [usize; 4],
    /// The mean x and y of its pixels, where the first pixel of a row is at 0.
    pub centroid: [f64; 2],
}

/// The connected regions of a map of classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Regions {
    /// The regions, in the order of their first pixels, row by row.
    pub regions: Vec<Region>,
    /// For each pixel the number of its region, from 1; 0 where it is in none.
    pub labels: Vec<u32>,
}

impl Regions {
    /// The connected regions of `classes`, row by row `width` pixels wide, of those classes that `counts` says yes to
    /// (`scipy.ndimage.label` of each class; `skimage.measure.regionprops`).
    ///
    /// ```
    /// use striate_model::{Connectivity, Regions};
    ///
    /// let classes = [1, 0, 2, 1, 2, 0];
    /// let found = Regions::of(&classes, 3, Connectivity::Corners, |class| class != 0);
    /// assert_eq!(found.regions.iter().map(|r| (r.class, r.area)).collect::<Vec<_>>(), [(1, 2), (2, 2)]);
    /// assert_eq!(found.labels, [1, 0, 2, 1, 2, 0]);
    /// ```
    ///
    /// # Panics
    /// If the pixels are no rows of `width`, or there are 2³² or more.
    pub fn of(classes: &[u8], width: usize, connectivity: Connectivity, counts: impl Fn(u8) -> bool) -> Regions {
        let pixels = classes.len();
        assert!(width > 0 && pixels.is_multiple_of(width), "Regions::of: {pixels} pixels are no rows of {width}");
        assert!(u32::try_from(pixels).is_ok(), "Regions::of: {pixels} pixels are too many");
        let counted: [bool; 256] = std::array::from_fn(|class| counts(class as u8));
        let mut labels = vec![0u32; pixels];
        // By label, from 1, the label that it was found to be one region with, which is never larger.
        let mut parents = vec![0u32];
        for (at, &class) in classes.iter().enumerate() {
            if !counted[usize::from(class)] {
                continue;
            }
            let (x, y) = (at % width, at / width);
            let left = (x > 0).then(|| at - 1);
            let above = (y > 0).then(|| at - width);
            let corners = connectivity == Connectivity::Corners;
            let above_left = (corners && x > 0 && y > 0).then(|| at - width - 1);
            let above_right = (corners && x + 1 < width && y > 0).then(|| at - width + 1);
            for neighbour in [left, above_left, above, above_right].into_iter().flatten() {
                if classes[neighbour] == class {
                    labels[at] = join(&mut parents, labels[at], labels[neighbour]);
                }
            }
            if labels[at] == 0 {
                labels[at] = parents.len() as u32;
                parents.push(labels[at]);
            }
        }
        number(classes, width, labels, &parents)
    }
}

/// Makes one region of two, and gives its label. 0 is no region yet.
fn join(parents: &mut [u32], a: u32, b: u32) -> u32 {
    if a == b || a == 0 {
        return root(parents, b);
    }
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
    a.min(b)
}

fn root(parents: &mut [u32], mut label: u32) -> u32 {
    while parents[label as usize] != label {
        let parent = parents[label as usize];
        parents[label as usize] = parents[parent as usize];
        label = parent;
    }
    label
}

/// Numbers the regions in the order of their first pixels, and measures them.
fn number(classes: &[u8], width: usize, mut labels: Vec<u32>, parents: &[u32]) -> Regions {
    // A parent is never larger than its label, so that it has its number first.
    let mut numbers = vec![0u32; parents.len()];
    let mut count = 0;
    for label in 1..parents.len() {
        let parent = parents[label] as usize;
        numbers[label] = if parent == label {
            count += 1;
            count
        } else {
            numbers[parent]
        };
    }
    let empty = Region { class: 0, area: 0, bbox: [usize::MAX, usize::MAX, 0, 0], centroid: [0.0; 2] };
    let mut regions = vec![empty; count as usize];
    let mut sums = vec![[0u64; 2]; count as usize];
    for (at, label) in labels.iter_mut().enumerate().filter(|(_, label)| **label != 0) {
        *label = numbers[*label as usize];
        let index = *label as usize - 1;
        let (region, [x, y]) = (&mut regions[index], [at % width, at / width]);
        let [left, top, right, bottom] = region.bbox;
        region.class = classes[at];
        region.area += 1;
        region.bbox = [left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1)];
        sums[index][0] += x as u64;
        sums[index][1] += y as u64;
    }
    for (region, sum) in regions.iter_mut().zip(sums) {
        region.centroid = sum.map(|sum| sum as f64 / region.area as f64);
    }
    Regions { regions, labels }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: &[&str], connectivity: Connectivity) -> Vec<u32> {
        let classes: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|b| if b == b'.' { 0 } else { b })).collect();
        Regions::of(&classes, rows[0].len(), connectivity, |class| class != 0).labels
    }

    #[test]
    fn branches_that_meet_late_are_one_region() {
        let rows = ["a.a.a", "a.a.a", "aaaaa"];
        assert!(labels(&rows, Connectivity::Edges).iter().all(|&l| l <= 1));
        let spiral = ["aaaaa", "....a", "aaa.a", "a...a", "aaaaa"];
        assert!(labels(&spiral, Connectivity::Edges).iter().all(|&l| l <= 1));
    }

    #[test]
    fn corners_join_where_asked() {
        let rows = ["a.b", ".a.", "b.a"];
        assert_eq!(labels(&rows, Connectivity::Edges), [1, 0, 2, 0, 3, 0, 4, 0, 5]);
        assert_eq!(labels(&rows, Connectivity::Corners), [1, 0, 2, 0, 1, 0, 3, 0, 1]);
        // The last pixel of a row is no neighbour of the first of the next.
        assert_eq!(labels(&["..a", "a.."], Connectivity::Corners), [0, 0, 1, 2, 0, 0]);
    }

    #[test]
    fn nothing_has_no_regions() {
        let nothing = Regions::of(&[], 4, Connectivity::Edges, |_| true);
        assert!(nothing.regions.is_empty() && nothing.labels.is_empty());
        let background = Regions::of(&[0; 12], 4, Connectivity::Edges, |class| class != 0);
        assert!(background.regions.is_empty() && background.labels == [0; 12]);
    }

    #[test]
    fn a_region_is_measured() {
        let classes = [0, 9, 9, 0, 0, 9, 0, 0];
        let found = Regions::of(&classes, 4, Connectivity::Edges, |class| class == 9);
        let expected = Region { class: 9, area: 3, bbox: [1, 0, 3, 2], centroid: [4.0 / 3.0, 1.0 / 3.0] };
        assert_eq!(found.regions, [expected]);
    }

    #[test]
    #[should_panic(expected = "7 pixels are no rows of 3")]
    fn rows_must_be_whole() {
        Regions::of(&[0; 7], 3, Connectivity::Edges, |_| true);
    }
}
