//! Non-maximum suppression at the end of a detector.

use super::attributes::int;
use super::builder::Builder;
use super::ops::cast;
use super::tensor_info;
use crate::proto::ValueInfoProto;
use crate::proto::tensor_shape_proto::dimension;
use striate_tensor::DType;

/// The outputs that it reads: `[n, places, 4]` (left, top, right, bottom) and `[n, places, classes]`.
pub(super) const BOXES: &str = "boxes";
pub(super) const SCORES: &str = "scores";
/// The output that it makes: `[detections, 7]`: image, class, score, left, top, right, bottom.
const DETECTIONS: &str = "detections";
/// Values of a detection.
const VALUES: i64 = 7;

/// Of boxes of one class that overlap, the one of the highest score is kept (ONNX's `NonMaxSuppression`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NonMaxSuppression {
    /// From which overlap, as intersection over union, two boxes are of one object.
    pub iou: f32,
    /// The least score.
    pub score: f32,
    /// The most boxes of a class in an image.
    pub max_per_class: usize,
}

impl NonMaxSuppression {
    pub(super) fn write(&self, b: &mut Builder, boxes: &str, scores: &str) -> ValueInfoProto {
        let by_class = b.node("Transpose", &[scores], vec![super::attributes::ints("perm", &[0, 2, 1])]);
        let most = b.ints(&[self.max_per_class as i64]);
        let [iou, score] = [self.iou, self.score].map(|x| b.scalar(x.into(), DType::F32));
        // For each box that is kept: image, class, place. Which corner comes first is all the same.
        let kept = b.node("NonMaxSuppression", &[boxes, &by_class, &most, &iou, &score], vec![]);
        let columns = |b: &mut Builder, columns: &[i64]| {
            let columns = b.ints(columns);
            b.node("Gather", &[&kept, &columns], vec![int("axis", 1)])
        };
        let places = columns(b, &[0, 2]);
        let boxes = b.node("GatherND", &[boxes, &places], vec![]);
        let score = b.node("GatherND", &[&by_class, &kept], vec![]);
        let last = b.ints(&[1]);
        let score = b.node("Unsqueeze", &[&score, &last], vec![]);
        let which = columns(b, &[0, 1]);
        let which = cast(b, &which, DType::F32);
        let name = b.fresh(DETECTIONS);
        b.node_to(vec![name.clone()], "Concat", &[&which, &score, &boxes], vec![int("axis", 1)]);
        let count = Some(dimension::Value::DimParam("detections".into()));
        tensor_info(name, DType::F32, [count, Some(dimension::Value::DimValue(VALUES))])
    }
}
