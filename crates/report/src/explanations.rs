//! [`Explanations`]: Grad-CAM of the images that a report shows, and whether that can be trusted.

use crate::explain::{ExplainError, Explainer, Method, Options, Scores, overlay};
use crate::failures::{Failures, in_turn};
use crate::gallery::{Gallery, Part, Shot};
use schemars::JsonSchema;
use serde::Serialize;

/// The explanations that a report shows.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Explanations {
    /// The method.
    pub method: Method,
    /// The layer that it explains by.
    pub layer: Option<String>,
    /// How many images are explained.
    pub images: usize,
    /// The images on which the explanations were checked: none of a network of which that takes too long.
    pub checked: Vec<Checked>,
}

/// A check of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Checked {
    /// The image.
    pub image: String,
    /// What was explained.
    pub target: String,
    /// What came of it, in words.
    pub verdict: String,
    /// The numbers.
    pub scores: Scores,
}

/// Images on which explanations are checked, at most.
const CHECKED: u64 = 3;
/// About how many passes a check takes, and how many multiply-adds all checks may take: half a minute on two cores.
const PASSES: u64 = 700;
const BUDGET: u64 = 3_000_000_000_000;
/// Pixels of the shorter side.
const SIDE: usize = 112;

impl Explanations {
    /// Adds Grad-CAM of the predicted class to those images of `lists` in `gallery` that are of this part, and checks it on a few if it is the first part. None if the network
    /// has no layer whose output is a map.
    ///
    /// # Errors
    /// If the network cannot be run, or gives NaN.
    pub fn of(
        explainer: &Explainer,
        part: &Part,
        lists: &[Failures],
        gallery: &mut Gallery,
        seed: u64,
    ) -> Result<Option<Explanations>, ExplainError> {
        let Some(layer) = explainer.default_layer().map(|layer| layer.name.clone()) else { return Ok(None) };
        let (method, options) = (Method::GradCam, Options { seed, ..Options::default() });
        let mut found = Explanations { method, layer: Some(layer), images: 0, checked: Vec::new() };
        let checks = if part.first == 0 { BUDGET / (PASSES * explainer.macs().max(1)) } else { 0 };
        let checks = checks.min(CHECKED) as usize;
        for failure in in_turn(lists) {
            let Some(image) = part.original(failure.index) else { continue };
            let explanation = match explainer.explain(&image, method, &options) {
                Ok(explanation) => explanation,
                // Nothing was found in it, so there is nothing to explain.
                Err(ExplainError::NoObject(_) | ExplainError::NoPixels { .. } | ExplainError::NotFinite) => continue,
                Err(other) => return Err(other),
            };
            let drawn = overlay(&explanation, &image, &explainer.card().preprocessing);
            let caption = format!("Grad-CAM of {}", explanation.target.name);
            Shot::new(&caption, &drawn, SIDE).into_iter().for_each(|shot| gallery.add(failure.index, shot));
            found.images += 1;
            if found.checked.len() < checks {
                let question = explainer.ask(&image, &options)?;
                let scores = explainer.score(&question, std::slice::from_ref(&explanation), &options)?.swap_remove(0);
                found.checked.push(Checked {
                    image: failure.image.clone(),
                    target: explanation.target.name.clone(),
                    verdict: scores.verdict.describe().to_string(),
                    scores,
                });
            }
        }
        Ok((found.images > 0).then_some(found))
    }

    /// With those of another part of the images.
    pub fn join(mut self, other: &Explanations) -> Explanations {
        self.images += other.images;
        self
    }
}
