//! Objects and masks of images.

use super::predict::{decode, name_of};
use crate::args::Predict;
use crate::image_args::{Found, Input};
use crate::output::{Failure, count_of, json_path, print_error, say, say_json, shown, shown_path};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::data::parallel;
use striate::imaging::{AnyImage, Image, write_indexed_png};
use striate::model::{Connectivity, Detection, Predictor, Region, Regions, SlidingWindow, TaskCard};
use striate::report::{draw_classes, draw_objects, palette};

/// Images that are decoded at once.
const IMAGES: usize = 16;
/// What a mask has where the network does not see the image.
const UNSEEN: u8 = 255;
/// Regions of fewer pixels are noise: they are left out of what is printed, and are in the mask.
const LEAST_REGION: usize = 16;

pub fn run(args: &Predict, mut model: Predictor, found: Found) -> Result<ExitCode, Failure> {
    let window = window(args, &model)?;
    if let Some(score) = args.score {
        match &mut model.card.task {
            TaskCard::Detection { suppression, thresholds, .. } => {
                suppression.score_threshold = suppression.score_threshold.min(score);
                thresholds.fill(score);
            }
            other => return Err(format!("--score is for detection, and the model's task is {}", other.name()).into()),
        }
    }
    for dir in args.draw.iter().chain(&args.masks) {
        std::fs::create_dir_all(dir).map_err(|e| format!("cannot make the folder {}: {e}", shown_path(dir)))?;
    }
    if args.masks.is_some() && !matches!(model.card.task, TaskCard::Segmentation { .. }) {
        return Err(format!("--masks is for segmentation, and the model's task is {}", model.card.task.name()).into());
    }
    if let (Some(draw), Some(masks)) = (&args.draw, &args.masks)
        && super::is_same_file(draw, masks)
    {
        let folder = shown_path(draw);
        return Err(format!("--draw and --masks would both write into {folder}: name two folders").into());
    }
    let mut names = Names::default();
    let mut failed = false;
    for inputs in found.inputs.chunks(IMAGES) {
        let images = parallel::map(inputs.len(), striate::num_threads(), |i| decode(&model, &inputs[i]));
        for (input, image) in inputs.iter().zip(images) {
            match image.and_then(|image| one(args, &model, window, input, &image, &mut names)) {
                Ok(Said::Json(value)) => say_json(&value)?,
                Ok(Said::Text(text)) => say(format_args!("{}: {text}", name_of(input)))?,
                Err(line) => {
                    print_error(&line);
                    failed = true;
                }
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is printed of an image.
enum Said {
    Json(Value),
    Text(String),
}

fn window(args: &Predict, model: &Predictor) -> Result<Option<SlidingWindow>, Failure> {
    let Some(side) = args.window else { return Ok(None) };
    match model.card.task {
        TaskCard::Segmentation { .. } => Ok(Some(SlidingWindow { side: side as usize, overlap: args.overlap })),
        _ => Err(format!("--window is for segmentation, and the model's task is {}", model.card.task.name()).into()),
    }
}

/// Names of files that are written, each once.
#[derive(Default)]
struct Names(BTreeSet<PathBuf>);

impl Names {
    /// A file for what is made of `input`, with a number where another image has its name.
    fn next(&mut self, dir: &Path, input: &Input) -> PathBuf {
        let stem = match input {
            Input::File(path) => path.file_stem().unwrap_or_default().to_os_string(),
            _ => "image".into(),
        };
        let file = |number: usize| {
            let mut name = stem.clone();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            name.push(".png");
            dir.join(name)
        };
        let free = (1..).map(file).find(|file| !self.0.contains(file)).expect("there are numbers enough");
        self.0.insert(free.clone());
        free
    }
}

fn one(
    args: &Predict,
    model: &Predictor,
    window: Option<SlidingWindow>,
    input: &Input,
    image: &AnyImage,
    names: &mut Names,
) -> Result<Said, String> {
    let cannot = |e: &dyn std::fmt::Display| format!("{}: the model cannot be run on it: {e}", name_of(input));
    let draw = |drawn: Image, file: PathBuf| drawn.write_png(&file).map_err(|e| e.to_string());
    if let TaskCard::Detection { .. } = model.card.task {
        let mut found = model.detect(std::slice::from_ref(image)).map_err(|e| cannot(&e))?.swap_remove(0);
        found.retain(|d| d.score >= model.card.task.threshold(d.class));
        if let Some(dir) = &args.draw {
            let boxes: Vec<_> = found.iter().map(|d| (d.class, d.bbox, Some(d.score))).collect();
            draw(draw_objects(image, &boxes, &model.card.classes), names.next(dir, input))?;
        }
        return Ok(match args.json {
            true => Said::Json(objects_json(model, input, image, &found)),
            false => Said::Text(objects_text(model, &found)),
        });
    }
    let mask = model.segment(image, window).map_err(|e| cannot(&e))?;
    let palette = palette(&model.card.task, model.card.classes.len());
    if let Some(dir) = &args.draw {
        draw(draw_classes(image, &mask, &palette), names.next(dir, input))?;
    }
    if let Some(dir) = &args.masks {
        write_indexed_png(&mask, &names.next(dir, input), &palette).map_err(|e| e.to_string())?;
    }
    let seen = Seen::of(&mask, model.card.classes.len());
    Ok(match args.json {
        true => Said::Json(seen.json(model, input, &mask)),
        false => Said::Text(seen.text(model)),
    })
}

fn image_json(input: &Input) -> Value {
    let (image, bytes) = match input {
        Input::File(path) => json_path(path),
        _ => ("-".into(), None),
    };
    let mut value = json!({ "image": image });
    bytes.into_iter().for_each(|bytes| value["image_bytes"] = bytes.into());
    value
}

fn objects_json(model: &Predictor, input: &Input, image: &AnyImage, found: &[Detection]) -> Value {
    let object = |d: &Detection| json!({ "class": model.card.classes[d.class], "score": d.score, "box": d.bbox });
    let mut value = image_json(input);
    value["width"] = image.width().into();
    value["height"] = image.height().into();
    value["objects"] = found.iter().map(object).collect();
    value
}

/// `12 RBC, 1 WBC`
fn objects_text(model: &Predictor, found: &[Detection]) -> String {
    let count = |class: usize| found.iter().filter(|d| d.class == class).count();
    let counts = model.card.classes.iter().enumerate().map(|(class, name)| (count(class), name));
    let counts: Vec<String> =
        counts.filter(|(n, _)| *n > 0).map(|(n, class)| format!("{n} {}", shown(class))).collect();
    if counts.is_empty() { "no objects".into() } else { counts.join(", ") }
}

/// What a mask holds of each class.
struct Seen {
    /// The fraction of the pixels.
    fractions: Vec<f64>,
    /// The fraction that the network does not see.
    unseen: f64,
    regions: Vec<Region>,
}

impl Seen {
    fn of(mask: &Image, classes: usize) -> Seen {
        let mut counts = [0usize; 256];
        mask.data.iter().for_each(|&class| counts[class as usize] += 1);
        let fraction = |n: usize| n as f64 / mask.data.len().max(1) as f64;
        let regions = Regions::of(&mask.data, mask.width, Connectivity::Corners, |class| class != UNSEEN).regions;
        Seen {
            fractions: counts[..classes].iter().map(|&n| fraction(n)).collect(),
            unseen: fraction(counts[UNSEEN as usize]),
            regions: regions.into_iter().filter(|region| region.area >= LEAST_REGION).collect(),
        }
    }

    fn of_class(&self, class: usize) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(move |region| region.class as usize == class)
    }

    fn json(&self, model: &Predictor, input: &Input, mask: &Image) -> Value {
        let named = |(class, name): (usize, &String)| {
            let regions: Vec<Value> = self
                .of_class(class)
                .map(|r| json!({ "area": r.area, "box": r.bbox, "centroid": r.centroid }))
                .collect();
            (name.clone(), json!({ "fraction": self.fractions[class], "regions": regions }))
        };
        let mut value = image_json(input);
        value["width"] = mask.width.into();
        value["height"] = mask.height.into();
        value["classes"] = model.card.classes.iter().enumerate().map(named).collect::<serde_json::Map<_, _>>().into();
        value["unseen"] = self.unseen.into();
        value
    }

    /// `cell 78.2% in 41 regions, membrane 21.8% in 3 regions`
    fn text(&self, model: &Predictor) -> String {
        let said = |(class, name): (usize, &String)| {
            let regions = count_of(self.of_class(class).count(), "region");
            format!("{} {:.1}% in {regions}", shown(name), 100.0 * self.fractions[class])
        };
        let occurs = |(class, _): &(usize, &String)| self.fractions[*class] > 0.0;
        let mut all: Vec<String> = model.card.classes.iter().enumerate().filter(occurs).map(said).collect();
        if self.unseen > 0.0 {
            all.push(format!("{:.1}% not seen by the network", 100.0 * self.unseen));
        }
        all.join(", ")
    }
}
