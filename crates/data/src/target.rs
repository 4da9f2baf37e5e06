//! [`Target`]: what a network is to give for a sample.

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
}

impl Target {
    /// Its kind.
    pub fn kind(&self) -> TargetKind {
        match self {
            Target::Class(_) => TargetKind::Class,
            Target::Labels { .. } => TargetKind::Labels,
            Target::Numbers(_) => TargetKind::Numbers,
        }
    }

    /// The classes or labels that it has; none of numbers.
    pub fn classes(&self) -> &[usize] {
        match self {
            Target::Class(class) => std::slice::from_ref(class),
            Target::Labels { has, .. } => has,
            Target::Numbers(_) => &[],
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

    /// As a row of numbers: a one for the class of `classes`, or for each label, or the numbers themselves.
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
        }
    }

    /// The targets of several samples as a tensor: `[n]` of `i64` of classes, `[n, labels]` of 0 and 1 or `[n, numbers]` of `f32` else.
    ///
    /// # Errors
    /// The place of the first that is of another kind or length than the one before all.
    pub(crate) fn stack<'a>(targets: impl ExactSizeIterator<Item = &'a Target>) -> Result<Tensor, usize> {
        let n = targets.len();
        let (mut classes, mut rows) = (Vec::new(), Vec::new());
        let mut width = None;
        for (place, target) in targets.enumerate() {
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
        let stack = |targets: &[Target]| Target::stack(targets.iter());
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
}
