//! [`Target`]: what a network is to give for a sample.

use crate::mask::{Mask, class_numbers};
use crate::object::Object;
use std::borrow::Cow;
use std::collections::BTreeSet;
use striate_tensor::Tensor;

/// What a network is to give for a sample.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The number of its class.
    Class(usize),
    /// Some of a number of labels, in ascending order.
    Labels {
        /// Those that it has.
        has: Vec<usize>,
        /// How many there are.
        of: usize,
    },
    /// Numbers, such as counts or angles.
    Numbers(Vec<f32>),
    /// The objects in it, each with its box.
    Objects(Vec<Object>),
    /// The class of each of its pixels.
    Mask(Mask),
}

/// The kinds of [`Target`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetKind {
    /// One class.
    #[default]
    Class,
    /// Any number of labels.
    Labels,
    /// Numbers.
    Numbers,
    /// Objects with their boxes.
    Objects,
    /// A class for each pixel.
    Mask,
}

impl Target {
    /// Its kind.
    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Class(_) => TargetKind::Class,
            Target::Labels { .. } => TargetKind::Labels,
            Target::Numbers(_) => TargetKind::Numbers,
            Target::Objects(_) => TargetKind::Objects,
            Target::Mask(_) => TargetKind::Mask,
        }
    }

    /// The classes or labels that it has, and the classes of its objects, each once, in ascending order; none of numbers and of masks.
    pub fn classes(&self) -> Cow<'_, [usize]> {
        match self {
            Target::Class(class) => Cow::Borrowed(std::slice::from_ref(class)),
            Target::Labels { has, .. } => Cow::Borrowed(has),
            Target::Objects(objects) => {
                Cow::Owned(objects.iter().map(|o| o.class).collect::<BTreeSet<_>>().into_iter().collect())
            }
            Target::Numbers(_) | Target::Mask(_) => Cow::Borrowed(&[]),
        }
    }

    /// In a few words, for messages: a mask or many objects would fill pages.
    pub(crate) fn summary(&self) -> String {
        match self {
            Target::Objects(objects) => format!("{} objects", objects.len()),
            Target::Mask(mask) => match mask.classes() {
                Ok(classes) => format!("a mask of {}×{} pixels", classes.width, classes.height),
                Err(error) => format!("a mask that cannot be read ({error})"),
            },
            other => format!("{other:?}"),
        }
    }

    /// The class.
    ///
    /// # Panics
    /// If it is no [`Target::Class`].
    pub fn class(&self) -> usize {
        match self {
            Target::Class(class) => *class,
            other => panic!("Target::class: needs a class, got {other:?}"),
        }
    }

    /// The objects; none of other targets.
    pub fn objects(&self) -> &[Object] {
        match self {
            Target::Objects(objects) => objects,
            _ => &[],
        }
    }

    /// As a row of numbers: a one for the class of `classes`, or for each label, or the numbers themselves.
    ///
    /// # Panics
    /// If it is of objects or a mask, which are no row.
    pub(crate) fn row(&self, classes: usize) -> Vec<f32> {
        let ones = |n: usize| {
            let mut row = vec![0.0; n];
            self.classes().iter().for_each(|&class| row[class] = 1.0);
            row
        };
        match self {
            Target::Class(_) => ones(classes),
            Target::Labels { of, .. } => ones(*of),
            Target::Numbers(numbers) => numbers.clone(),
            other => panic!("Target::row: needs a class, labels or numbers, got {other:?}"),
        }
    }

    /// The targets of several samples as a tensor: `[n]` of `i64` of classes; `[n, labels]` of 0 and 1, or `[n, numbers]`, of `f32`; of objects and of masks as
    /// [`Batch::targets`](crate::Batch::targets) has them.
    ///
    /// # Errors
    /// The place of the first that is of another kind or length than the one before all, or a mask of another size.
    pub(crate) fn stack(targets: &[&Target]) -> Result<Tensor, usize> {
        let kind = targets.first().map(|target| target.kind());
        if let Some(place) = targets.iter().position(|target| Some(target.kind()) != kind) {
            return Err(place);
        }
        match kind {
            Some(TargetKind::Objects) => Ok(stack_objects(targets)),
            Some(TargetKind::Mask) => stack_masks(targets),
            _ => Target::stack_rows(targets),
        }
    }

    fn stack_rows(targets: &[&Target]) -> Result<Tensor, usize> {
        let n = targets.len();
        let (mut classes, mut rows) = (Vec::new(), Vec::new());
        let mut width = None;
        for (place, target) in targets.iter().enumerate() {
            let row = match target {
                Target::Class(class) => {
                    classes.push(*class as i64);
                    Vec::new()
                }
                other => other.row(0),
            };
            if *width.get_or_insert((target.kind(), row.len())) != (target.kind(), row.len()) {
                return Err(place);
            }
            rows.extend(row);
        }
        Ok(match width {
            Some((TargetKind::Labels | TargetKind::Numbers, width)) => Tensor::from_vec(rows, [n, width]),
            _ => Tensor::from_vec(classes, [n]),
        })
    }
}

/// The objects of each sample: class, left, top, right, bottom, and 1 for a crowd or 2 for a difficult one, else 0. All samples have as many rows as the one with the
/// most objects; rows without an object have class −1.
fn stack_objects(targets: &[&Target]) -> Tensor {
    let objects = |target: &Target| match target {
        Target::Objects(objects) => objects.clone(),
        _ => Vec::new(),
    };
    let all: Vec<Vec<Object>> = targets.iter().map(|target| objects(target)).collect();
    let most = all.iter().map(Vec::len).max().unwrap_or(0);
    let mut rows = Vec::with_capacity(all.len() * most * OBJECT_VALUES);
    for objects in &all {
        for Object { class, bbox: [left, top, right, bottom], crowd, difficult } in objects {
            let ignored = if *crowd { 1.0 } else { 2.0 * f32::from(*difficult) };
            rows.extend([*class as f32, *left, *top, *right, *bottom, ignored]);
        }
        let none = [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        (objects.len()..most).for_each(|_| rows.extend(none));
    }
    Tensor::from_vec(rows, [all.len(), most, OBJECT_VALUES])
}

/// Values of a row of [`stack_objects`].
const OBJECT_VALUES: usize = 6;

fn stack_masks(targets: &[&Target]) -> Result<Tensor, usize> {
    let (mut classes, mut size) = (Vec::new(), None);
    for (place, target) in targets.iter().enumerate() {
        let Target::Mask(mask) = target else { return Err(place) };
        let mask = mask.classes().map_err(|_| place)?;
        if *size.get_or_insert([mask.height, mask.width]) != [mask.height, mask.width] {
            return Err(place);
        }
        classes.extend(class_numbers(&mask));
    }
    let [height, width] = size.unwrap_or([0, 0]);
    Ok(Tensor::from_vec(classes, [targets.len(), height, width]))
}

impl From<usize> for Target {
    /// A class.
    fn from(class: usize) -> Target {
        Target::Class(class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_become_tensors_of_their_kind() {
        let stack = |targets: &[Target]| Target::stack(&targets.iter().collect::<Vec<_>>());
        let classes = stack(&[2.into(), 0.into()]).unwrap();
        assert_eq!((classes.shape(), classes.to_vec::<i64>()), (&[2][..], vec![2, 0]));
        let labels = |has: &[usize]| Target::Labels { has: has.to_vec(), of: 3 };
        let several = stack(&[labels(&[0, 2]), labels(&[])]).unwrap();
        assert_eq!((several.shape(), several.to_vec::<f32>()), (&[2, 3][..], vec![1.0, 0.0, 1.0, 0.0, 0.0, 0.0]));
        let numbers = stack(&[Target::Numbers(vec![1.5, -2.0])]).unwrap();
        assert_eq!((numbers.shape(), numbers.to_vec::<f32>()), (&[1, 2][..], vec![1.5, -2.0]));
        assert_eq!(stack(&[]).unwrap().shape(), [0]);
        assert_eq!(stack(&[0.into(), labels(&[])]).err(), Some(1));
        assert_eq!(stack(&[Target::Numbers(vec![1.0]), Target::Numbers(vec![])]).err(), Some(1));
    }

    #[test]
    fn objects_fill_as_many_rows_as_the_image_with_the_most_has() {
        let stack = |targets: &[Target]| Target::stack(&targets.iter().collect::<Vec<_>>()).unwrap();
        let crowd = Object { crowd: true, ..Object::new(2, [0.5, 1.0, 3.0, 4.0]) };
        let difficult = Object { difficult: true, ..Object::new(0, [1.0; 4]) };
        let batch = stack(&[Target::Objects(vec![]), Target::Objects(vec![crowd, difficult])]);
        let none = [-1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0];
        let rows = [none, none, [2.0, 0.5, 1.0, 3.0, 4.0, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0, 2.0]];
        assert_eq!((batch.shape(), batch.to_vec::<f32>()), (&[2, 2, 6][..], rows.concat()));
        assert_eq!(stack(&[Target::Objects(vec![])]).shape(), [1, 0, 6]);
        let twice = Target::Objects([3, 1, 3].map(|class| Object::new(class, [0.0; 4])).to_vec());
        assert_eq!(&*twice.classes(), [1, 3]);
    }

    #[test]
    fn masks_are_stacked_with_the_index_that_is_ignored() {
        let mask = |width, data: &[u8]| {
            let image = striate_imaging::Image::new(width, data.len() / width, 1, data.to_vec());
            Target::Mask(Mask::Classes(image.into()))
        };
        let stack = |targets: &[Target]| Target::stack(&targets.iter().collect::<Vec<_>>());
        let batch = stack(&[mask(2, &[0, 1]), mask(2, &[255, 7])]).unwrap();
        assert_eq!((batch.shape(), batch.to_vec::<i64>()), (&[2, 1, 2][..], vec![0, 1, -100, 7]));
        assert_eq!(stack(&[mask(2, &[0, 1]), mask(1, &[0, 1])]).err(), Some(1));
    }
}
