//! Images of a folder, made ready for a run: read once, split if need be, and written down for the runs that go on.

use crate::config::{ResolvedConfig, TaskKind};
use crate::data::{Images, Splits, Validation, Wanted, Watch};
use crate::error::TrainError;
use crate::evaluate::HeldOut;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use striate_data::images::{
    BadImage, CacheKind, DataKind, Entry, Fold, ImageList, ListOptions, SplitOptions, Survey, fingerprints, fold,
    read_moved_run_list, some, split, survey, text_path, write_run_list,
};
use striate_data::{DataError, Object, Target, TargetKind};
use striate_imaging::{DecodeOptions, Filter, Fit, Preprocessing, Split, for_channels, shown};
use striate_model::ModelCard;
use striate_tensor::num_threads;

/// The largest side that images of one size keep, and the side of others.
const OWN_SIZE_LIMIT: usize = 96;
const USUAL_SIZE: usize = 96;

/// The files of a run's directory that hold its images' names and their preprocessing.
pub const IMAGES: &str = "images.csv";
pub(crate) const PREPROCESSING: &str = "preprocessing.json";

/// Whether `path` is for this module: anything but a directory of idx files.
pub fn are_images(path: &Path) -> bool {
    path.exists() && !DataKind::of(path).is_ok_and(|kind| kind == DataKind::Idx)
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "images".into(), shown)
}

/// How the list of images is read that these settings name.
fn list_options(config: &ResolvedConfig) -> ListOptions {
    ListOptions {
        path_column: config.images.path_column.clone(),
        label_column: config.images.label_column.clone(),
        target: target_kind(config.task),
        attribute_column: None,
    }
}

/// The images of a new run, as the network wants them; `watch` hears how far the look at all images has come.
pub fn open(config: &ResolvedConfig, wanted: Wanted, watch: &Watch) -> Result<Splits, TrainError> {
    let path = &text_path(&config.data);
    let settings = &config.images;
    let mut list = ImageList::open_with(path, &list_options(config))?;
    list.for_training()?;
    let decoding = DecodeOptions { background: settings.background, ..DecodeOptions::default() };
    let seen = AtomicUsize::new(0);
    let found = survey(&list, &decoding, num_threads(), &|_| {
        watch(seen.fetch_add(1, Ordering::Relaxed) + 1, list.entries.len());
    });
    list.set_fingerprints(&found);
    let mut notes = std::mem::take(&mut list.notes);
    let bad = set_aside(&list, &found, settings.max_bad)?;
    warn_of_leaks(&list, &found, &mut notes);
    if let (Some(number), Some(of)) = (config.fold, config.folds) {
        let near_duplicates = !settings.split_near_duplicates;
        fold(&mut list, &found, Fold { number, of, seed: config.seed, near_duplicates }, num_threads())?;
        notes.push(format!("fold {number} of {of} is held out"));
    } else if list.splits().is_empty() {
        let how = SplitOptions {
            fraction: settings.val,
            seed: config.seed,
            near_duplicates: !settings.split_near_duplicates,
        };
        let side = |fingerprint| wanted.started_from.side(fingerprint);
        match split(&mut list, &found, &how, &side, num_threads()) {
            Ok(more) => notes.extend(more),
            Err(error @ DataError::Split { .. }) if wanted.validation == Validation::Optional => {
                list.entries.iter_mut().for_each(|e| e.split = Some(Split::Train));
                notes.push(format!("nothing is held out: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        let held_out = list.entries.iter().filter(|e| e.split == Some(Split::Val)).count();
        notes.extend((held_out > 0).then(|| format!(
            "no split given: {held_out} of {} images are held out to measure on, near duplicates on one side ({IMAGES} in the run's \
             directory says which)",
            list.entries.len()
        )));
    }
    let preprocessing = preprocessing(config, &list, &found, wanted, &mut notes);
    let kept: Vec<usize> = (0..list.entries.len()).filter(|&i| found.images[i].is_ok()).collect();
    list.entries = kept.into_iter().map(|i| list.entries[i].clone()).collect();
    let mut splits = assemble(stem(path), &list, preprocessing, settings.cache.kind()?, wanted.validation)?;
    splits.notes = notes;
    splits.bad = bad;
    Ok(splits)
}

/// What cannot be read; an error if that is more than `max_bad` of all.
fn set_aside(list: &ImageList, found: &Survey, max_bad: f64) -> Result<Vec<BadImage>, TrainError> {
    let bad: Vec<BadImage> = found
        .bad()
        .into_iter()
        .map(|(i, reason)| BadImage { path: list.entries[i].source.path(), reason: reason.to_string() })
        .collect();
    let (n, all) = (bad.len(), list.entries.len());
    if n as f64 > max_bad * all as f64 {
        let reasons = some(&bad.iter().map(|b| b.reason.as_str()).collect::<Vec<_>>());
        let reason =
            format!("{n} of {all} images cannot be used, more than max_bad {}% allows: {reasons}", 100.0 * max_bad);
        return Err(DataError::Images { path: list.path.clone(), reason }.into());
    }
    Ok(bad)
}

/// Notes images that are in two splits, or under two labels.
fn warn_of_leaks(list: &ImageList, found: &Survey, notes: &mut Vec<String>) {
    let name = |i: &usize| list.entries[*i].name.as_str();
    let (mut shared, mut twice) = (Vec::new(), Vec::new());
    for group in found.exact_duplicates() {
        let first = &list.entries[group[0]];
        let differ = |f: &dyn Fn(&Entry) -> bool| group.iter().any(|&i| f(&list.entries[i]));
        let pair = || group.iter().take(2).map(name).collect::<Vec<_>>().join(" = ");
        if differ(&|e| e.split != first.split) {
            shared.push(pair());
        }
        if differ(&|e| e.target != first.target) {
            twice.push(pair());
        }
    }
    for (pairs, what) in [(shared, "in two splits, so that results will look too good"), (twice, "under two labels")] {
        if !pairs.is_empty() {
            let times = if pairs.len() == 1 { "1 image is".to_string() } else { format!("{} images are", pairs.len()) };
            notes.push(format!("{times} {what}: {}", some(&pairs)));
        }
    }
}

/// How the images become the network's input: their own size if it is one and small, or what is set or needed.
fn preprocessing(
    config: &ResolvedConfig,
    list: &ImageList,
    found: &Survey,
    wanted: Wanted,
    notes: &mut Vec<String>,
) -> Preprocessing {
    let settings = &config.images;
    let good = || found.images.iter().filter_map(|p| p.as_ref().ok());
    let all_grey = good().all(|p| p.channels == 1);
    let own_channels = if all_grey { 1 } else { 3 };
    // With a backbone images keep their channels, but for the networks that take grey ones alone.
    let needed = wanted.input.map(|i| i[0]).filter(|&c| wanted.backbone.is_none() || c == 1);
    let channels = settings.channels.or(needed).unwrap_or(own_channels);
    let first = good().next().map(|p| p.size);
    let own = first.filter(|size| good().all(|p| p.size == *size) && size.iter().all(|&s| s <= OWN_SIZE_LIMIT));
    // A classifier's images are too small for objects and masks.
    let same_task = |b: &&Preprocessing| !config.task.is_dense() || matches!(b.fit, Fit::Letterbox { .. });
    let size = match (settings.size, wanted.backbone.filter(same_task), wanted.input) {
        (Some(side), ..) => [side; 2],
        (None, Some(backbone), _) => backbone.size,
        (None, None, Some([_, h, w])) => [h, w],
        (None, None, None) => own.unwrap_or([USUAL_SIZE; 2]),
    };
    let side = size[0].min(size[1]);
    let mut sides: Vec<usize> = good().map(|p| p.size[0].min(p.size[1])).collect();
    sides.sort_unstable();
    if let Some(&usual) = sides.get(sides.len() / 2).filter(|&&usual| settings.size.is_none() && side >= 2 * usual) {
        notes.push(format!(
            "the images have {usual} pixels a side (the median), and the network sees them scaled up to {side}: a smaller size is \
             faster, where the network takes it"
        ));
    }
    if config.task.is_dense() {
        let train = (0..list.entries.len()).filter(|&i| list.entries[i].split == Some(Split::Train));
        let (mean, std) = match wanted.backbone {
            Some(b) => (for_channels(&b.mean, channels), for_channels(&b.std, channels)),
            None => found.measure(train, channels),
        };
        let filter = settings.filter.unwrap_or_default();
        let fit = Fit::Letterbox { fill: None };
        return Preprocessing { filter, light_on_dark: false, mean, std, ..Preprocessing::new(channels, size, fit) };
    }
    let shorter = match wanted.backbone {
        // Small images of one size are cut out already: enlarged, they lose nothing.
        Some(_) if own.is_some_and(|[h, w]| h == w) => side,
        Some(Preprocessing { fit: Fit::Crop { shorter }, size: [h, w], .. }) => {
            (shorter * side).div_ceil((*h).min(*w)).max(side)
        }
        // As an image of 256 gives one of 224; images of that size already lose nothing.
        _ if own == Some(size) => side,
        _ => (side * 8).div_ceil(7),
    };
    let fit = Fit::Crop { shorter: shorter.max(size[0].max(size[1])) };
    let train = (0..list.entries.len()).filter(|&i| list.entries[i].split == Some(Split::Train));
    let (filter, (mean, std)) = match wanted.backbone {
        Some(b) => (b.filter, (for_channels(&b.mean, channels), for_channels(&b.std, channels))),
        None => (Filter::default(), found.measure(train, channels)),
    };
    Preprocessing {
        filter: settings.filter.unwrap_or(filter),
        light_on_dark: false,
        mean,
        std,
        ..Preprocessing::new(channels, size, fit)
    }
}

/// Training images, and those to measure on: of `val`, or else of `test`.
fn assemble(
    name: String,
    list: &ImageList,
    preprocessing: Preprocessing,
    cache: CacheKind,
    validation: Validation,
) -> Result<Splits, TrainError> {
    let no_test = validation == Validation::Optional && list.splits() == [Split::Train];
    let measured = if no_test || list.splits().contains(&Split::Val) { Split::Val } else { Split::Test };
    let entries = |split: Split| {
        let entries = list.of(split);
        if entries.is_empty() && !(no_test && split == measured) {
            let splits = list.splits().iter().map(|s| s.name()).collect::<Vec<_>>().join(" and ");
            let reason = format!("there are no {split} images, only {splits}");
            return Err(TrainError::from(DataError::Images { path: list.path.clone(), reason }));
        }
        Ok(Images::Files { entries, cache: cache.clone() })
    };
    let written = written(&preprocessing);
    Ok(Splits {
        name,
        kind: list.kind,
        classes: list.classes.clone(),
        train: entries(Split::Train)?,
        held_out: entries(measured)?,
        measured,
        preprocessing,
        notes: Vec::new(),
        weights: Vec::new(),
        bad: Vec::new(),
        run_files: vec![(IMAGES, write_run_list(list)), (PREPROCESSING, written)],
    })
}

/// What a run's directory holds of its preprocessing.
pub(crate) fn written(preprocessing: &Preprocessing) -> Vec<u8> {
    serde_json::to_vec_pretty(preprocessing).expect("preprocessing is plain values")
}

/// Reads what [`written`] gave.
pub(crate) fn read_preprocessing(run: &Path) -> Result<Preprocessing, TrainError> {
    let file = run.join(PREPROCESSING);
    let text = std::fs::read(&file).map_err(|e| TrainError::io("read", &file, e))?;
    serde_json::from_slice(&text).map_err(|e| TrainError::Config { path: file, reason: e.to_string() })
}

/// The images of a run that goes on, as its directory says; they lay in `before` when it began.
pub fn reopen(config: &ResolvedConfig, run: &Path, before: &Path) -> Result<Splits, TrainError> {
    let preprocessing = read_preprocessing(run)?;
    let data = &text_path(&config.data);
    let mut list = read_moved_run_list(&run.join(IMAGES), data, before)?;
    let notes = std::mem::take(&mut list.notes);
    let mut splits = assemble(stem(data), &list, preprocessing, config.images.cache.kind()?, Validation::Required)?;
    splits.notes = notes;
    Ok(splits)
}

/// The images to measure a model on: those of `data` that it has not learnt from. Classes, labels and numbers are found by name.
pub fn to_measure(data: &Path, card: &ModelCard, options: &ListOptions, watch: &Watch) -> Result<HeldOut, TrainError> {
    let outputs = &card.classes;
    let mut options = ListOptions { target: target_kind(card.task.kind()), ..options.clone() };
    if options.target == TargetKind::Numbers && options.label_column.is_none() {
        options.label_column = Some(outputs.join(","));
    }
    let mut list = ImageList::open_with(data, &options)?;
    let known = |name: &String| outputs.iter().position(|c| c == name);
    let unknown: Vec<String> = list.classes.iter().filter(|c| known(c).is_none()).map(|c| format!("'{c}'")).collect();
    if !unknown.is_empty() {
        let what = if list.kind == TargetKind::Class { "classes" } else { "outputs" };
        let reason = format!(
            "the model knows no {} of the name {}; its {what} are {}",
            card.task.output(),
            some(&unknown),
            some(outputs)
        );
        return Err(DataError::Images { path: data.to_path_buf(), reason }.into());
    }
    if list.kind == TargetKind::Mask && list.classes != *outputs {
        let reason = format!("its classes are {}, those of the model {}", some(&list.classes), some(outputs));
        return Err(DataError::Images { path: data.to_path_buf(), reason }.into());
    }
    let splits = list.splits();
    let measured = [Split::Test, Split::Val].into_iter().find(|s| splits.contains(s));
    let mut notes = std::mem::take(&mut list.notes);
    if let Some(split) = measured.filter(|_| splits.len() > 1) {
        notes.push(format!("measured on the {split} images"));
    }
    list.entries.retain(|e| measured.is_none_or(|split| e.split == Some(split)));
    let seen = AtomicUsize::new(0);
    let found = fingerprints(&list, &card.preprocessing.decoding(), num_threads(), &|_| {
        watch(seen.fetch_add(1, Ordering::Relaxed) + 1, list.entries.len());
    });
    let places: Vec<usize> = list.classes.iter().map(|name| known(name).expect("all are known")).collect();
    let (mut entries, mut bad) = (Vec::new(), Vec::new());
    for (entry, found) in list.entries.into_iter().zip(found) {
        match found {
            Ok(fingerprint) => {
                let target = as_outputs(&entry.target, &places, outputs.len());
                entries.push(Entry { target, fingerprint: Some(fingerprint), ..entry });
            }
            Err(reason) => bad.push(BadImage { path: entry.source.path(), reason }),
        }
    }
    if let (true, Some(first)) = (entries.is_empty(), bad.first()) {
        let reason = format!("none of its {} images can be read: {}", bad.len(), first.reason);
        return Err(DataError::Images { path: data.to_path_buf(), reason }.into());
    }
    let images = Images::Files { entries, cache: CacheKind::None };
    let held_out = Splits {
        name: stem(data),
        kind: list.kind,
        classes: outputs.to_vec(),
        train: images.clone(),
        held_out: images,
        measured: measured.unwrap_or_default(),
        preprocessing: card.preprocessing.clone(),
        notes,
        weights: Vec::new(),
        bad,
        run_files: Vec::new(),
    };
    HeldOut::of(held_out, card)
}

/// What the samples of a task have.
pub fn target_kind(task: TaskKind) -> TargetKind {
    match task {
        TaskKind::Classification => TargetKind::Class,
        TaskKind::MultiLabel => TargetKind::Labels,
        TaskKind::Regression => TargetKind::Numbers,
        TaskKind::Detection => TargetKind::Objects,
        TaskKind::Segmentation => TargetKind::Mask,
    }
}

/// A target of data as one of a model's `outputs`, given at which of them each of the data's classes, labels or columns is.
fn as_outputs(target: &Target, places: &[usize], outputs: usize) -> Target {
    match target {
        Target::Class(class) => Target::Class(places[*class]),
        Target::Labels { has, .. } => {
            let mut has: Vec<usize> = has.iter().map(|&i| places[i]).collect();
            has.sort_unstable();
            Target::Labels { has, of: outputs }
        }
        Target::Objects(objects) => {
            let known = |o: &Object| Object { class: places[o.class], ..o.clone() };
            Target::Objects(objects.iter().map(known).collect())
        }
        Target::Mask(mask) => Target::Mask(mask.clone()),
        Target::Numbers(numbers) => {
            let mut ordered = vec![f32::NAN; outputs];
            places.iter().zip(numbers).for_each(|(&place, &x)| ordered[place] = x);
            Target::Numbers(ordered)
        }
    }
}

/// A network for colour images of any size, where none is asked for: a stem that brings large ones to about 48 pixels, then three residual
/// parts of 32, 64 and 128 channels.
pub fn default_network(task: TaskKind, [_, h, w]: [usize; 3]) -> String {
    match task {
        TaskKind::Detection => return "resnet18 + fpn 64 + fcos".into(),
        TaskKind::Segmentation => return "unet 32".into(),
        TaskKind::Classification | TaskKind::MultiLabel | TaskKind::Regression => {}
    }
    let mut layers = vec!["conv 32 3 padding same nobias, batchnorm, relu".to_string()];
    let mut side = h.min(w);
    while side > 48 {
        layers.push("conv 32 3 stride 2 padding 1 nobias, batchnorm, relu".to_string());
        side = side.div_ceil(2);
    }
    for (channels, first) in [(32, "padding same"), (64, "stride 2 padding 1"), (128, "stride 2 padding 1")] {
        layers.push(format!(
            "residual(conv {channels} 3 {first} nobias, batchnorm, relu, conv {channels} 3 padding same nobias, batchnorm), relu"
        ));
    }
    layers.push("globalavgpool, linear".to_string());
    layers.join(", ")
}
