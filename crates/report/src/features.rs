//! [`Features`]: what a network has learnt, to be looked at: filters, feature maps, and the training images that are nearest to some images.

use crate::explain::{Explainer, Grid, nearest};
use crate::failures::{Failures, in_turn};
use crate::gallery::{Part, Shot, original};
use schemars::JsonSchema;
use serde::Serialize;
use striate_data::Target;
use striate_imaging::AnyImage;
use striate_train::Images;

/// What a network has learnt.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Features {
    /// The filters of its first convolution, if it has one.
    pub filters: Option<Grid>,
    /// The maps of a layer for a few of the images that the report shows first.
    pub maps: Vec<FeatureMaps>,
    /// Of these images the training images that are nearest by their features.
    pub nearest: Vec<NearestImages>,
    /// How many training images were looked at.
    pub searched: usize,
    /// How many there are; 0 if they are not known.
    pub training_images: usize,
    /// Why they could not be read, if the model is of a run whose data cannot.
    pub unreadable: Option<String>,
}

/// The maps of a layer for an image.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FeatureMaps {
    /// The image.
    pub image: String,
    /// The maps.
    pub grid: Grid,
}

/// The training images that are nearest to an image.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NearestImages {
    /// The image.
    pub image: String,
    /// Its place among the images that were to be measured on.
    pub index: usize,
    /// What it is, and what the model says, where that is a name or number.
    pub actual: Option<String>,
    /// What the model says.
    pub predicted: Option<String>,
    /// The nearest first.
    pub neighbours: Vec<NearImage>,
    /// The image itself.
    #[serde(skip)]
    pub shot: Option<Shot>,
}

/// A training image that is near to another image.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NearImage {
    /// Its name.
    pub image: String,
    /// What it is labelled with, but for objects and masks.
    pub actual: Option<String>,
    /// The cosine of the angle between the features, from -1 to 1.
    pub similarity: f64,
    /// The image.
    #[serde(skip)]
    pub shot: Option<Shot>,
}

/// Images whose maps are shown, and whose neighbours are.
const MAPS: usize = 3;
const QUERIES: usize = 4;
const NEIGHBOURS: usize = 5;
/// Training images that are looked at, at most, and how many multiply-adds that may take: a few seconds on two cores.
const SEARCHED: u64 = 1000;
const BUDGET: u64 = 300_000_000_000;
const SIDE: usize = 96;

impl Features {
    /// Of those images of `lists` that are of this part, with the images that the model has learnt from, where they are known, or why they cannot be read; none
    /// if there is nothing to show.
    pub fn of(
        explainer: &Explainer,
        part: &Part,
        lists: &[Failures],
        training: Result<Option<&Images>, String>,
    ) -> Option<Features> {
        let (training, unreadable) = training.map_or_else(|why| (None, Some(why)), |training| (training, None));
        let shown = in_turn(lists).into_iter().filter_map(|failure| Some((failure, part.original(failure.index)?)));
        let shown: Vec<_> = shown.take(QUERIES.max(MAPS)).collect();
        let map = |(failure, image): &(&crate::Failure, AnyImage)| {
            let grid = explainer.feature_maps(image, None).ok()?;
            Some(FeatureMaps { image: failure.image.clone(), grid })
        };
        let mut found = Features {
            filters: explainer.filters().ok(),
            maps: shown.iter().take(MAPS).filter_map(map).collect(),
            nearest: Vec::new(),
            searched: 0,
            training_images: training.map_or(0, Images::len),
            unreadable,
        };
        if let Some(training) = training.filter(|_| !shown.is_empty()) {
            let most = (BUDGET / explainer.macs().max(1)).clamp(10, SEARCHED) as usize;
            let n = most.min(training.len());
            let features = |index: usize| Some((index, explainer.features(&original(training, index)?).ok()?));
            let (places, all): (Vec<usize>, Vec<Vec<f32>>) =
                (0..n).filter_map(|i| features(i * training.len() / n)).unzip();
            found.searched = places.len();
            for (failure, image) in shown.iter().take(QUERIES) {
                let Ok(query) = explainer.features(image) else { continue };
                let near = |at: crate::explain::Neighbour| NearImage {
                    image: name_of(training, places[at.index]),
                    actual: label_of(training, places[at.index], &explainer.card().classes),
                    similarity: at.similarity,
                    shot: original(training, places[at.index]).and_then(|image| shot(&image)),
                };
                found.nearest.push(NearestImages {
                    image: failure.image.clone(),
                    index: failure.index,
                    actual: failure.actual.clone(),
                    predicted: failure.predicted.clone(),
                    neighbours: nearest(&query, &all, NEIGHBOURS).into_iter().map(near).collect(),
                    shot: shot(image),
                });
            }
            found.nearest.retain(|of| !of.neighbours.is_empty());
        }
        let has_grids = found.filters.is_some() || !found.maps.is_empty();
        (has_grids || !found.nearest.is_empty() || found.unreadable.is_some()).then_some(found)
    }
}

fn shot(image: &AnyImage) -> Option<Shot> {
    let image = image.clone().into_bytes();
    let image = if image.channels == 1 { image } else { image.to_channels(3) };
    Shot::new("", &image, SIDE)
}

fn name_of(images: &Images, index: usize) -> String {
    match images {
        Images::Memory(_) => format!("training image {index}"),
        Images::Files { entries, .. } => entries[index].name.clone(),
    }
}

fn label_of(images: &Images, index: usize, names: &[String]) -> Option<String> {
    match images.target(index) {
        Target::Class(class) => names.get(class).cloned(),
        Target::Labels { has, .. } if has.is_empty() => Some("no label".into()),
        Target::Labels { has, .. } => Some(has.iter().map(|&i| names[i].as_str()).collect::<Vec<_>>().join("; ")),
        Target::Numbers(numbers) => Some(numbers.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join("; ")),
        _ => None,
    }
}
