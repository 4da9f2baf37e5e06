//! Images with masks: pairs by folder or by manifest, and what their values mean.

use super::palette::{CLASSES, Named, Palette, grey};
use super::tree::{self, Parts, Tree};
use super::voc::sets;
use super::{Annotations, IssueKind, Issues, MaskFile, header};
use crate::error::DataError;
use crate::images::{Entry, ImageList, some};
use crate::mask::{Mask, VOID};
use crate::parallel;
use crate::source::Source;
use crate::target::{Target, TargetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;
use striate_imaging::{AnyImage, DecodeOptions, Split, decode_values, is_lossy};

/// Words of folders that hold images, and of those that hold masks.
const IMAGES: [&str; 8] = ["jpegimages", "images", "image", "imgs", "img", "photos", "leftimg", "input"];
const MASKS: [&str; 14] = [
    "masks",
    "mask",
    "annotations",
    "annotation",
    "labels",
    "label",
    "segmentationclass",
    "segmentationclasspng",
    "segmentation",
    "segmentations",
    "groundtruth",
    "gt",
    "gtfine",
    "trimaps",
];
/// What may stand behind a mask's name.
const SUFFIXES: [&str; 6] = ["_mask", "-mask", "_label", "_seg", "_gt", "_L"];
/// Tables that may name the classes of masks.
const PALETTES: [&str; 4] = ["palette.csv", "classes.csv", "class_dict.csv", "palette.tsv"];

/// Where an image belongs, whichever of the two folders it lies in: its folders with the word for images or masks taken out, and its name without the ending.
type Key = (Vec<String>, OsString);

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Image,
    Mask,
}

/// What a file of the tree is by its folders, the last one that tells first.
fn role(parts: &Parts) -> Option<(Role, Key)> {
    let (name, folders) = parts.split_last()?;
    for at in (0..folders.len()).rev() {
        let text = folders[at].to_string_lossy().to_lowercase();
        let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
        for (role, names) in [(Role::Mask, &MASKS[..]), (Role::Image, &IMAGES)] {
            let Some(word) = words.iter().position(|word| names.contains(word)) else { continue };
            let rest: Vec<&str> = words.iter().enumerate().filter(|(i, _)| *i != word).map(|(_, word)| *word).collect();
            let mut key: Vec<String> = folders.iter().map(|f| tree::name(std::slice::from_ref(f))).collect();
            key[at] = rest.join(" ");
            return Some((role, (key, tree::stem(name).to_os_string())));
        }
    }
    None
}

/// An image with its mask.
pub struct Pair {
    image: Source,
    name: String,
    mask: Source,
    split: Option<Split>,
    group: Option<String>,
    attribute: Option<String>,
}

/// The images of a tree that have a mask in a folder of masks; none if there is no such folder.
pub fn open(tree: &Tree) -> Result<Option<ImageList>, DataError> {
    let mut images = BTreeMap::<Key, Vec<&Parts>>::new();
    let mut masks = BTreeMap::<Key, Vec<&Parts>>::new();
    for (parts, _) in tree.images() {
        match role(parts) {
            Some((Role::Image, key)) => images.entry(key).or_default().push(parts),
            Some((Role::Mask, key)) => masks.entry(key).or_default().push(parts),
            None => {}
        }
    }
    if images.is_empty() || masks.is_empty() {
        return Ok(None);
    }
    for (folders, stem) in masks.keys().cloned().collect::<Vec<_>>() {
        let plain = stem.to_str().and_then(|text| SUFFIXES.iter().find_map(|suffix| text.strip_suffix(suffix)));
        if !images.contains_key(&(folders.clone(), stem.clone()))
            && let Some(plain) = plain
            && let Some(found) = masks.remove(&(folders.clone(), stem.clone()))
        {
            masks.entry((folders, plain.into())).or_default().extend(found);
        }
    }
    let mut all = Annotations::default();
    let sets = sets(tree, "segmentation", &mut all)?;
    let (mut notes, mut issues) = (all.notes, all.issues);
    let (mut pairs, mut unlisted) = (Vec::new(), Vec::new());
    let one = |found: &[&Parts]| -> Result<Parts, DataError> {
        match found {
            [one] => Ok((*one).clone()),
            several => {
                let names: Vec<String> = several.iter().map(|p| tree::name(p)).collect();
                let reason =
                    format!("{} are called the same, so that it is not clear which belong together", some(&names));
                Err(DataError::images(&tree.path, reason))
            }
        }
    };
    for (key, found) in &images {
        let Some(mask) = masks.remove(key) else {
            for parts in found {
                issues.file(
                    IssueKind::Unannotated,
                    &tree.files[*parts].path(),
                    Some(&tree::name(parts)),
                    "it has no mask: left out",
                );
            }
            continue;
        };
        let (image, mask) = (one(found)?, one(&mask)?);
        let folders = &image[..image.len() - 1];
        let split = match &sets {
            None => tree::split_of_folders(folders),
            Some(sets) => match sets.get(&key.1) {
                Some(split) => Some(*split),
                None => {
                    unlisted.push(tree::name(&image));
                    continue;
                }
            },
        };
        pairs.push(Pair {
            image: tree.files[&image].clone(),
            name: tree::name(&image),
            mask: tree.files[&mask].clone(),
            split,
            group: None,
            attribute: None,
        });
    }
    for parts in masks.values().flatten() {
        issues.file(
            IssueKind::NoImage,
            &tree.files[*parts].path(),
            None,
            "the mask has no image of its name: left out",
        );
    }
    if !unlisted.is_empty() {
        notes.push(format!("left out, in no file of ImageSets/Segmentation ({}): {}", unlisted.len(), some(&unlisted)));
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let palette = tree.files.iter().filter(|(parts, _)| {
        parts.last().and_then(|name| name.to_str()).is_some_and(|name| PALETTES.contains(&name.to_lowercase().as_str()))
    });
    let palette = palette.min_by_key(|(parts, _)| parts.len()).map(|(_, source)| source.clone());
    let palette = palette.or_else(|| beside_split(&tree.path));
    let list = ImageList { path: tree.path.clone(), kind: TargetKind::Mask, notes, issues, ..ImageList::default() };
    with_pairs(list, pairs, palette).map(Some)
}

/// The table beside the folder of one split, such as `test`, where the whole data has it.
fn beside_split(folder: &Path) -> Option<Source> {
    let folder = folder.canonicalize().ok()?;
    tree::split_of_folders(&[folder.file_name()?.to_os_string()])?;
    let table = PALETTES.iter().map(|name| folder.with_file_name(name)).find(|table| table.is_file())?;
    Some(Source::File(table))
}

/// The images that a manifest pairs with masks; `palette` finds a table beside it.
pub fn manifest(
    list: ImageList,
    rows: Vec<(Entry, Source)>,
    palette: &dyn Fn(&str) -> Option<Source>,
) -> Result<ImageList, DataError> {
    let pair = |(entry, mask): (Entry, Source)| Pair {
        image: entry.source,
        name: entry.name,
        mask,
        split: entry.split,
        group: entry.group,
        attribute: entry.attribute,
    };
    with_pairs(list, rows.into_iter().map(pair).collect(), PALETTES.iter().find_map(|name| palette(name)))
}

/// What the values of a mask are.
#[derive(Default)]
struct Looked {
    values: BTreeSet<u16>,
    indexed: bool,
}

fn with_pairs(mut list: ImageList, mut pairs: Vec<Pair>, palette: Option<Source>) -> Result<ImageList, DataError> {
    pairs.sort_by(|a, b| a.name.cmp(&b.name));
    let threads = available_parallelism().map_or(1, usize::from);
    let mut present = Vec::new();
    let named = match palette {
        Some(source) => {
            list.notes.push(format!("classes are read from {}", striate_imaging::shown(source.path())));
            Named::read(&source)?
        }
        None => {
            let looked = parallel::map(pairs.len(), threads, |i| look(&pairs[i].mask));
            let mut all = Looked::default();
            for (pair, looked) in pairs.iter().zip(looked) {
                let values = match looked {
                    Ok(looked) => {
                        all.indexed |= looked.indexed;
                        all.values.extend(&looked.values);
                        Some(looked.values)
                    }
                    Err(error) => {
                        let line = error.to_string();
                        list.issues.file(IssueKind::Unread, &pair.mask.path(), Some(&pair.name), line);
                        None
                    }
                };
                present.push(values);
            }
            named(&all).map_err(|reason| DataError::images(&list.path, reason))?
        }
    };
    let palette = Arc::new(named.palette);
    let headers = parallel::map(pairs.len(), threads, |i| header(&pairs[i].image).ok());
    list.classes = named.classes;
    for (i, (pair, image)) in pairs.into_iter().zip(headers).enumerate() {
        let values = present.get_mut(i).and_then(Option::take);
        let present = values.zip(Some(&*palette)).and_then(|(values, palette)| match palette {
            Palette::Values(of) => {
                let classes: BTreeSet<usize> =
                    values.iter().filter_map(|v| of.get(v)).map(|c| usize::from(*c)).collect();
                Some(classes.into_iter().filter(|c| *c != usize::from(VOID)).collect())
            }
            Palette::Colours(_) => None,
        });
        let mask = MaskFile { source: pair.mask, palette: palette.clone(), image, present };
        let target = Target::Mask(Mask::File(Arc::new(mask)));
        let Pair { split, group, attribute, .. } = pair;
        list.entries.push(Entry { split, group, attribute, ..Entry::new(pair.image, pair.name, target) });
    }
    Ok(list)
}

/// The values of a mask.
fn look(source: &Source) -> Result<Looked, DataError> {
    let options = DecodeOptions::default();
    let (path, bytes) = (source.path(), source.read(options.byte_limit)?);
    let bad = |reason: &str| DataError::images(&path, reason);
    if is_lossy(&bytes) {
        return Err(bad("a mask in a format that loses values, such as JPEG: save it as PNG"));
    }
    let values = decode_values(&bytes, Path::new(&path), &options)?;
    let indexed = values.palette.is_some();
    let values = match values.image {
        AnyImage::U8(image) => {
            let mut seen = [false; 256];
            let grey = grey(&image).ok_or_else(|| {
                bad("a mask in colours needs a table of them beside the folders: palette.csv with the columns name, red, green, blue")
            })?;
            grey.iter().for_each(|&v| seen[usize::from(v)] = true);
            (0..256).filter(|&v| seen[usize::from(v)]).collect()
        }
        AnyImage::U16(image) if image.channels == 1 => image.data.iter().copied().collect(),
        AnyImage::U16(_) => return Err(bad("a mask in colours of 16 bits cannot be read")),
    };
    Ok(Looked { values, indexed })
}

/// The classes of masks without a palette file. 0 and 255 alone are background and foreground, unless they are indices; 255 among the numbers of classes is void.
fn named(looked: &Looked) -> Result<Named, String> {
    let values = &looked.values;
    let void = u16::from(VOID);
    if values.is_empty() {
        return Err("none of its masks can be read".into());
    }
    if !looked.indexed && values.iter().all(|v| *v == 0 || *v == void) {
        let classes = ["background", "foreground"].map(String::from).to_vec();
        return Ok(Named { classes, palette: Palette::Values(BTreeMap::from([(0, 0), (void, 1)])) });
    }
    let others: Vec<u16> = values.iter().copied().filter(|v| *v != void).collect();
    let dense = others.windows(2).all(|w| w[0] + 1 == w[1]) && others.first().is_none_or(|v| *v <= 1);
    let is_void = values.contains(&void) && (looked.indexed || dense);
    let kept = if is_void { others } else { values.iter().copied().collect() };
    if kept.len() > CLASSES {
        let reason = "its masks have {} different values, more than the {} classes that there may be: name them in palette.csv with the columns name, value";
        return Err(reason.replacen("{}", &kept.len().to_string(), 1).replacen("{}", &CLASSES.to_string(), 1));
    }
    let mut of: BTreeMap<u16, u8> = kept.iter().enumerate().map(|(class, value)| (*value, class as u8)).collect();
    if is_void {
        of.insert(void, VOID);
    }
    Ok(Named { classes: kept.iter().map(u16::to_string).collect(), palette: Palette::Values(of) })
}

/// The problems of a list's masks, found by reading each, and how many pixels each class has.
pub fn check(list: &ImageList, threads: usize) -> (Issues, Vec<Option<Vec<u64>>>) {
    let mut issues = Issues::default();
    let read = parallel::map(list.entries.len(), threads, |i| match &list.entries[i].target {
        Target::Mask(mask) => Some(mask.counts().map(Vec::from)),
        _ => None,
    });
    let mut counts = Vec::new();
    for (entry, read) in list.entries.iter().zip(read) {
        counts.push(match read {
            Some(Ok(pixels)) => Some(pixels),
            Some(Err(error)) => {
                let line = error.to_string();
                let kind = match &line {
                    line if line.contains("which the palette lacks") => IssueKind::Palette,
                    line if line.contains("pixels, its image") => IssueKind::Size,
                    _ => IssueKind::Unread,
                };
                let path = match &entry.target {
                    Target::Mask(Mask::File(file)) => file.source.path(),
                    _ => entry.source.path(),
                };
                let start = format!("{}: ", striate_imaging::shown(&path));
                let what = line.strip_prefix(&start).unwrap_or(&line).to_string();
                issues.file(kind, &path, Some(&entry.name), what);
                None
            }
            None => None,
        });
    }
    (issues, counts)
}
