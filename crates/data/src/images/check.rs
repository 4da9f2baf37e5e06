//! [`CheckReport`]: the problems of a list of images, and what else is to be noted.

use super::list::{Entry, ImageList};
use super::names::{count, some};
use super::split::{SplitOptions, split_by};
use super::survey::{Examined, Survey};
use crate::annotations::{Issue, IssueKind, Issues, ObjectCount, PixelCount, check_masks, object_counts, pixel_counts};
use crate::error::DataError;
use crate::mask::VOID;
use crate::target::TargetKind;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use striate_imaging::{Split, shown};

/// How many times as many images the largest class may have before that is worth a line.
const IMBALANCE: usize = 3;

/// How many images of a class there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// Its images in all.
    pub images: usize,
    /// Its images in each split, by name.
    pub splits: BTreeMap<&'static str, usize>,
}

/// Smallest, median and largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: f64,
    /// The one in the middle of all, sorted.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Range {
        let mut all: Vec<f64> = values.collect();
        all.sort_by(f64::total_cmp);
        let at = |i: usize| all.get(i).copied().unwrap_or(0.0);
        Range { min: at(0), median: at(all.len() / 2), max: at(all.len().saturating_sub(1)) }
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is, in a word or two.
    pub kind: &'static str,
    /// Whether it is a problem: it would spoil a result, or no classifier can be trained.
    pub problem: bool,
    /// What it is, in a line.
    pub line: String,
    /// The images, in groups that belong together.
    pub groups: Vec<Vec<String>>,
    /// Each with its file and line, of what annotations say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// The same, as places in the list.
    #[serde(skip)]
    pub places: Vec<Vec<usize>>,
}

/// What is known of a list of images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckReport {
    /// The folder, manifest or archive.
    pub path: String,
    /// Images in all.
    pub images: usize,
    /// Those that cannot be read.
    pub unreadable: usize,
    /// How many there are of each class.
    pub classes: Vec<ClassCount>,
    /// How many objects there are of each class; empty for lists of other targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectCount>,
    /// How many pixels there are of each class; empty for lists of other targets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pixels: Vec<PixelCount>,
    /// Widths in pixels.
    pub width: Range,
    /// Heights in pixels.
    pub height: Range,
    /// Widths divided by heights.
    pub aspect: Range,
    /// Images of 1 channel.
    pub grey: usize,
    /// Images of 3 channels.
    pub colour: usize,
    /// Images of more than 8 bits per value.
    pub deep: usize,
    /// Images that the camera noted an orientation of, which is applied.
    pub turned: usize,
    /// The mean of each channel, of values 0 to 1, over the training images, or all of them without a split.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel.
    pub std: Vec<f32>,
    /// What was found, problems first.
    pub findings: Vec<Finding>,
    /// What was left out.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// What `survey` found in `list`; `threads` look for near duplicates.
    pub fn new(list: &ImageList, survey: &Survey, threads: usize) -> CheckReport {
        let good = || survey.images.iter().filter_map(|p| p.as_ref().ok());
        let side = |i: usize| good().map(move |p| p.size[i] as f64);
        let grey = good().filter(|p| p.channels == 1).count();
        let colour = good().count() - grey;
        let split = !list.splits().is_empty();
        let learnt = (0..list.entries.len()).filter(|&i| !split || list.entries[i].split == Some(Split::Train));
        let (mean, std) = survey.measure(learnt, if colour == 0 { 1 } else { 3 });
        let (issues, masks) = match list.kind {
            TargetKind::Mask => check_masks(list, threads),
            _ => (Issues::default(), Vec::new()),
        };
        let present: Vec<Cow<[usize]>> = match list.kind {
            TargetKind::Mask => masks.iter().map(|counts| present(counts.as_deref()).into()).collect(),
            _ => list.entries.iter().map(|entry| entry.target.classes()).collect(),
        };
        let classes = counts(list, &present);
        let mut findings = findings(list, survey, (&classes, &present), threads);
        for issues in [&list.issues, &issues] {
            findings.extend(of_issues(list, issues));
        }
        findings.sort_by_key(|f| !f.problem);
        let said: Vec<String> = list.issues.notes().collect();
        CheckReport {
            path: shown(&list.path),
            images: list.entries.len(),
            unreadable: survey.bad().len(),
            classes,
            objects: object_counts(list),
            pixels: if masks.is_empty() { Vec::new() } else { pixel_counts(list, &masks) },
            width: Range::of(side(1)),
            height: Range::of(side(0)),
            aspect: Range::of(good().map(|p| p.size[1] as f64 / p.size[0] as f64)),
            grey,
            colour,
            deep: good().filter(|p| p.deep).count(),
            turned: good().filter(|p| p.turned).count(),
            mean,
            std,
            findings,
            notes: list.notes.iter().filter(|note| !said.contains(note)).cloned().collect(),
        }
    }

    /// How many of the findings are problems.
    pub fn problems(&self) -> usize {
        self.findings.iter().filter(|f| f.problem).count()
    }
}

/// The classes that some pixel of a mask is of.
fn present(counts: Option<&[u64]>) -> Vec<usize> {
    let counts = counts.unwrap_or_default();
    (0..counts.len().min(usize::from(VOID))).filter(|&class| counts[class] > 0).collect()
}

/// What annotations say, a finding for each kind.
fn of_issues(list: &ImageList, issues: &Issues) -> Vec<Finding> {
    let places: BTreeMap<&str, usize> =
        list.entries.iter().enumerate().map(|(i, entry)| (entry.name.as_str(), i)).collect();
    let finding = |(kind, n): (IssueKind, usize)| {
        let of_kind = || issues.iter().filter(move |issue| issue.kind == kind);
        let details: Vec<String> = of_kind().map(Issue::line).collect();
        let mut images: Vec<&str> = of_kind().filter_map(|issue| issue.image.as_deref()).collect();
        images.sort();
        images.dedup();
        let first = details.first().map_or_else(String::new, |first| format!(" ({first})"));
        Finding {
            kind: kind.name(),
            problem: kind.is_problem(),
            line: format!("{}{first}", kind.line(n)),
            places: images.iter().filter_map(|name| places.get(name).map(|&i| vec![i])).collect(),
            groups: images.into_iter().map(|name| vec![name.to_string()]).collect(),
            details,
        }
    };
    issues.counts().map(finding).collect()
}

fn counts(list: &ImageList, present: &[Cow<[usize]>]) -> Vec<ClassCount> {
    let mut all: Vec<ClassCount> = list
        .classes
        .iter()
        .map(|class| ClassCount { class: class.clone(), images: 0, splits: BTreeMap::new() })
        .collect();
    for (entry, present) in list.entries.iter().zip(present) {
        for &class in present.iter() {
            all[class].images += 1;
            if let Some(split) = entry.split {
                *all[class].splits.entry(split.name()).or_default() += 1;
            }
        }
    }
    all
}

fn findings(
    list: &ImageList,
    survey: &Survey,
    (classes, present): (&[ClassCount], &[Cow<[usize]>]),
    threads: usize,
) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut add = |kind, problem, line: String, places: Vec<Vec<usize>>| {
        if !places.is_empty() {
            let name = |i: &usize| list.entries[*i].name.clone();
            let groups = places.iter().map(|g| g.iter().map(name).collect()).collect();
            all.push(Finding { kind, problem, line, groups, details: Vec::new(), places });
        }
    };
    let bad: Vec<(usize, &str)> = survey.bad();
    let reasons = bad.iter().take(3).map(|(_, reason)| *reason).collect::<Vec<_>>().join("; ");
    let each = |places: Vec<usize>| places.into_iter().map(|i| vec![i]).collect::<Vec<_>>();
    add(
        "unreadable",
        true,
        format!("{} cannot be read: {reasons}", count(bad.len(), "image")),
        each(bad.iter().map(|b| b.0).collect()),
    );

    let exact = survey.exact_duplicates();
    let all_near = survey.near_duplicates(threads);
    let near: Vec<Vec<usize>> = all_near.iter().filter(|g| !exact.contains(g)).cloned().collect();
    let entry = |i: usize| &list.entries[i];
    let differ = |g: &[usize], f: &dyn Fn(&Entry, &Entry) -> bool| g.iter().any(|&i| f(entry(i), entry(g[0])));
    let labels = |g: &[usize]| differ(g, &|a, b| a.target != b.target);
    let splits = |g: &[usize]| differ(g, &|a, b| a.split != b.split);
    // Boxes of near duplicates differ as their pixels do, and a mask is in a file of its own.
    let told = |same: &str| match list.kind {
        TargetKind::Mask => false,
        TargetKind::Objects => same == "the same bytes",
        _ => true,
    };
    for (groups, same) in [(&exact, "the same bytes"), (&near, "nearly the same pixels")] {
        let chosen = |f: &dyn Fn(&[usize]) -> bool| groups.iter().filter(|g| f(g)).cloned().collect::<Vec<_>>();
        let labels = |g: &[usize]| told(same) && labels(g);
        let two_labels = chosen(&labels);
        let line = format!("{} of images with {same} under two labels", count(two_labels.len(), "group"));
        add("two labels", true, line, two_labels);
        let across = chosen(&|g| splits(g));
        let line =
            format!("{} of images with {same} in two splits: results will look too good", count(across.len(), "group"));
        add("across splits", true, line, across);
        let within = chosen(&|g| !splits(g) && !labels(g));
        let line = format!("{} of images with {same}", count(within.len(), "group"));
        add("duplicates", false, line, within);
    }

    let of = |f: &dyn Fn(&Examined) -> bool| {
        let matches = |(i, p): (usize, &Result<Examined, String>)| p.as_ref().is_ok_and(f).then_some(i);
        survey.images.iter().enumerate().filter_map(matches).collect::<Vec<_>>()
    };
    let misnamed = of(&|p| p.misnamed.is_some());
    let pair = misnamed.first().map_or_else(String::new, |&i| {
        let what = survey.images[i].as_ref().ok().and_then(|p| p.misnamed).unwrap_or_default();
        format!("{} is a {} file", shown(&entry(i).name), what.to_uppercase())
    });
    let line = match misnamed.len() {
        1 => format!("1 file has the ending of another format: {pair}"),
        n => format!("{n} files have the ending of another format: {pair}"),
    };
    add("misnamed", false, line, each(misnamed));
    let (grey, colour) = (of(&|p| p.channels == 1), of(&|p| p.channels == 3));
    if !grey.is_empty() && !colour.is_empty() {
        let (rarer, what) = if grey.len() < colour.len() { (grey, "grey") } else { (colour, "in colour") };
        add("mixed", false, format!("{} {what} among others that are not", count(rarer.len(), "image")), each(rarer));
    }
    let mut say = |kind, problem, line| {
        all.push(Finding { kind, problem, line, groups: Vec::new(), details: Vec::new(), places: Vec::new() });
    };
    let largest = classes.iter().map(|c| c.images).max().unwrap_or(0);
    if let Some(smallest) = classes.iter().min_by_key(|c| c.images)
        && largest >= IMBALANCE * smallest.images
    {
        let (name, n) = (shown(&smallest.class), count(smallest.images, "image"));
        say(
            "imbalance",
            false,
            format!("class {name} has {n}, the largest class {largest}: rare classes can be drawn more often"),
        );
    }
    for line in refusals(list, survey, &all_near, present) {
        say("no training", true, line);
    }
    all
}

/// Why no classifier could be trained on the list as it is.
fn refusals(list: &ImageList, survey: &Survey, near: &[Vec<usize>], present: &[Cow<[usize]>]) -> Vec<String> {
    if let Err(error) = list.for_training() {
        return vec![reason(&error)];
    }
    let splits = list.splits();
    if splits.is_empty() {
        let split = split_by(&mut list.clone(), survey, near, &SplitOptions::default(), &|_| None);
        return split.err().iter().map(reason).collect();
    }
    let mut lines = Vec::new();
    if !splits.contains(&Split::Train) {
        lines.push("there are no images to learn from".into());
    } else {
        let good = |i: usize| survey.images[i].is_ok() && list.entries[i].split == Some(Split::Train);
        let has = |label: usize| (0..list.entries.len()).any(|i| present[i].contains(&label) && good(i));
        let without: Vec<&String> = (0..list.classes.len()).filter(|&l| !has(l)).map(|l| &list.classes[l]).collect();
        match without.len() {
            0 => {}
            1 => lines.push(format!("class {} has no images to learn from", some(&without))),
            n => lines.push(format!("{n} classes have no images to learn from: {}", some(&without))),
        }
    }
    if splits == [Split::Train] {
        lines.push("there are no images to measure on: every image is for training".into());
    }
    lines
}

/// An error without the path, which a report names once.
fn reason(error: &DataError) -> String {
    match error {
        DataError::Images { reason, .. } | DataError::Split { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}
