//! A split for lists that have none: the side of an image depends on its content and the seed, not on its place.

use super::fingerprint::first;
use super::list::ImageList;
use super::names::{count, some};
use super::survey::{Groups, Survey};
use crate::error::{DataError, SplitCause};
use crate::mask::Mask;
use crate::target::{Target, TargetKind};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use striate_imaging::{Split, shown};

/// How a list is split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitOptions {
    /// The fraction of each class that is held out, between 0 and 1.
    pub fraction: f64,
    /// What the sides come from, with the contents of the images.
    pub seed: u64,
    /// Whether near duplicates stay on one side. Without, results look better than they are.
    pub near_duplicates: bool,
}

impl Default for SplitOptions {
    /// A fifth is held out, near duplicates on one side.
    fn default() -> Self {
        SplitOptions { fraction: 0.2, seed: 0, near_duplicates: true }
    }
}

/// Tells what is held out: about `options.fraction` of each class, and of every class at least one image and not all. Images whose contents
/// are equal, that the list puts into one group or, if asked for, that are nearly the same stay on one side. `known` gives the side of
/// images by their fingerprints where that is fixed, as it is for those that a model has learnt from.
///
/// A side comes from the content of an image, or of one image of a group, and the seed: images that are added move no others, except where
/// a class has so few that one of them had to be moved for it to have images on both sides.
///
/// Gives notes. Fingerprints are put into the list.
///
/// # Errors
/// If a class cannot have images on both sides, or the fraction is not between 0 and 1.
///
/// # Panics
/// If the survey is of another list.
pub fn split(
    list: &mut ImageList,
    survey: &Survey,
    options: &SplitOptions,
    known: &dyn Fn(u64) -> Option<Split>,
    threads: usize,
) -> Result<Vec<String>, DataError> {
    let near = if options.near_duplicates { survey.near_duplicates(threads) } else { Vec::new() };
    split_by(list, survey, &near, options, known)
}

/// As [`split`], with the groups of near duplicates known.
pub(super) fn split_by(
    list: &mut ImageList,
    survey: &Survey,
    near: &[Vec<usize>],
    options: &SplitOptions,
    known: &dyn Fn(u64) -> Option<Split>,
) -> Result<Vec<String>, DataError> {
    if !(options.fraction > 0.0 && options.fraction < 1.0) {
        let reason = format!("a fraction of {} cannot be held out: it must lie between 0 and 1", options.fraction);
        return Err(DataError::images(&list.path, reason));
    }
    list.set_fingerprints(survey);
    let mut division = Division::new(list, near, options, known);
    division.give_each_class_both();
    division.check()?;
    let notes = division.notes();
    let sides: Vec<(Split, Vec<usize>)> = division.units.into_iter().map(|u| (u.side, u.members)).collect();
    for (side, members) in sides {
        members.into_iter().for_each(|i| list.entries[i].split = Some(side));
    }
    Ok(notes)
}

/// The first 8 bytes of a SHA-256 of these numbers.
fn keyed(use_of: &[u8], numbers: &[u64]) -> u64 {
    let mut hash = Sha256::new_with_prefix(use_of);
    numbers.iter().for_each(|n| hash.update(n.to_le_bytes()));
    first(hash.finalize().into())
}

/// Images that stay on one side.
pub(super) struct Unit {
    pub members: Vec<usize>,
    /// How many of the images that can be read are of which class.
    pub classes: BTreeMap<usize, usize>,
    /// What an order by chance goes by.
    pub key: u64,
    fixed: bool,
    side: Split,
}

struct Division<'a> {
    list: &'a ImageList,
    near: &'a [Vec<usize>],
    units: Vec<Unit>,
    /// For each class the units that it is in, those with the smallest key first.
    of_class: Vec<Vec<usize>>,
    /// How many images of each class can be read.
    counts: Vec<usize>,
    options: &'a SplitOptions,
}

/// Groups of a list's images.
pub(super) fn groups(list: &ImageList, near: &[Vec<usize>]) -> Groups {
    let mut groups = Groups::new(list.entries.len());
    for group in near {
        group.windows(2).for_each(|w| groups.join(w[0], w[1]));
    }
    let (mut named, mut same) = (BTreeMap::<&str, usize>::new(), BTreeMap::<u64, usize>::new());
    for (i, entry) in list.entries.iter().enumerate() {
        if let Some(group) = &entry.group {
            groups.join(*named.entry(group).or_insert(i), i);
        }
        if let Some(fingerprint) = entry.fingerprint {
            groups.join(*same.entry(fingerprint).or_insert(i), i);
        }
    }
    groups
}

impl<'a> Division<'a> {
    fn new(
        list: &'a ImageList,
        near: &'a [Vec<usize>],
        options: &'a SplitOptions,
        known: &dyn Fn(u64) -> Option<Split>,
    ) -> Division<'a> {
        let side_of = |i: usize| match list.entries[i].fingerprint.and_then(known) {
            Some(Split::Train) => Some(Split::Train),
            Some(_) => Some(Split::Val),
            None => None,
        };
        let mut units = Vec::new();
        for group in groups(list, near).all() {
            // What was learnt from draws its like to its side; what was held out stays held out all the same.
            let learnt = group.iter().any(|&i| side_of(i) == Some(Split::Train));
            let (held, rest): (Vec<usize>, Vec<usize>) =
                group.into_iter().partition(|&i| learnt && side_of(i) == Some(Split::Val));
            for members in [held, rest].into_iter().filter(|m| !m.is_empty()) {
                let fixed = members.iter().filter_map(|&i| side_of(i)).min();
                units.push(Unit::new(list, members, fixed, options.seed));
            }
        }
        let mut counts = vec![0; list.classes.len()];
        let mut of_class = vec![Vec::new(); list.classes.len()];
        for (u, unit) in units.iter().enumerate() {
            for (&class, &n) in &unit.classes {
                counts[class] += n;
                of_class[class].push(u);
            }
        }
        of_class.iter_mut().for_each(|of| of.sort_by_key(|&u| units[u].key));
        let mut division = Division { list, near, units, of_class, counts, options };
        for u in 0..division.units.len() {
            let unit = &division.units[u];
            // As parts of 2^64, of which `f64` knows 53 bits.
            let drawn = (unit.key as f64) < options.fraction * 2f64.powi(64);
            if !unit.fixed && drawn && !division.is_most(u) {
                division.units[u].side = Split::Val;
            }
        }
        division
    }

    /// Whether the unit holds most of a class that has others, so that little would be left to learn from.
    fn is_most(&self, u: usize) -> bool {
        let most = self.options.fraction.max(0.5);
        self.units[u].classes.iter().any(|(&c, &n)| n < self.counts[c] && n as f64 > most * self.counts[c] as f64)
    }

    fn on(&self, class: usize, side: Split) -> usize {
        self.of_class[class].iter().filter(|&&u| self.units[u].side == side).count()
    }

    /// Moves units of classes that are all on one side, the ones that come first or last by their keys.
    fn give_each_class_both(&mut self) {
        for _ in 0..2 {
            for class in 0..self.of_class.len() {
                for (lacks, has) in [(Split::Val, Split::Train), (Split::Train, Split::Val)] {
                    if self.on(class, lacks) > 0 {
                        continue;
                    }
                    let may_go = |u: &usize| {
                        let unit = &self.units[*u];
                        !unit.fixed
                            && unit.classes.keys().all(|&c| self.on(c, has) > 1 || self.on(c, lacks) == 0 && c != class)
                    };
                    let mut able: Vec<usize> = self.of_class[class].iter().copied().filter(may_go).collect();
                    if lacks == Split::Train {
                        able.reverse();
                    } else {
                        able.sort_by_key(|&u| self.is_most(u));
                    }
                    if let Some(&u) = able.first() {
                        self.units[u].side = lacks;
                    }
                }
            }
        }
    }

    fn check(&self) -> Result<(), DataError> {
        if self.list.kind != TargetKind::Class {
            return self.check_sides();
        }
        let stuck = |&c: &usize| self.on(c, Split::Train) == 0 || self.on(c, Split::Val) == 0;
        let stuck: Vec<usize> = (0..self.list.classes.len()).filter(stuck).collect();
        let Some(&class) = stuck.first() else { return Ok(()) };
        let (cause, why) = self.why(class);
        let others = match stuck.len() {
            1 => String::new(),
            n => format!(" (and {})", count(n - 1, "more class")),
        };
        let way = match cause {
            SplitCause::TooFew => "add images, or give a manifest with a split column",
            SplitCause::Alike => "split by image even so, or give a manifest with a split column",
            SplitCause::Same => "add images that differ",
            SplitCause::Group | SplitCause::Known => "give a manifest with a split column",
        };
        let name = shown(&self.list.classes[class]);
        let reason = format!("class '{name}'{others} cannot be split: {why}; {way}");
        Err(DataError::Split { path: self.list.path.clone(), reason, cause })
    }

    /// Whether there are images on both sides. A rare label may be on one.
    fn check_sides(&self) -> Result<(), DataError> {
        let has = |side: Split| self.units.iter().any(|unit| unit.side == side);
        if has(Split::Train) && has(Split::Val) {
            return Ok(());
        }
        let n = count(self.list.entries.len(), "image");
        let reason = format!("the {n} cannot be split: add images that differ, or give a manifest with a split column");
        Err(DataError::Split { path: self.list.path.clone(), reason, cause: SplitCause::TooFew })
    }

    fn why(&self, class: usize) -> (SplitCause, String) {
        let entries = &self.list.entries;
        let members: Vec<usize> = (0..entries.len())
            .filter(|&i| entries[i].target.classes().contains(&class) && entries[i].fingerprint.is_some())
            .collect();
        let n = members.len();
        let first = match members.first() {
            None => return (SplitCause::TooFew, "it has no image that can be read, 2 are needed".into()),
            Some(only) if n == 1 => {
                let name = shown(&entries[*only].name);
                return (SplitCause::TooFew, format!("it has 1 image, {name}, and 2 are needed"));
            }
            Some(&first) => first,
        };
        let other = members[1..].iter().copied().find(|&i| entries[i].fingerprint != entries[first].fingerprint);
        let pair = |other: usize| format!("{} and {}", shown(&entries[first].name), shown(&entries[other].name));
        let Some(other) = other else {
            return (
                SplitCause::Same,
                format!("all its {n} images have the same pixels, such as {}", pair(members[1])),
            );
        };
        if let [one] = self.of_class[class][..] {
            let group =
                entries[first].group.as_ref().filter(|g| members.iter().all(|&i| entries[i].group.as_ref() == Some(g)));
            if let Some(group) = group {
                return (SplitCause::Group, format!("all its {n} images are in the group '{}'", shown(group)));
            }
            // A pair that is near by itself, not through others.
            let mut near = Groups::new(entries.len());
            for group in self.near {
                group.windows(2).for_each(|w| near.join(w[0], w[1]));
            }
            let alike = near.all().into_iter().any(|g| members.iter().all(|i| g.binary_search(i).is_ok()));
            if self.options.near_duplicates && (alike || !self.near.is_empty()) && !self.units[one].fixed {
                let line =
                    format!("all its {n} images are nearly the same, such as {}, and stay on one side", pair(other));
                return (SplitCause::Alike, line);
            }
        }
        if self.of_class[class].iter().all(|&u| self.units[u].fixed) {
            let line = format!("the model has met all its {n} images, and none is new or none was held out");
            return (SplitCause::Known, line);
        }
        (SplitCause::Group, format!("groups keep its {n} images together, or with those of other classes"))
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let fixed: usize = self.units.iter().filter(|u| u.fixed).map(|u| u.members.len()).sum();
        if fixed > 0 {
            notes.push(format!("{} the model has met before stay on the side they were on", count(fixed, "image")));
        }
        if matches!(self.list.kind, TargetKind::Objects | TargetKind::Mask) {
            for side in [Split::Train, Split::Val] {
                let missing = |&c: &usize| !self.of_class[c].is_empty() && self.on(c, side) == 0;
                let missing: Vec<&String> =
                    (0..self.counts.len()).filter(missing).map(|c| &self.list.classes[c]).collect();
                if !missing.is_empty() {
                    notes.push(format!("{side} has no images of {}: too few have them", some(&missing)));
                }
            }
        }
        let far = |&c: &usize| {
            let n = self.counts[c];
            let held = |u: &usize| if self.units[*u].side == Split::Val { self.units[*u].classes[&c] } else { 0 };
            let held: usize = self.of_class[c].iter().map(held).sum();
            n >= 10 && (held as f64 / n as f64 - self.options.fraction).abs() > 0.25
        };
        let far: Vec<&String> = (0..self.counts.len()).filter(far).map(|c| &self.list.classes[c]).collect();
        if !far.is_empty() {
            notes.push(format!(
                "the fraction held out of {} is far from {:.0}%: groups and near duplicates stay on one side",
                some(&far),
                100.0 * self.options.fraction
            ));
        }
        notes
    }
}

/// The classes that an image counts for. Numbers, and masks that would have to be read for them, are split as if all images were of one class.
fn strata(target: &Target) -> Cow<'_, [usize]> {
    match target {
        Target::Numbers(_) => Cow::Borrowed(&[0]),
        Target::Mask(mask @ (Mask::File(_) | Mask::Shapes(_))) => mask.present().unwrap_or(Cow::Borrowed(&[0])),
        Target::Mask(Mask::Classes(_)) => Cow::Borrowed(&[0]),
        other => other.classes(),
    }
}

impl Unit {
    pub fn new(list: &ImageList, members: Vec<usize>, fixed: Option<Split>, seed: u64) -> Unit {
        // An image that cannot be read has nothing but its name.
        let content = |i: &usize| {
            let entry = &list.entries[*i];
            entry.fingerprint.unwrap_or_else(|| first(Sha256::digest(&entry.name).into()))
        };
        let readable = |i: &&usize| list.entries[**i].fingerprint.is_some();
        let good: Vec<u64> = members.iter().filter(readable).map(content).collect();
        let all = if good.is_empty() { members.iter().map(content).collect() } else { good };
        let chosen = all.into_iter().min_by_key(|f| (keyed(b"striate representative", &[*f]), *f));
        let key = keyed(b"striate split", &[seed, chosen.unwrap_or(0)]);
        let mut classes = BTreeMap::new();
        for i in members.iter().filter(readable) {
            let own = strata(&list.entries[*i].target);
            own.iter().for_each(|&class| *classes.entry(class).or_insert(0) += 1);
        }
        Unit { members, classes, key, fixed: fixed.is_some(), side: fixed.unwrap_or(Split::Train) }
    }
}
