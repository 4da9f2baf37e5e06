//! [`Grouping`]: which image belongs to which group.

use super::table;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use striate_imaging::shown;
use striate_train::{HeldOut, Images};
use thiserror::Error;

/// More groups than these say nothing, for each has few images.
pub const MOST_GROUPS: usize = 50;

/// Why images are in no groups.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// The data has no columns.
    #[error("{data} has no column '{column}': groups are read from a manifest, or a table of their own")]
    NoColumn {
        /// The data.
        data: String,
        /// The column.
        column: String,
    },
    /// No image has a value.
    #[error("the column '{column}' is empty for all {images} images")]
    Empty {
        /// The column.
        column: String,
        /// How many images there are.
        images: usize,
    },
    /// The column has too many values.
    #[error(
        "the column '{column}' has {values} values over {images} images, such as {}: groups need several images each, and there are {MOST_GROUPS} at most; write ranges or fewer kinds into a column of its own",
        some.join(", ")
    )]
    TooMany {
        /// The column.
        column: String,
        /// How many values there are.
        values: usize,
        /// How many images there are.
        images: usize,
        /// A few of the values.
        some: Vec<String>,
    },
    /// A table of groups cannot be used.
    #[error("{}: {reason}", shown(.path))]
    Table {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// The groups of images, by the values of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// The column.
    pub column: String,
    /// The groups' values, sorted; none, the last, of images without one.
    pub values: Vec<Option<String>>,
    /// The group of each image.
    pub groups: Vec<usize>,
}

impl Grouping {
    /// The groups of the images held out, which were read with this column as [`striate_data::images::ListOptions::attribute_column`].
    ///
    /// # Errors
    /// As [`Grouping::new`], and if the images are not of a manifest.
    pub fn of(held_out: &HeldOut, column: &str) -> Result<Grouping, GroupError> {
        match &held_out.data.held_out {
            Images::Files { entries, .. } => Grouping::new(column, entries.iter().map(|entry| entry.attribute.clone())),
            Images::Memory(_) => Err(GroupError::NoColumn { data: shown(&held_out.data.name), column: shown(column) }),
        }
    }

    /// The groups of the images held out by a column of a table of its own: a `.csv` whose column `path`, `image` or `file` has the names of images or the ends
    /// of their paths. It may name other images too.
    ///
    /// # Errors
    /// As [`Grouping::new`], and if it cannot be read, has no such columns, names none of the images, or says two things of one.
    pub fn of_table(held_out: &HeldOut, table: &Path, column: &str) -> Result<Grouping, GroupError> {
        let failed = |reason| GroupError::Table { path: table.to_path_buf(), reason };
        let Images::Files { entries, .. } = &held_out.data.held_out else {
            return Err(failed(format!(
                "it names images by their files, and those of {} have none",
                shown(&held_out.data.name)
            )));
        };
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        Grouping::new(column, table::values(table, column, &names).map_err(failed)?)
    }

    /// Of images with these values of a column.
    ///
    /// # Errors
    /// If there are more than [`MOST_GROUPS`] values, as many as images, or none.
    pub fn new(column: &str, values: impl IntoIterator<Item = Option<String>>) -> Result<Grouping, GroupError> {
        let of_images: Vec<Option<String>> = values.into_iter().collect();
        let known: BTreeSet<&String> = of_images.iter().flatten().collect();
        let images = of_images.len();
        if known.is_empty() {
            return Err(GroupError::Empty { column: shown(column), images });
        }
        let n = known.len();
        if n > MOST_GROUPS || (n == images && n > 1) {
            let some = known.iter().take(3).map(shown).collect();
            return Err(GroupError::TooMany { column: shown(column), values: n, images, some });
        }
        let missing = of_images.iter().any(Option::is_none).then_some(None);
        let values: Vec<Option<String>> = known.into_iter().cloned().map(Some).chain(missing).collect();
        let place = |value: &Option<String>| values.iter().position(|v| v == value).expect("all are there");
        let groups = of_images.iter().map(place).collect();
        Ok(Grouping { column: column.into(), values, groups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Grouping, GroupError> {
        Grouping::new("site", values.iter().map(|v| (!v.is_empty()).then(|| v.to_string())))
    }

    #[test]
    fn missing_values_are_a_group_of_their_own() {
        let grouping = of(&["b", "", "a", "b", "(none)"]).unwrap();
        let named = |v: &str| Some(v.to_string());
        assert_eq!(grouping.values, [named("(none)"), named("a"), named("b"), None]);
        assert_eq!(grouping.groups, [2, 3, 1, 2, 0]);
        assert_eq!(of(&["a"]).unwrap().groups, [0]);
    }

    #[test]
    fn a_column_that_makes_no_groups() {
        assert!(matches!(of(&["", ""]), Err(GroupError::Empty { images: 2, .. })));
        assert!(matches!(of(&[]), Err(GroupError::Empty { images: 0, .. })));
        assert!(matches!(of(&["a", "b", "c"]), Err(GroupError::TooMany { values: 3, images: 3, .. })));
        let many: Vec<String> = (0..200).map(|i| (i % 51).to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = of(&many).unwrap_err().to_string();
        assert!(error.contains("'site' has 51 values over 200 images, such as 0, 1, 10: "), "{error}");
        assert_eq!(of(&many[..50]).unwrap_err().to_string().lines().count(), 1);
        assert_eq!(of(&[&many[..50], &many[51..101]].concat()).map(|g| g.values.len()), Ok(50));
    }
}
