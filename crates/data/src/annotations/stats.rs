//! How many objects and pixels there are of each class.

use crate::images::ImageList;
use crate::target::Target;
use serde::Serialize;
use std::collections::BTreeMap;
use striate_imaging::Split;

/// COCO's bounds of area in square pixels: small objects are below the first, large ones not below the second.
pub const AREAS: [f32; 2] = [32.0 * 32.0, 96.0 * 96.0];

/// How many objects of a class there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectCount {
    /// The class.
    pub class: String,
    /// Its objects in all.
    pub objects: usize,
    /// Its objects in each split, by name.
    pub splits: BTreeMap<&'static str, usize>,
    /// Those whose boxes are below 32² pixels.
    pub small: usize,
    /// Those from 32² to below 96² pixels.
    pub medium: usize,
    /// Those of 96² pixels or more.
    pub large: usize,
    /// Those that are crowds.
    pub crowd: usize,
    /// Those that are difficult.
    pub difficult: usize,
}

/// How many pixels of a class there are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PixelCount {
    /// The class, or `void`.
    pub class: String,
    /// Its pixels in all.
    pub pixels: u64,
    /// Their fraction of all pixels that are not void, 0 to 1; of void, of all pixels.
    pub fraction: f64,
}

/// The objects of a list, class by class; empty for other targets.
pub fn object_counts(list: &ImageList) -> Vec<ObjectCount> {
    let mut all: Vec<ObjectCount> =
        list.classes.iter().map(|class| ObjectCount { class: class.clone(), ..ObjectCount::default() }).collect();
    for entry in &list.entries {
        let Target::Objects(objects) = &entry.target else { return Vec::new() };
        for object in objects {
            let count = &mut all[object.class];
            count.objects += 1;
            if let Some(split) = entry.split {
                *count.splits.entry(Split::name(split)).or_default() += 1;
            }
            let area = object.area();
            *match area {
                _ if area < AREAS[0] => &mut count.small,
                _ if area < AREAS[1] => &mut count.medium,
                _ => &mut count.large,
            } += 1;
            count.crowd += usize::from(object.crowd);
            count.difficult += usize::from(object.difficult);
        }
    }
    all
}

/// The pixels of each class, from those of each mask by value, and `void` if there are any.
pub fn pixel_counts(list: &ImageList, masks: &[Option<Vec<u64>>]) -> Vec<PixelCount> {
    let sum = |value: usize| masks.iter().flatten().map(|counts| counts[value]).sum::<u64>();
    let void = sum(usize::from(crate::mask::VOID));
    let of: Vec<u64> = (0..list.classes.len().min(255)).map(sum).collect();
    let known = of.iter().sum::<u64>();
    let fraction = |n: u64, all: u64| if all == 0 { 0.0 } else { n as f64 / all as f64 };
    let count = |(class, pixels): (&String, &u64)| PixelCount {
        class: class.clone(),
        pixels: *pixels,
        fraction: fraction(*pixels, known),
    };
    let mut all: Vec<PixelCount> = list.classes.iter().zip(&of).map(count).collect();
    if void > 0 {
        all.push(PixelCount { class: "void".into(), pixels: void, fraction: fraction(void, known + void) });
    }
    all
}
