//! Which of many boxes on one object stay.

use super::{Detection, box_area, iou_with_areas};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Which of the boxes that a network gives stay.
///
/// Boxes of different classes never suppress each other. What stays is in the order of its scores, the highest first; of equal scores the
/// one that was given first is before the other. Boxes whose score is NaN are dropped.
///
/// ```
/// use striate_model::{Detection, Suppression};
///
/// let found = |score, left| Detection { class: 0, score, bbox: [left, 0.0, left + 10.0, 10.0] };
/// let kept = Suppression::default().apply(&[found(0.6, 1.0), found(0.9, 0.0), found(0.7, 30.0), found(0.01, 60.0)]);
/// assert_eq!(kept, [found(0.9, 0.0), found(0.7, 30.0)]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suppression {
    /// How boxes suppress others.
    pub method: SuppressionMethod,
    /// Boxes with a lower score are dropped: before, and as soft-NMS lowers scores.
    pub score_threshold: f32,
    /// At most this many boxes of the highest scores are looked at, of all classes together.
    pub max_candidates: usize,
    /// At most this many stay, of all classes together.
    pub max_detections: usize,
}

/// How boxes suppress others of their class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionMethod {
    /// A box drops those of lower scores whose IoU with it is more than this (`torchvision.ops.batched_nms`).
    Nms {
        /// The largest IoU of two boxes that stay.
        iou: f32,
    },
    /// The box of the highest score multiplies the scores of the others with exp(−IoU² / sigma), then the next one (Bodla et al., "Soft-NMS",
    /// 2017, equation 3).
    SoftNms {
        /// How gently, more than 0.
        sigma: f32,
    },
    /// The box of the highest score multiplies the scores of those whose IoU with it is more than this with 1 − IoU, then the next one
    /// (Bodla et al., "Soft-NMS", 2017, equation 2).
    SoftNmsLinear {
        /// The largest IoU that lowers no score.
        iou: f32,
    },
}

impl Default for Suppression {
    fn default() -> Self {
        Suppression {
            method: SuppressionMethod::Nms { iou: 0.6 },
            score_threshold: 0.05,
            max_candidates: 1000,
            max_detections: 100,
        }
    }
}

/// A box with what is asked of it again and again.
#[derive(Clone, Copy)]
struct Candidate {
    score: f32,
    index: usize,
    bbox: [f32; 4],
    area: f32,
}

impl Candidate {
    fn iou(&self, other: &Candidate) -> f32 {
        iou_with_areas(self.bbox, self.area, other.bbox, other.area)
    }

    /// The highest score first, of equal ones the first.
    fn order(&self, other: &Candidate) -> Ordering {
        other.score.total_cmp(&self.score).then(self.index.cmp(&other.index))
    }
}

impl Suppression {
    /// The boxes that stay, with their scores as soft-NMS leaves them. It takes O(n·log n + k·m) steps for n boxes, of which m are looked
    /// at and k stay.
    ///
    /// # Panics
    /// If the sigma of soft-NMS is not more than 0.
    pub fn apply(&self, detections: &[Detection]) -> Vec<Detection> {
        let passes = |d: &Detection| d.score >= self.score_threshold && !d.score.is_nan();
        let candidate = |(index, d): (usize, &Detection)| Candidate {
            // −0 is 0.
            score: d.score + 0.0,
            index,
            bbox: d.bbox,
            area: box_area(d.bbox),
        };
        let mut candidates: Vec<Candidate> =
            detections.iter().enumerate().filter(|(_, d)| passes(d)).map(candidate).collect();
        if candidates.len() > self.max_candidates {
            candidates.select_nth_unstable_by(self.max_candidates, Candidate::order);
            candidates.truncate(self.max_candidates);
        }
        candidates.sort_unstable_by(Candidate::order);
        let kept = match self.method {
            SuppressionMethod::Nms { iou } => self.hard(detections, &candidates, iou),
            SuppressionMethod::SoftNms { sigma } => {
                assert!(sigma > 0.0, "soft-NMS: sigma is {sigma}, it must be more than 0");
                self.soft(detections, &candidates, |iou| (-iou * iou / sigma).exp())
            }
            SuppressionMethod::SoftNmsLinear { iou: most } => {
                self.soft(detections, &candidates, |iou| if iou > most { 1.0 - iou } else { 1.0 })
            }
        };
        kept.iter().map(|c| Detection { score: c.score, ..detections[c.index] }).collect()
    }

    fn hard(&self, detections: &[Detection], candidates: &[Candidate], most: f32) -> Vec<Candidate> {
        let mut kept = Vec::new();
        let mut of_class: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            if kept.len() == self.max_detections {
                break;
            }
            let others = of_class.entry(detections[candidate.index].class).or_default();
            if others.iter().all(|other| other.iou(candidate) <= most) {
                others.push(*candidate);
                kept.push(*candidate);
            }
        }
        kept
    }

    fn soft(&self, detections: &[Detection], candidates: &[Candidate], factor: impl Fn(f32) -> f32) -> Vec<Candidate> {
        let mut by_class: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
        for candidate in candidates {
            by_class.entry(detections[candidate.index].class).or_default().push(*candidate);
        }
        let mut kept = Vec::new();
        for mut rest in by_class.into_values() {
            for _ in 0..self.max_detections {
                let Some(best) = (0..rest.len()).min_by(|&a, &b| rest[a].order(&rest[b])) else { break };
                let best = rest.swap_remove(best);
                kept.push(best);
                rest.retain_mut(|other| {
                    other.score *= factor(best.iou(other));
                    other.score >= self.score_threshold
                });
            }
        }
        kept.sort_unstable_by(Candidate::order);
        kept.truncate(self.max_detections);
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(class: usize, score: f32, left: f32) -> Detection {
        Detection { class, score, bbox: [left, 0.0, left + 10.0, 10.0] }
    }

    const METHODS: [SuppressionMethod; 3] = [
        SuppressionMethod::Nms { iou: 0.5 },
        SuppressionMethod::SoftNms { sigma: 0.5 },
        SuppressionMethod::SoftNmsLinear { iou: 0.5 },
    ];

    fn with(method: SuppressionMethod) -> Suppression {
        Suppression { method, ..Suppression::default() }
    }

    #[test]
    fn other_classes_are_left_alone() {
        for method in METHODS {
            let found = [at(0, 0.5, 0.0), at(1, 0.9, 0.0), at(7_000_000_000, 0.7, 0.0)];
            assert_eq!(with(method).apply(&found), [found[1], found[2], found[0]], "{method:?}");
        }
    }

    #[test]
    fn scores_that_are_no_numbers_are_dropped() {
        for method in METHODS {
            let found = [at(0, f32::NAN, 0.0), at(0, 0.3, 0.0), at(0, f32::NEG_INFINITY, 40.0), at(0, 0.2, f32::NAN)];
            let kept = with(method).apply(&found);
            assert_eq!((kept.len(), kept[0]), (2, found[1]), "{method:?}");
            let all = Suppression { score_threshold: f32::NEG_INFINITY, ..with(method) };
            assert_eq!(all.apply(&found).len(), 3, "{method:?}");
            assert!(with(method).apply(&[]).is_empty());
        }
    }

    #[test]
    fn of_equal_scores_the_first_stays() {
        let found = [at(0, 0.0, 2.0), at(0, -0.0, 1.0), at(0, 0.0, 0.0)];
        let nms = Suppression { score_threshold: 0.0, ..with(METHODS[0]) };
        assert_eq!(nms.apply(&found), [found[0]]);
        for method in METHODS {
            let apart: Vec<Detection> = (0..9).map(|i| at(i % 2, 0.5, 20.0 * i as f32)).collect();
            let few = Suppression { max_candidates: 5, max_detections: 3, ..with(method) };
            assert_eq!(few.apply(&apart), apart[..3], "{method:?}");
            let none = Suppression { max_candidates: 0, ..few };
            assert!(none.apply(&apart).is_empty());
            let none = Suppression { max_detections: 0, ..few };
            assert!(none.apply(&apart).is_empty());
        }
    }

    #[test]
    fn soft_nms_lowers_scores() {
        // Their IoU is 9/11.
        let found = [at(0, 0.9, 0.0), at(0, 0.8, 1.0)];
        let scores = |method| with(method).apply(&found).iter().map(|d| d.score).collect::<Vec<_>>();
        let iou = 9.0f32 / 11.0;
        let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
        assert!(near(scores(METHODS[1])[1], 0.8 * (-iou * iou / 0.5).exp()));
        assert!(near(scores(METHODS[2])[1], 0.8 * (1.0 - iou)));
        let high = Suppression { score_threshold: 0.3, ..with(METHODS[2]) };
        assert_eq!(high.apply(&found), found[..1]);
    }

    #[test]
    fn settings_are_read_back() {
        for method in METHODS {
            let settings = with(method);
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Suppression>(&text).unwrap(), settings, "{text}");
        }
    }
}
