//! How well a model does on images that are changed on purpose.

use super::attack::{Attack, Steps, perturb};
use super::input::Input;
use super::measured::{Kept, hash, png};
use crate::number::Number;
use schemars::JsonSchema;
use serde::Serialize;
use std::cell::RefCell;
use std::time::Instant;
use striate_data::Batch;
use striate_imaging::Image;
use striate_model::{ModelCard, Predictor, TaskCard};
use striate_nn::{BCEWithLogitsLoss, CrossEntropyLoss, Forward, Pass};
use striate_tensor::{Generator, Reduction, Tensor};
use striate_train::{Detail, Detection, HeldOut, TrainError, evaluate_variants};
use thiserror::Error;

/// Why a model cannot be attacked.
#[derive(Debug, Error)]
pub enum AttackError {
    /// An epsilon or step size that says nothing.
    #[error("{what} is {got}, it must be more than 0 and at most 255, in steps of a byte")]
    Size {
        /// What it is.
        what: &'static str,
        /// What it was.
        got: f64,
    },
    /// The images or the network.
    #[error(transparent)]
    Measure(#[from] TrainError),
}

/// Which attacks, how strong, on which images.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackOptions {
    /// The attacks.
    pub attacks: Vec<Attack>,
    /// By how much a value may change at most, in steps of a byte (1/255).
    pub epsilons: Vec<f64>,
    /// Steps of PGD.
    pub steps: usize,
    /// The size of a step of PGD, in steps of a byte; by default 2.5·ε / steps, as Madry et al. have it.
    pub step_size: Option<f64>,
    /// The most images, evenly spread over all.
    pub images: usize,
    /// What the random starts of PGD come from, with the name of the image.
    pub seed: u64,
    /// How many images of each attack are given as examples.
    pub examples: usize,
}

impl Default for AttackOptions {
    fn default() -> Self {
        let (attacks, epsilons) = (Attack::ALL.to_vec(), vec![2.0, 4.0, 8.0]);
        AttackOptions { attacks, epsilons, steps: 10, step_size: None, images: 1000, seed: 0, examples: 3 }
    }
}

/// What attacks cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AttackCost {
    /// How many images are attacked.
    pub images: usize,
    /// How many times the network runs forwards and backwards on an image.
    pub gradient_passes: usize,
    /// The time that it takes, as a few images took it.
    pub seconds: f64,
}

/// How well a model does under attack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Attacks {
    /// The metric that stands for the task.
    pub main_metric: String,
    /// How many images were attacked.
    pub images: usize,
    /// The metric on the images as they are.
    pub clean: Number,
    /// Each attack at each epsilon.
    pub attacks: Vec<AttackResult>,
    /// What the random starts came from.
    pub seed: u64,
    /// Attacked images.
    #[serde(skip)]
    pub examples: Vec<AttackExample>,
}

/// How well a model does under one attack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct AttackResult {
    /// The attack.
    pub attack: Attack,
    /// By how much a value changes at most, in steps of a byte.
    pub epsilon: f64,
    /// How many steps were taken.
    pub steps: usize,
    /// The size of a step, in steps of a byte.
    pub step_size: f64,
    /// Whether it began at a random place within epsilon.
    pub random_start: bool,
    /// The metric, with Wilson's interval if it is an accuracy, else a bootstrapped one.
    pub metric: Number,
    /// Images whose first gradient is 0 everywhere, so that the attack had no direction: they say nothing of robustness.
    pub without_gradient: usize,
}

/// An attacked image.
#[derive(Clone, Debug, PartialEq)]
pub struct AttackExample {
    /// The name of the image.
    pub image: String,
    /// The attack.
    pub attack: Attack,
    /// By how much a value changed at most, in steps of a byte.
    pub epsilon: f64,
    /// The image as it was, as the bytes of a PNG file.
    pub original: Vec<u8>,
    /// The attacked image.
    pub attacked: Vec<u8>,
    /// What was added, so amplified that epsilon reaches black and white about grey.
    pub difference: Vec<u8>,
}

/// Tells these draws from others of the same seed.
const ATTACK: u64 = u64::from_le_bytes(*b"advstart");
/// Images that the cost is measured on.
const FIRST: usize = 8;

/// An attack at an epsilon.
#[derive(Clone, Copy)]
struct Planned {
    attack: Attack,
    epsilon: f64,
    steps: usize,
    step_size: f64,
}

impl AttackOptions {
    fn planned(&self) -> Result<Vec<Planned>, AttackError> {
        let check = |what, got: f64| match got > 0.0 && got <= 255.0 {
            true => Ok(()),
            false => Err(AttackError::Size { what, got }),
        };
        self.epsilons.iter().try_for_each(|&epsilon| check("epsilon", epsilon))?;
        self.step_size.iter().try_for_each(|&size| check("the step size", size))?;
        let plan = |attack, epsilon| match attack {
            Attack::Fgsm => Planned { attack, epsilon, steps: 1, step_size: epsilon },
            Attack::Pgd => {
                let usual = 2.5 * epsilon / self.steps.max(1) as f64;
                Planned { attack, epsilon, steps: self.steps, step_size: self.step_size.unwrap_or(usual) }
            }
        };
        Ok(self.attacks.iter().flat_map(|&a| self.epsilons.iter().map(move |&e| plan(a, e))).collect())
    }
}

/// What [`attacks`] will cost, as a few images show.
///
/// # Errors
/// As [`attacks`].
pub fn attack_cost(
    model: &Predictor,
    network: &dyn Forward,
    held_out: &HeldOut,
    options: &AttackOptions,
) -> Result<AttackCost, AttackError> {
    let planned = options.planned()?;
    let images = options.images.min(held_out.data.held_out.len());
    let one =
        AttackOptions { attacks: vec![Attack::Fgsm], epsilons: vec![1.0], images: FIRST, examples: 0, ..*options };
    attacks(model, network, &held_out.spread(1), &one, &mut |_, _| ())?;
    let start = Instant::now();
    let first = attacks(model, network, held_out, &one, &mut |_, _| ())?;
    let seconds = start.elapsed().as_secs_f64() / first.images.max(1) as f64;
    let gradient_passes = images * planned.iter().map(|p| p.steps).sum::<usize>();
    Ok(AttackCost { images, gradient_passes, seconds: seconds * gradient_passes as f64 })
}

/// How well `model` does on images held out that are changed by the gradient of its loss, within epsilon of each value (L∞) and from black to white: as the network
/// sees them, before padding and normalization, without rounding to bytes. `network` is the model's, in evaluation. `progress` hears how many of how many
/// gradients of an image are done.
///
/// # Errors
/// If an epsilon is no number of steps of a byte, no image can be read, or the network cannot be run on them.
pub fn attacks(
    model: &Predictor,
    network: &dyn Forward,
    held_out: &HeldOut,
    options: &AttackOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Attacks, AttackError> {
    let card = &model.card;
    let planned = options.planned()?;
    let held_out = held_out.spread(options.images);
    let input = Input::new(&card.preprocessing);
    let inside = input.inside();
    let variants = 1 + planned.len();
    let mut kept: Vec<Kept> = (0..variants).map(|_| Kept::new(card)).collect();
    let mut without_gradient = vec![0; planned.len()];
    let mut examples = Vec::new();
    let total = held_out.data.held_out.len() * planned.iter().map(|p| p.steps).sum::<usize>();
    let mut done = 0;
    let mut clean: Vec<f32> = Vec::new();
    let progress = RefCell::new(progress);
    let images = |batch: &Batch, names: &[String], variant: usize| {
        let Some(number) = variant.checked_sub(1) else {
            clean = input.values(&batch.images);
            return batch.images.clone();
        };
        let plan = planned[number];
        let n = names.len();
        let shape = [n, batch.images.size(1), batch.images.size(2), batch.images.size(3)];
        let free = inside.repeat(n);
        let epsilon = (plan.epsilon / 255.0) as f32;
        let start = match plan.attack {
            Attack::Fgsm => vec![0.0; clean.len()],
            Attack::Pgd => random_start(names, inside.len(), epsilon, options.seed),
        };
        let steps = Steps { epsilon, steps: plan.steps, size: (plan.step_size / 255.0) as f32 };
        let mut is_first = true;
        let attacked = perturb(&clean, &start, &free, steps, |values| {
            let slopes = input_gradient(network, card, input.tensor(values, shape), batch);
            if std::mem::take(&mut is_first) {
                let images = slopes.chunks_exact(inside.len());
                without_gradient[number] += images.filter(|image| image.iter().all(|g| *g == 0.0)).count();
            }
            done += n;
            (progress.borrow_mut())(done, total);
            slopes
        });
        let missing = options.examples.saturating_sub(examples_of(&examples, plan)).min(n);
        if missing > 0 {
            let of = missing * inside.len();
            examples.extend(shown(&input, plan, &names[..missing], &clean[..of], &attacked[..of]));
        }
        input.tensor(&attacked, shape)
    };
    let evaluations = evaluate_variants(model, &held_out, variants, Detail::Full, images, |variant, measured| {
        kept[variant].add(card, measured);
    })?;
    let images = evaluations[0].results.images();
    let mut numbers =
        kept.into_iter().zip(&evaluations).map(|(kept, evaluation)| kept.number(evaluation, options.seed));
    let clean = numbers.next().expect("the clean images come first");
    let result = |((plan, metric), without_gradient): ((&Planned, Number), usize)| AttackResult {
        attack: plan.attack,
        epsilon: plan.epsilon,
        steps: plan.steps,
        step_size: plan.step_size,
        random_start: plan.attack == Attack::Pgd,
        metric,
        without_gradient,
    };
    let attacks = planned.iter().zip(numbers).zip(without_gradient).map(result).collect();
    Ok(Attacks { main_metric: clean.name.clone(), images, clean, attacks, seed: options.seed, examples })
}

/// Values from -epsilon to epsilon for each image, a function of the seed and its name.
fn random_start(names: &[String], values: usize, epsilon: f32, seed: u64) -> Vec<f32> {
    let of_image = |name: &String| {
        let mut generator = Generator::keyed([seed, ATTACK, hash(name), 0]);
        (0..values).map(move |_| epsilon * (2.0 * generator.uniform() - 1.0) as f32)
    };
    names.iter().flat_map(of_image).collect()
}

/// The gradient of the loss of a batch with respect to these images of it: its sum, or a multiple of that, for the sign alone counts. Of a segmentation it is the
/// cross-entropy of each pixel.
fn input_gradient(network: &dyn Forward, card: &ModelCard, images: Tensor, batch: &Batch) -> Vec<f32> {
    let images = images.requires_grad();
    let output = network.forward(images.clone(), &Pass::eval());
    let loss = match &card.task {
        TaskCard::MultiLabel { .. } => {
            BCEWithLogitsLoss::new().reduction(Reduction::Sum).forward(output, &batch.targets)
        }
        TaskCard::Regression { .. } => {
            let error = card.task.answers(output) - &batch.targets;
            (error.clone() * &error).sum(&[])
        }
        TaskCard::Detection { strides, .. } => Detection::new(card.classes.len(), strides).loss_of(output, batch),
        _ => CrossEntropyLoss::new().reduction(Reduction::Sum).forward(output, &batch.targets),
    };
    let slopes = loss.backward().get(&images);
    slopes.map_or_else(|| vec![0.0; images.numel()], |slopes| slopes.to_vec::<f32>())
}

fn examples_of(examples: &[AttackExample], plan: Planned) -> usize {
    examples.iter().filter(|e| e.attack == plan.attack && e.epsilon == plan.epsilon).count()
}

/// Images before and after an attack, and what was added.
fn shown(input: &Input, plan: Planned, names: &[String], clean: &[f32], attacked: &[f32]) -> Vec<AttackExample> {
    let scale = 255.0 / (2.0 * plan.epsilon) as f32;
    let added: Vec<f32> = clean.iter().zip(attacked).map(|(x, y)| 0.5 + (y - x) * scale).collect();
    let [clean, attacked, added]: [Vec<Image>; 3] = [clean, attacked, &added].map(|values| input.images(values));
    let example = |(i, image): (usize, &String)| AttackExample {
        image: image.clone(),
        attack: plan.attack,
        epsilon: plan.epsilon,
        original: png(&clean[i]),
        attacked: png(&attacked[i]),
        difference: png(&added[i]),
    };
    names.iter().enumerate().map(example).collect()
}
