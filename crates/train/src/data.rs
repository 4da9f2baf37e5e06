//! The data of a run: training images, and those held out for validation or as a test.

use crate::config::{ResolvedConfig, TaskKind, bad};
use crate::error::TrainError;
use crate::images;
use crate::network::Plan;
use striate_data::images::{BadImage, CacheKind, Entry, ImageListDataset, pixel_fingerprint, text_path};
use striate_data::{DataError, IdxFolder, ImageDataset, Target, TargetKind, mnist};
use striate_imaging::{AnyImage, DecodeOptions, Image, Preprocessing, Split, for_channels};
use striate_model::{Fingerprints, Provenance};
use striate_tensor::Generator;

/// Tells the choice of a fraction of the images from other random numbers under the same seed.
const FRACTION_STREAM: u64 = 0x6672_6163;

/// Tells folds from other random numbers under the same seed.
const FOLD_STREAM: u64 = 0x666f_6c64;

/// Images before they are prepared.
#[derive(Clone)]
pub enum Images {
    /// In memory, all of one size.
    Memory(ImageDataset),
    /// In files.
    Files {
        /// The files.
        entries: Vec<Entry>,
        /// Where they are kept once decoded.
        cache: CacheKind,
    },
}

impl Images {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Images::Memory(images) => images.len(),
            Images::Files { entries, .. } => entries.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there are of each of `classes` classes or labels.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        (0..self.len()).for_each(|i| self.target(i).classes().iter().for_each(|&class| counts[class] += 1));
        counts
    }

    /// The class, the labels or the numbers of image `index`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn target(&self, index: usize) -> Target {
        match self {
            Images::Memory(images) => images.labels()[index].into(),
            Images::Files { entries, .. } => entries[index].target.clone(),
        }
    }

    /// The image itself, as it is before it is prepared for a network.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    ///
    /// # Panics
    /// If there are fewer images.
    pub fn image(&self, index: usize, options: &DecodeOptions) -> Result<AnyImage, DataError> {
        match self {
            Images::Memory(images) => Ok(AnyImage::U8(images.image(index))),
            Images::Files { entries, .. } => entries[index].source.decode(options),
        }
    }

    /// What each is known by, if that has been looked at: see [`striate_data::images::fingerprint`].
    pub fn fingerprints(&self) -> Vec<Option<u64>> {
        match self {
            Images::Files { entries, .. } => entries.iter().map(|e| e.fingerprint).collect(),
            Images::Memory(images) => {
                let [height, width] = images.size();
                let of = |i| Some(pixel_fingerprint(width, height, images.channels(), &images.image(i).data));
                (0..images.len()).map(of).collect()
            }
        }
    }

    /// Those of which `keep` holds, given their fingerprints.
    pub(crate) fn filtered(&self, keep: impl Fn(u64) -> bool) -> Images {
        let known = self.fingerprints();
        let kept: Vec<usize> = (0..self.len()).filter(|&i| known[i].is_none_or(&keep)).collect();
        self.at(&kept)
    }

    /// Those at these places, in this order.
    fn at(&self, places: &[usize]) -> Images {
        match self {
            Images::Memory(images) => Images::Memory(images.subset(places)),
            Images::Files { entries, cache } => {
                Images::Files { entries: places.iter().map(|&i| entries[i].clone()).collect(), cache: cache.clone() }
            }
        }
    }

    /// `n` of them, evenly spread; all if there are no more.
    pub(crate) fn spread(&self, n: usize) -> Images {
        let n = n.min(self.len());
        self.at(&(0..n).map(|i| i * self.len() / n).collect::<Vec<_>>())
    }

    /// A fraction of the images, of each of `classes` classes where they have one, in their order: the nearest number, and at least one. Which they are depends on the
    /// seed and the number of images alone.
    fn fraction(&self, fraction: f64, classes: usize, seed: u64) -> Images {
        let mut by_class = vec![Vec::new(); classes];
        // Images without one class are drawn from all together.
        let class = |i: usize| if let Target::Class(class) = self.target(i) { class } else { 0 };
        (0..self.len()).for_each(|i| by_class[class(i)].push(i));
        let rng = &mut Generator::keyed([seed, FRACTION_STREAM, self.len() as u64, 0]);
        let mut kept = Vec::new();
        for mut members in by_class {
            let n = ((members.len() as f64 * fraction).round() as usize).max(members.len().min(1));
            kept.extend_from_slice(rng.partial_shuffle(&mut members, n));
        }
        kept.sort_unstable();
        self.at(&kept)
    }

    /// The first `n` images that can be read, at the size that the network sees, before padding.
    pub(crate) fn first(&self, n: usize, preprocessing: &Preprocessing) -> Vec<Image> {
        match self {
            Images::Memory(images) => (0..images.len().min(n)).map(|i| images.image(i)).collect(),
            Images::Files { entries, .. } => {
                let images = ImageListDataset::new(entries.clone(), preprocessing.clone(), CacheKind::None);
                let images = (0..entries.len()).filter_map(|i| images.image(0, i).ok());
                images.take(n).map(|p| p.into_bytes()).collect()
            }
        }
    }
}

/// Images to learn from and images held out, with one set of classes.
#[derive(Clone)]
pub struct Splits {
    /// A short name, such as `mnist`.
    pub name: String,
    /// What the images have.
    pub kind: TargetKind,
    /// The names of the classes, labels or numbers, in their order.
    pub classes: Vec<String>,
    /// The images to learn from.
    pub train: Images,
    /// The images held out, to measure on.
    pub held_out: Images,
    /// Whether those are for the time while settings are chosen, or for the end.
    pub measured: Split,
    /// What looks odd about the data, a line each.
    pub notes: Vec<String>,
    /// What was taken of the weights that a run starts from, a line each.
    pub(crate) weights: Vec<String>,
    /// Images that cannot be read, and are in neither.
    pub bad: Vec<BadImage>,
    /// How an image from elsewhere becomes one of these.
    pub(crate) preprocessing: Preprocessing,
    /// Files that a run's directory gets, so that a run that goes on has the same data.
    pub(crate) run_files: Vec<(&'static str, Vec<u8>)>,
}

/// `mnist`, the built-in data, or the path of a directory of idx files.
pub fn load_data(name: &str) -> Result<Splits, TrainError> {
    let (name, folder) = if name == MNIST {
        (name.to_string(), mnist()?)
    } else {
        let path = &text_path(name);
        let stem = path.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned());
        (stem, IdxFolder::open(path)?)
    };
    let preprocessing = folder.preprocessing();
    let (train, held_out) = (Images::Memory(folder.train), Images::Memory(folder.test));
    let (measured, notes, weights, bad, run_files) = Default::default();
    let kind = TargetKind::Class;
    Ok(Splits {
        name,
        kind,
        classes: folder.classes,
        train,
        held_out,
        measured,
        notes,
        weights,
        bad,
        preprocessing,
        run_files,
    })
}

/// Hears how many of how many images have been looked at, on any thread.
pub type Watch<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// The name of the built-in data.
pub const MNIST: &str = "mnist";

/// What a network asks of images.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The shape that it takes, if it takes a certain one.
    pub input: Option<[usize; 3]>,
    /// How the images were prepared that it has learnt from.
    pub backbone: Option<&'a Preprocessing>,
    /// What its weights have seen before.
    pub started_from: &'a Provenance,
    /// Whether there must be images to measure on.
    pub validation: Validation,
}

/// Whether there must be images to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// The best epoch is chosen on them.
    Required,
    /// If the images cannot be split, all are trained on.
    Optional,
}

/// The data that the settings of a new run name.
pub(crate) fn load_for(config: &ResolvedConfig, wanted: Wanted, watch: &Watch) -> Result<Splits, TrainError> {
    if config.data != MNIST && images::are_images(&text_path(&config.data)) {
        return images::open(config, wanted, watch);
    }
    let mut data = load_idx(config)?;
    if let Some(backbone) = wanted.backbone {
        let own = &mut data.preprocessing;
        own.mean = for_channels(&backbone.mean, own.channels);
        own.std = for_channels(&backbone.std, own.channels);
        data.run_files.push((images::PREPROCESSING, images::written(own)));
    }
    Ok(data)
}

/// The images of idx files that these settings name.
pub(crate) fn load_idx(config: &ResolvedConfig) -> Result<Splits, TrainError> {
    let plain = crate::ImageSettings {
        balance: config.images.balance,
        class_weights: config.images.class_weights,
        augment: config.images.augment.clone(),
        ..Default::default()
    };
    if config.task != TaskKind::Classification {
        let (what, from) = match config.task {
            TaskKind::Regression => ("numbers", "a manifest of them"),
            TaskKind::Detection => ("boxes", "annotations"),
            TaskKind::Segmentation => ("masks", "files beside them"),
            TaskKind::Classification | TaskKind::MultiLabel => ("labels", "a manifest of them"),
        };
        let need = format!("classification: {what} of images are read from {from}");
        return bad("task", config.task.name(), &need);
    }
    if config.images != plain {
        return Err(TrainError::ImageSettings { data: config.data.clone() });
    }
    let mut data = load_data(&config.data)?;
    if let (Some(number), Some(of)) = (config.fold, config.folds) {
        data.hold_out_fold(number, of, config.seed)?;
    }
    Ok(data)
}

fn size([_, h, w]: [usize; 3]) -> String {
    format!("{h}×{w}")
}

impl Splits {
    /// What a model has seen that learns from these.
    pub(crate) fn provenance(&self) -> Provenance {
        Provenance {
            learnt_from: Fingerprints::of(self.train.fingerprints().into_iter().flatten()),
            chosen_on: Fingerprints::of(self.held_out.fingerprints().into_iter().flatten()),
        }
    }

    /// Leaves out of the images to measure on what is learnt from: by this run, and by the weights that it starts from. A note says how many those
    /// are, if there are any.
    ///
    /// # Errors
    /// [`TrainError::AllLearnt`] if nothing is left to measure on.
    pub(crate) fn hold_out(&mut self, started_from: &Provenance) -> Result<(), TrainError> {
        let before = &started_from.learnt_from;
        self.note_left_out(before, "the weights that this run starts from have learnt from")?;
        // A test over the built-in data shows that no image of it is in both parts.
        if self.name != MNIST || !matches!(self.train, Images::Memory(_)) {
            let own = Fingerprints::of(self.train.fingerprints().into_iter().flatten());
            self.note_left_out(&own, "there are training images of the same content as")?;
        }
        Ok(())
    }

    fn note_left_out(&mut self, learnt: &Fingerprints, why: &str) -> Result<(), TrainError> {
        let (all, kind) = (self.held_out.len(), self.measured.adjective());
        let left_out = self.leave_out(learnt)?;
        if left_out > 0 {
            self.notes.push(format!("{left_out} of the {all} {kind} images are not measured on: {why} them"));
        }
        Ok(())
    }

    /// Holds out a fold of the training images in the place of the images to measure on.
    fn hold_out_fold(&mut self, number: usize, of: usize, seed: u64) -> Result<(), TrainError> {
        let all = self.train.len();
        if all < of {
            return bad("folds", of, &format!("at most {all}, the number of training images"));
        }
        let mut by_class = vec![Vec::new(); self.classes.len()];
        (0..all).for_each(|i| by_class[self.train.target(i).class()].push(i));
        let rng = &mut Generator::keyed([seed, FOLD_STREAM, all as u64, of as u64]);
        // One after the other goes to the next fold, through all classes, so that folds differ by one image at most.
        let (mut held_out, mut rest, mut next) = (Vec::new(), Vec::new(), 0);
        for mut members in by_class {
            let n = members.len();
            for &mut member in rng.partial_shuffle(&mut members, n) {
                if next % of + 1 == number { &mut held_out } else { &mut rest }.push(member);
                next += 1;
            }
        }
        held_out.sort_unstable();
        rest.sort_unstable();
        self.held_out = self.train.at(&held_out);
        self.train = self.train.at(&rest);
        self.measured = Split::Val;
        self.notes.push(format!("fold {number} of {of} is held out, and the test images are left alone"));
        Ok(())
    }

    /// Leaves of the training images the fraction of each class that the settings use.
    pub(crate) fn use_fraction(&mut self, config: &ResolvedConfig) {
        if config.fraction < 1.0 {
            let all = self.train.len();
            self.train = self.train.fraction(config.fraction, self.classes.len(), config.seed);
            self.notes.push(format!("{} of the {all} training images are used (fraction)", self.train.len()));
        }
    }

    /// Leaves these out of the images to measure on, and says how many they were.
    ///
    /// # Errors
    /// [`TrainError::AllLearnt`] if nothing is left.
    pub(crate) fn leave_out(&mut self, learnt: &Fingerprints) -> Result<usize, TrainError> {
        if learnt.is_empty() {
            return Ok(0);
        }
        let all = self.held_out.len();
        let kept = self.held_out.filtered(|f| !learnt.contains(f));
        if kept.is_empty() && all > 0 {
            return Err(TrainError::AllLearnt { data: self.name.clone(), images: all });
        }
        let left_out = all - kept.len();
        if left_out > 0 {
            self.held_out = kept;
        }
        Ok(left_out)
    }

    /// Channels, height and width of the images.
    pub fn image_shape(&self) -> [usize; 3] {
        self.preprocessing.output_shape()
    }

    /// The preprocessing that makes these images fit a network: as they are, or with an even border of black.
    pub(crate) fn preprocessing_for(&self, network: &Plan) -> Result<Preprocessing, TrainError> {
        let [c, h, w] = self.image_shape();
        let [need_c, need_h, need_w] = network.input();
        let border = |have: usize, need: usize| need.checked_sub(have).filter(|d| d % 2 == 0).map(|d| d / 2);
        match (border(h, need_h), border(w, need_w)) {
            (Some(pad), Some(other)) if c == need_c && pad == other && pad <= MAX_BORDER => {
                Ok(Preprocessing { pad, ..self.preprocessing.clone() })
            }
            _ => Err(TrainError::ImageSize {
                model: network.title(),
                need: size(network.input()),
                data: self.name.clone(),
                got: size([c, h, w]),
            }),
        }
    }

    /// Whether the images are of the size that `preprocessing` was made for.
    pub fn check_size(&self, model: &str, preprocessing: &Preprocessing) -> Result<(), TrainError> {
        let [h, w] = preprocessing.size;
        let got = self.image_shape();
        if [got[1], got[2]] == [h, w] && got[0] == preprocessing.channels {
            return Ok(());
        }
        let need = size([preprocessing.channels, h, w]);
        Err(TrainError::ImageSize {
            model: striate_zoo::title_of(model),
            need,
            data: self.name.clone(),
            got: size(got),
        })
    }
}

/// The widest border that is still a matter of course: MNIST's 28×28 in a network for 32×32.
const MAX_BORDER: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_built_in_image_is_both_learnt_from_and_measured_on() {
        let data = load_data(MNIST).unwrap();
        let learnt = Fingerprints::of(data.train.fingerprints().into_iter().flatten());
        let measured: Vec<u64> = data.held_out.fingerprints().into_iter().flatten().collect();
        assert_eq!((measured.len(), learnt.len()), (10_000, 60_000));
        assert!(!measured.into_iter().any(|f| learnt.contains(f)));
    }

    #[test]
    fn what_is_learnt_from_is_not_measured_on() {
        let image = |value: u8| [value, value / 2, 0, 255];
        let pixels = |values: &[u8]| values.iter().flat_map(|&v| image(v)).collect::<Vec<u8>>();
        let images = |values: &[u8]| Images::Memory(ImageDataset::new(2, 2, 1, pixels(values), vec![0; values.len()]));
        let splits = |held_out: &[u8]| Splits {
            train: images(&[1, 2, 3]),
            held_out: images(held_out),
            name: "own".into(),
            ..load_data(MNIST).unwrap()
        };
        let before = Provenance {
            learnt_from: Fingerprints::of(images(&[7]).fingerprints().into_iter().flatten()),
            ..Provenance::default()
        };
        let mut data = splits(&[3, 7, 8, 9]);
        data.hold_out(&before).unwrap();
        assert_eq!(data.held_out.len(), 2);
        assert_eq!(data.held_out.fingerprints(), images(&[8, 9]).fingerprints());
        assert_eq!(data.notes.len(), 2, "{:?}", data.notes);
        assert!(matches!(splits(&[1, 7]).hold_out(&before), Err(TrainError::AllLearnt { images: 1, .. })));
        assert!(splits(&[8]).hold_out(&Provenance::default()).is_ok());
    }
}
