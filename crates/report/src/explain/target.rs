//! [`Target`]: the number that is explained.

use super::error::{ExplainError, nearest_first};
use striate_model::{ModelCard, Places, TaskCard, iou};
use striate_tensor::Tensor;

/// The number that is explained.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Target {
    /// The number of the class, label or output.
    pub class: usize,
    /// Its name.
    pub name: String,
    /// What the number is.
    pub kind: TargetKind,
    /// The number for the image.
    pub value: f64,
    /// The probability of the class or label, or the mean probability of the class over the pixels; the score of an object. None of a regression.
    pub probability: Option<f64>,
}

/// What the number is.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// The logit of a class or label.
    Logit,
    /// An output of a regression, in its own units.
    Number,
    /// The score of an object: the root of the probability of its class times its centerness.
    Score {
        /// The left, top, right and bottom edge of its box in pixels of what the network sees.
        bbox: [f32; 4],
    },
    /// The sum of the logits of a class over the pixels that are predicted as it.
    Pixels {
        /// How many pixels.
        count: usize,
    },
}

/// How the number comes out of a network's outputs.
#[derive(Clone)]
pub(crate) enum Aim {
    Logit { class: usize, softmax: bool },
    Number { class: usize, mean: f64, std: f64 },
    Score { class: usize, place: usize, classes: usize },
    Pixels { class: usize, mask: Tensor, count: usize },
}

impl Aim {
    /// The number for each image of a batch: `[n]`, with gradients.
    pub fn values(&self, outputs: Tensor) -> Tensor {
        match self {
            Aim::Logit { class, .. } => outputs.select(1, *class),
            Aim::Number { class, mean, std } => outputs.select(1, *class) * *std + *mean,
            Aim::Score { class, place, classes } => {
                let row = outputs.select(1, *place);
                let sure = row.clone().select(1, *class).sigmoid();
                (sure * row.select(1, classes + 4).sigmoid()).sqrt()
            }
            Aim::Pixels { class, mask, .. } => (outputs.select(1, *class) * mask).sum(&[1, 2]),
        }
    }

    /// The probability, or what stands for it, of each image of a batch: from 0 to 1, but of a regression, where it is the number itself.
    pub fn probabilities(&self, outputs: Tensor) -> Vec<f64> {
        let numbers = match self {
            Aim::Logit { class, softmax: true } => outputs.softmax(1).select(1, *class),
            Aim::Logit { class, softmax: false } => outputs.sigmoid().select(1, *class),
            Aim::Number { .. } | Aim::Score { .. } => self.values(outputs),
            Aim::Pixels { class, mask, count } => {
                (outputs.softmax(1).select(1, *class) * mask).sum(&[1, 2]) * (1.0 / *count as f64)
            }
        };
        numbers.to_vec::<f32>().into_iter().map(f64::from).collect()
    }

    fn is_regression(&self) -> bool {
        matches!(self, Aim::Number { .. })
    }

    /// What is to be said of it, for an image whose outputs are these.
    pub fn described(&self, card: &ModelCard, outputs: &Tensor) -> Result<Target, ExplainError> {
        let value = f64::from(self.values(outputs.detach()).to_vec::<f32>()[0]);
        let probability = self.probabilities(outputs.detach())[0];
        if !value.is_finite() || !probability.is_finite() {
            return Err(ExplainError::NotFinite);
        }
        let (class, kind) = match self {
            Aim::Logit { class, .. } => (*class, TargetKind::Logit),
            Aim::Number { class, .. } => (*class, TargetKind::Number),
            Aim::Pixels { class, count, .. } => (*class, TargetKind::Pixels { count: *count }),
            Aim::Score { class, place, classes } => {
                let row = outputs.detach().select(1, *place).to_vec::<f32>();
                let at: [f32; 4] = std::array::from_fn(|i| row[classes + i]);
                (*class, TargetKind::Score { bbox: places(card).all()[*place].decode(at) })
            }
        };
        let probability = (!self.is_regression()).then_some(probability);
        Ok(Target { class, name: card.classes[class].clone(), kind, value, probability })
    }
}

fn places(card: &ModelCard) -> Places {
    let [_, h, w] = card.preprocessing.output_shape();
    match &card.task {
        TaskCard::Detection { strides, .. } => Places::new([h, w], strides),
        _ => unreachable!("only detectors have places"),
    }
}

/// The class that was typed: a name, or a number where no class has that name.
pub(crate) fn class_named(card: &ModelCard, text: &str) -> Result<usize, ExplainError> {
    let same = |test: fn(&str, &str) -> bool| card.classes.iter().position(|name| test(name, text));
    let number = || text.parse().ok().filter(|&n: &usize| n < card.classes.len());
    let found = same(|a, b| a == b).or_else(number).or_else(|| same(|a, b| a.to_lowercase() == b.to_lowercase()));
    found.ok_or_else(|| no_class(card, text))
}

fn no_class(card: &ModelCard, text: &str) -> ExplainError {
    let classes = nearest_first(text, card.classes.iter().map(String::as_str));
    ExplainError::NoClass { kind: card.task.output(), name: text.to_string(), classes }
}

/// What is explained of an image whose outputs are these: the class that is asked for, or the predicted one.
pub(crate) fn aim(
    card: &ModelCard,
    outputs: &Tensor,
    class: Option<usize>,
    object: usize,
) -> Result<Aim, ExplainError> {
    if !outputs.is_finite() {
        return Err(ExplainError::NotFinite);
    }
    if let Some(class) = class.filter(|&class| class >= card.classes.len()) {
        return Err(no_class(card, &class.to_string()));
    }
    match &card.task {
        TaskCard::Classification | TaskCard::MultiLabel { .. } => {
            let class = class.unwrap_or_else(|| outputs.detach().argmax(1, false).to_vec::<i64>()[0] as usize);
            Ok(Aim::Logit { class, softmax: card.task == TaskCard::Classification })
        }
        TaskCard::Regression { mean, std } => {
            let class = class.unwrap_or(0);
            Ok(Aim::Number { class, mean: mean[class].into(), std: std[class].into() })
        }
        TaskCard::Detection { .. } => object_aim(card, outputs, class, object),
        TaskCard::Segmentation { palette } => pixels_aim(card, outputs, class, palette),
    }
}

/// The object that comes in this place among those that are found, those of one class alone if it is given; the best one is the first.
fn object_aim(card: &ModelCard, outputs: &Tensor, class: Option<usize>, object: usize) -> Result<Aim, ExplainError> {
    let [_, h, w] = card.preprocessing.output_shape();
    let mut found = card.task.detections(outputs, [h, w]).swap_remove(0);
    found.retain(|found| class.is_none_or(|class| class == found.class));
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let of =
        class.map_or(String::new(), |class| format!(" of class '{}'", striate_imaging::shown(&card.classes[class])));
    let Some(wanted) = found.get(object) else {
        return Err(ExplainError::NoObject(match found.len() {
            0 => format!("the network finds no object{of} in the image"),
            n => format!("the network finds {n} objects{of} in the image: there is no object {}", object + 1),
        }));
    };
    let classes = card.classes.len();
    let rows = outputs.to_vec::<f32>();
    let places = places(card);
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let score = |row: &[f32]| sigmoid(row[wanted.class]) * sigmoid(row[classes + 4]);
    let overlap = |place: usize| {
        let row = &rows[place * (classes + 5)..][..classes + 5];
        let bbox = places.all()[place].decode(std::array::from_fn(|i| row[classes + i]));
        (iou(bbox, wanted.bbox), score(row))
    };
    let best = (0..places.all().len())
        .map(|place| (overlap(place), place))
        .max_by(|(a, i), (b, j)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)).then(j.cmp(i)));
    let (_, place) = best.expect("a detector has places");
    Ok(Aim::Score { class: wanted.class, place, classes })
}

/// The pixels of a class: of the one that is asked for, or of the one that most pixels have whose colour is not the black of a background, if any has another.
fn pixels_aim(
    card: &ModelCard,
    outputs: &Tensor,
    class: Option<usize>,
    palette: &[[u8; 3]],
) -> Result<Aim, ExplainError> {
    let predicted = outputs.detach().argmax(1, false).to_vec::<i64>();
    let mut counts = vec![0usize; card.classes.len()];
    predicted.iter().for_each(|&class| counts[class as usize] += 1);
    let most = |wanted: &dyn Fn(usize) -> bool| {
        let counted = (0..counts.len()).filter(|&class| counts[class] > 0 && wanted(class));
        counted.max_by(|&a, &b| counts[a].cmp(&counts[b]).then(b.cmp(&a)))
    };
    let class = class.or_else(|| most(&|class| palette[class] != [0; 3])).or_else(|| most(&|_| true)).unwrap_or(0);
    if counts[class] == 0 {
        let mut order: Vec<usize> = (0..counts.len()).filter(|&class| counts[class] > 0).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(counts[class]));
        let predicted = order.into_iter().map(|class| card.classes[class].clone()).collect();
        return Err(ExplainError::NoPixels { class: card.classes[class].clone(), predicted });
    }
    let [_, _, h, w] = outputs.shape()[..] else { unreachable!("the file was checked when it was read") };
    let mask: Vec<f32> = predicted.iter().map(|&p| if p as usize == class { 1.0 } else { 0.0 }).collect();
    Ok(Aim::Pixels { class, mask: Tensor::from_vec(mask, [1, h, w]), count: counts[class] })
}
