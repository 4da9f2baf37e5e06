//! Which column of a manifest is which.

use super::list::ListOptions;
use super::names::some;
use crate::target::TargetKind;
use striate_imaging::shown;

/// Names of columns that hold paths or names of images, besides `path`.
pub const PATHS: [&str; 18] = [
    "filename",
    "file_name",
    "file",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_name",
    "image_file",
    "image_id",
    "imagename",
    "img",
    "img_path",
    "img_name",
    "img_id",
    "id",
    "name",
    "photo",
];
/// Names of columns that hold classes, besides `label`.
pub const LABELS: [&str; 13] = [
    "class",
    "class_name",
    "classname",
    "class_id",
    "labels",
    "label_name",
    "target",
    "category",
    "category_name",
    "breed",
    "species",
    "diagnosis",
    "y",
];

/// The places of a manifest's columns.
pub struct Columns {
    pub path: usize,
    /// Of classes one; of labels one or several, of numbers any number.
    pub labels: Vec<usize>,
    pub split: Option<usize>,
    pub group: Option<usize>,
    pub attribute: Option<usize>,
    /// Whether paths are escaped, as a column `path_escaped` says.
    pub escaped: bool,
    /// Whether the labels are paths of masks.
    masks: bool,
}

/// The names of all columns, shown.
pub fn shown_header(header: &[&str]) -> String {
    header.iter().map(|h| if h.is_empty() { "(unnamed)".to_string() } else { shown(h) }).collect::<Vec<_>>().join(", ")
}

/// A name as columns are compared: in small letters, with `_` between words.
pub fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-', '.'], "_")
}

/// The columns that number lines.
fn is_index(name: &str) -> bool {
    name.is_empty() || name.strip_prefix("Unnamed: ").is_some_and(|n| n.parse::<u32>().is_ok())
}

/// The column of this name.
fn named_column(header: &[&str], name: &str) -> Result<usize, String> {
    let exact = header.iter().position(|h| *h == name);
    let found = exact.or_else(|| header.iter().position(|h| plain(h) == plain(name)));
    found.ok_or_else(|| format!("no column '{}': the columns are {}", shown(name), shown_header(header)))
}

/// The column that is asked for, has its own name, or else one of the usual names.
fn column(header: &[&str], asked: &Option<String>, own: &[&str], usual: &[&str], what: &str) -> Result<usize, String> {
    if let Some(name) = asked {
        return named_column(header, name);
    }
    let there = format!("the columns are {}", shown_header(header));
    let named = |names: &[&str]| -> Vec<usize> {
        (0..header.len()).filter(|&i| names.contains(&plain(header[i]).as_str())).collect()
    };
    let candidates = Some(named(own)).filter(|found| !found.is_empty()).unwrap_or_else(|| named(usual));
    match candidates[..] {
        [one] => Ok(one),
        [] => Err(format!("no column '{what}', nor one that is called as such columns usually are: {there}")),
        _ => {
            let names: Vec<&str> = candidates.iter().map(|&i| header[i]).collect();
            Err(format!("{} could each be the column '{what}': it must be said which one is", some(&names)))
        }
    }
}

/// Names of columns that hold several labels of an image, besides those of one.
const SEVERAL: [&str; 4] = ["labels", "tags", "classes", "categories"];
/// Names of columns that hold a number, besides those of classes.
const NUMBERS: [&str; 7] = ["number", "value", "count", "angle", "age", "score", "target"];

/// Names of columns that hold paths of masks, besides `mask`.
const MASKS: [&str; 8] =
    ["segmentation", "mask_file", "mask_filename", "annotation", "annotation_path", "label_path", "label", "gt"];

/// The columns of labels.
fn label_columns(header: &[&str], options: &ListOptions) -> Result<Vec<usize>, String> {
    let own: &[&str] = match options.target {
        TargetKind::Class => return Ok(vec![column(header, &options.label_column, &["label"], &LABELS, "label")?]),
        TargetKind::Labels => &SEVERAL,
        TargetKind::Numbers => &NUMBERS,
        TargetKind::Mask => {
            return Ok(vec![column(header, &options.label_column, &["mask", "mask_path"], &MASKS, "mask")?]);
        }
        TargetKind::Objects => return Ok(Vec::new()),
    };
    let one = |asked: &Option<String>| column(header, asked, own, &LABELS, "label");
    match (&options.label_column, one(&options.label_column)) {
        // A comma may be part of a column's name.
        (Some(asked), Err(_)) if asked.contains(',') => {
            asked.split(',').map(|name| one(&Some(name.trim().to_string()))).collect()
        }
        (_, found) => Ok(vec![found?]),
    }
}

impl Columns {
    /// Which column of `header` is which.
    pub fn find(header: &[&str], options: &ListOptions) -> Result<Columns, String> {
        let path = column(header, &options.path_column, &["path", "path_escaped"], &PATHS, "path")?;
        let labels = label_columns(header, options)?;
        if labels.contains(&path) {
            return Err(format!("the column '{}' cannot be both path and label", shown(header[path])));
        }
        let other = |name: &str| -> Result<Option<usize>, String> {
            let found: Vec<usize> =
                (0..header.len()).filter(|&i| plain(header[i]) == name && i != path && !labels.contains(&i)).collect();
            match found[..] {
                [] => Ok(None),
                [one] => Ok(Some(one)),
                _ => Err(format!("there are {} columns '{name}'", found.len())),
            }
        };
        let (split, group) = (other("split")?, other("group")?);
        let attribute = options.attribute_column.as_ref().map(|name| named_column(header, name)).transpose()?;
        let escaped = options.path_column.is_none() && plain(header[path]) == "path_escaped";
        let masks = options.target == TargetKind::Mask;
        Ok(Columns { path, labels, split, group, attribute, escaped, masks })
    }

    /// What is to be said of them.
    pub fn notes(&self, header: &[&str]) -> Vec<String> {
        let mut notes = Vec::new();
        let names: Vec<&str> = self.labels.iter().map(|&i| header[i]).collect();
        let plain_names =
            ["path", "path_escaped"].contains(&header[self.path]) && (names == ["label"] || names == ["mask"]);
        if !plain_names {
            let (path, labels) = (shown(header[self.path]), names.iter().map(shown).collect::<Vec<_>>().join("', '"));
            let what = if self.masks { "mask" } else { "label" };
            notes.push(format!("the column '{path}' is read as path, '{labels}' as {what}"));
        }
        let mut used = vec![Some(self.path), self.split, self.group, self.attribute];
        used.extend(self.labels.iter().map(|&i| Some(i)));
        let rest = |index: bool| -> Vec<&str> {
            let unused = (0..header.len()).filter(|i| !used.contains(&Some(*i)) && is_index(header[*i]) == index);
            unused.map(|i| header[i]).collect()
        };
        if !rest(true).is_empty() {
            notes.push("a column that numbers the lines is ignored".into());
        }
        match &rest(false)[..] {
            [] => {}
            [one] => notes.push(format!("the column '{}' is ignored", shown(one))),
            more => notes.push(format!("{} columns are ignored: {}", more.len(), some(more))),
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(header: &[&str], options: &ListOptions) -> Result<(usize, usize, Vec<String>), String> {
        Columns::find(header, options).map(|c| (c.path, c.labels[0], c.notes(header)))
    }

    #[test]
    fn columns_are_known_by_their_names() {
        let none = ListOptions::default();
        for (header, path, label) in [
            (&["path", "label"][..], 0, 1),
            (&["label", "split", "path"], 2, 0),
            (&["id", "breed"], 0, 1),
            (&["", "Image Name", "Target"], 1, 2),
            (&["Unnamed: 0", "filename", "y"], 1, 2),
            (&["id", "path", "class", "label"], 1, 3),
        ] {
            assert_eq!(find(header, &none).map(|f| (f.0, f.1)), Ok((path, label)), "{header:?}");
        }
        let error = |header: &[&str]| find(header, &none).unwrap_err();
        assert!(error(&["id", "filename", "label"]).contains("id, filename could each be the column 'path'"));
        assert!(error(&["path", "class", "breed"]).contains("class, breed could each be the column 'label'"));
        assert!(error(&["path", "colour"]).contains("no column 'label'") && error(&["a", "b"]).contains("a, b"));
        assert!(error(&["path", "path", "label"]).contains("path, path"));
        assert!(error(&["path", "label", "split", "split"]).contains("2 columns 'split'"));
        let asked = |path: &str, label: &str| {
            let (path_column, label_column) = (Some(path.to_string()), Some(label.to_string()));
            find(
                &["id", "filename", "label", "Colour"],
                &ListOptions { path_column, label_column, ..ListOptions::default() },
            )
        };
        assert_eq!(asked("filename", "colour").map(|f| (f.0, f.1)), Ok((1, 3)));
        assert!(asked("nowhere", "label").unwrap_err().contains("no column 'nowhere'"));
        assert!(asked("id", "id").unwrap_err().contains("both"));
    }

    #[test]
    fn what_is_ignored_is_said_once() {
        let notes = find(&["", "path", "label", "w", "h", "source"], &ListOptions::default()).unwrap().2;
        assert_eq!(notes, ["a column that numbers the lines is ignored", "3 columns are ignored: w, h, source"]);
        let notes = find(&["id", "breed", "colour"], &ListOptions::default()).unwrap().2;
        assert_eq!(notes, ["the column 'id' is read as path, 'breed' as label", "the column 'colour' is ignored"]);
    }
}
