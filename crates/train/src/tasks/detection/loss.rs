//! The loss of a detector.

use super::assign::{Assigned, Truth, assign, centerness};
use striate_model::Places;
use striate_nn::{BCEWithLogitsLoss, GIoULoss, SigmoidFocalLoss};
use striate_tensor::{Reduction, Tensor};
use striate_zoo::BOX_VALUES;

/// The weight of the boxes' loss beside the others' (ATSS: Zhang et al., 2020).
const BOX_WEIGHT: f64 = 2.0;
/// Values of an edge, of which a box has four.
const EDGES: usize = 4;

/// What the places of a batch that learn an object are to give.
#[derive(Default)]
struct Positives {
    /// Their rows in the outputs of the batch, and their places.
    rows: Vec<i64>,
    places: Vec<usize>,
    boxes: Vec<f32>,
    centerness: Vec<f32>,
}

/// The focal loss of the classes at all places but those that learn nothing, by the number of places that learn an object; twice 1 − GIoU of the boxes, weighed by
/// their centerness; and the cross-entropy of the centerness (Tian et al., FCOS, 2019; Zhang et al., ATSS, 2020).
///
/// `outputs` `[n, places, classes + 5]`, `truths` of each image.
pub(super) fn loss(outputs: Tensor, truths: &[Vec<Truth>], places: &Places) -> Tensor {
    let (n, count) = (outputs.size(0), places.all().len());
    let classes = outputs.size(2) - BOX_VALUES;
    assert_eq!(outputs.size(1), count, "Detection: the network's places are not those of its strides");
    let mut wanted = vec![0.0f32; n * count * classes];
    let mut counted = vec![1.0f32; n * count];
    let mut positives = Positives::default();
    for (image, truths) in truths.iter().enumerate() {
        for (place, assigned) in assign(places, truths).into_iter().enumerate() {
            let row = image * count + place;
            match assigned {
                Assigned::Background => {}
                Assigned::Ignored => counted[row] = 0.0,
                Assigned::Object(number) => {
                    let truth = &truths[number];
                    wanted[row * classes + truth.class] = 1.0;
                    positives.rows.push(row as i64);
                    positives.places.push(place);
                    positives.boxes.extend(truth.bbox);
                    positives.centerness.push(centerness(places.all()[place].distances(truth.bbox)));
                }
            }
        }
    }
    let outputs = outputs.reshape([n * count, classes + BOX_VALUES]);
    let wanted = Tensor::from_vec(wanted, [n * count, classes]);
    let losses =
        SigmoidFocalLoss::new().reduction(Reduction::None).forward(outputs.clone().narrow(1, 0, classes), &wanted);
    let of_classes = (losses * &Tensor::from_vec(counted, [n * count, 1])).sum_all();
    let of_classes = of_classes / positives.rows.len().max(1) as f64;
    if positives.rows.is_empty() {
        return of_classes;
    }
    of_classes + of_boxes(outputs, classes, positives, places)
}

fn of_boxes(outputs: Tensor, classes: usize, positives: Positives, places: &Places) -> Tensor {
    let Positives { rows, places: at, boxes, centerness } = positives;
    let n = rows.len();
    let outputs = outputs.index_select(0, &Tensor::from_vec(rows, [n]));
    let found = places.decode(outputs.clone().narrow(1, classes, EDGES), &at);
    let weights = centerness.iter().sum::<f32>().max(f32::MIN_POSITIVE) as f64;
    let centerness = Tensor::from_vec(centerness, [n]);
    let of_boxes = GIoULoss::new().weight(centerness.clone()).reduction(Reduction::Sum);
    let of_boxes = of_boxes.forward(found, &Tensor::from_vec(boxes, [n, EDGES])) / weights;
    let central = outputs.select(1, classes + EDGES);
    of_boxes * BOX_WEIGHT + BCEWithLogitsLoss::new().forward(central, &centerness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::{DType, Generator};

    fn truths() -> Vec<Vec<Truth>> {
        let truth = |class, bbox| Truth { class, bbox, ignored: false };
        vec![
            vec![truth(1, [4.0, 4.0, 30.0, 40.0]), truth(0, [30.0, 2.0, 60.0, 20.0])],
            vec![],
            vec![Truth { ignored: true, ..truth(0, [0.0, 0.0, 64.0, 64.0]) }],
        ]
    }

    #[test]
    fn an_image_without_objects_or_with_a_crowd_alone_has_no_boxes_to_learn() {
        let places = Places::new([64, 64], &[8, 16, 32]);
        let outputs = Tensor::zeros([1, places.all().len(), 2 + BOX_VALUES], DType::F32);
        let of = |truths: &Vec<Truth>| loss(outputs.clone(), std::slice::from_ref(truths), &places).item::<f32>();
        let [_, none, crowd] = &truths()[..] else { panic!() };
        // (1 − α)·p²·ln 2 for each of two classes and all places.
        let expected = places.all().len() as f32 * 2.0 * 0.75 * 0.25 * 2f32.ln();
        assert!((of(none) - expected).abs() < 1e-3 * expected);
        assert_eq!(of(crowd), 0.0);
    }

    #[test]
    fn descent_finds_the_objects() {
        let places = Places::new([64, 64], &[8, 16, 32]);
        let shape = [3, places.all().len(), 2 + BOX_VALUES];
        let mut outputs = Tensor::randn(shape, DType::F32, &mut Generator::new(1)) * 0.1;
        let mut last = f32::INFINITY;
        for step in 0..300 {
            let leaf = outputs.clone().requires_grad();
            let value = loss(leaf.clone(), &truths(), &places);
            last = value.item::<f32>();
            assert!(last.is_finite(), "step {step}");
            let gradient = value.backward().get(&leaf).unwrap();
            outputs = outputs - gradient * 0.5;
        }
        // 0.61 of it, the entropy of the centernesses, stays whatever is learnt.
        assert!(last < 1.3, "{last}");
        let row = outputs.select(0, 0).to_vec::<f32>();
        let width = 2 + BOX_VALUES;
        let best = (0..places.all().len()).max_by(|&a, &b| row[a * width + 1].total_cmp(&row[b * width + 1])).unwrap();
        let found = places.all()[best].decode(row[best * width + 2..][..4].try_into().unwrap());
        for (got, expected) in found.into_iter().zip([4.0, 4.0, 30.0, 40.0]) {
            assert!((got - expected).abs() < 3.0, "{found:?}");
        }
    }
}
