//! [`Issues`]: what is odd in annotation files, each with its place.

use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use striate_imaging::shown;

/// How many issues of a kind are kept; of further ones only the number is.
const KEPT: usize = 1000;

/// Where something stands in an annotation file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: Option<usize>,
    /// The index in the list of annotations, from 0, where a file may have everything in one line.
    pub index: Option<usize>,
}

impl Place {
    /// A line, from 1.
    pub fn line(line: usize) -> Place {
        Place { line: Some(line), index: None }
    }

    /// ` line 3`, ` annotations[7]`, or nothing.
    pub fn text(&self) -> String {
        match (self.line, self.index) {
            (Some(line), None) => format!(" line {line}"),
            (Some(line), Some(index)) if line > 1 => format!(" line {line} (annotations[{index}])"),
            (_, Some(index)) => format!(" annotations[{index}]"),
            (None, None) => String::new(),
        }
    }
}

/// The kinds of issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssueKind {
    /// A box that reaches outside its image: clipped.
    Outside,
    /// A box without area in its image: left out.
    NoArea,
    /// A coordinate that is not a number, or infinite: left out.
    NotANumber,
    /// The same box of the same class again: kept.
    Twice,
    /// An outline that cannot be used: left out, the box stays.
    Outline,
    /// Names of classes that differ by case alone.
    Case,
    /// An annotation file without any object.
    Empty,
    /// An image without an annotation.
    Unannotated,
    /// An annotation without its image: left out.
    NoImage,
    /// The number of an annotation that another has too.
    SameId,
    /// An image annotated twice: the first counts.
    AnnotatedTwice,
    /// An image in two splits: it stays in the one that is measured on.
    TwoSplits,
    /// A size that is not the image's.
    Size,
    /// A value of a mask that its palette lacks.
    Palette,
    /// An annotation file that cannot be read in part.
    Unread,
}

impl IssueKind {
    /// What it is called in a report.
    pub fn name(self) -> &'static str {
        match self {
            IssueKind::Outside => "box outside",
            IssueKind::NoArea => "box without area",
            IssueKind::NotANumber => "not a number",
            IssueKind::Twice => "box twice",
            IssueKind::Outline => "outline",
            IssueKind::Case => "class names",
            IssueKind::Empty => "no objects",
            IssueKind::Unannotated => "no annotation",
            IssueKind::NoImage => "no image",
            IssueKind::SameId => "same id",
            IssueKind::AnnotatedTwice => "annotated twice",
            IssueKind::TwoSplits => "two splits",
            IssueKind::Size => "size",
            IssueKind::Palette => "outside the palette",
            IssueKind::Unread => "unread",
        }
    }

    /// Whether it would spoil a result.
    pub fn is_problem(self) -> bool {
        !matches!(self, IssueKind::Outside | IssueKind::Empty | IssueKind::Unannotated | IssueKind::NoArea)
    }

    /// What was found and done, after a number and its noun.
    pub(crate) fn line(self, n: usize) -> String {
        let (noun, rest) = match self {
            IssueKind::Outside => ("box", "outside the image: clipped"),
            IssueKind::NoArea => ("box", "without area: left out"),
            IssueKind::NotANumber => ("box", "with a coordinate that is not a finite number: left out"),
            IssueKind::Twice => ("box", "repeating another of the same class and place"),
            IssueKind::Outline => ("outline", "too short, damaged or of another size: left out"),
            IssueKind::Case => ("class name", "differing from another by case alone"),
            IssueKind::Empty => ("annotation file", "without an object: taken as images without objects"),
            IssueKind::Unannotated => ("image", "without an annotation"),
            IssueKind::NoImage => ("annotation", "without an image: left out"),
            IssueKind::SameId => ("annotation", "with the id of another"),
            IssueKind::AnnotatedTwice => ("image", "annotated twice: the first annotation counts"),
            IssueKind::TwoSplits => ("image", "in two splits: taken out of the training images"),
            IssueKind::Size => ("image", "of another size than its annotation or mask"),
            IssueKind::Palette => ("mask", "with values outside the palette"),
            IssueKind::Unread => ("file", "not to be read"),
        };
        let noun = match (noun, n) {
            (noun, 1) => noun.to_string(),
            ("box", _) => "boxes".into(),
            (noun, _) => format!("{noun}s"),
        };
        format!("{n} {noun} {rest}")
    }
}

/// Something odd in an annotation file.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// What it is.
    pub kind: IssueKind,
    /// The annotation file, or the image where there is none.
    pub file: Arc<PathBuf>,
    /// Where in it.
    pub place: Place,
    /// The image, by its name in the list.
    pub image: Option<String>,
    /// What was found there.
    pub what: String,
}

impl Issue {
    /// The file, the place and what was found, in a line.
    pub fn line(&self) -> String {
        format!("{}{}: {}", shown(&**self.file), self.place.text(), self.what)
    }
}

/// Issues, and how many there are of each kind. Of each kind the first thousand are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Issues {
    kept: Vec<Issue>,
    counts: std::collections::BTreeMap<IssueKind, usize>,
}

impl Issues {
    pub(crate) fn add(&mut self, issue: Issue) {
        let count = self.counts.entry(issue.kind).or_default();
        *count += 1;
        if *count <= KEPT {
            self.kept.push(issue);
        }
    }

    /// Adds one that concerns a file as a whole.
    pub(crate) fn file(&mut self, kind: IssueKind, file: &Path, image: Option<&str>, what: impl Into<String>) {
        let (file, image) = (Arc::new(file.to_path_buf()), image.map(String::from));
        self.add(Issue { kind, file, place: Place::default(), image, what: what.into() });
    }

    /// Those that are kept.
    pub fn iter(&self) -> impl Iterator<Item = &Issue> {
        self.kept.iter()
    }

    /// How many there are of each kind that occurs.
    pub fn counts(&self) -> impl Iterator<Item = (IssueKind, usize)> {
        self.counts.iter().map(|(kind, n)| (*kind, *n))
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: IssueKind) -> usize {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// A line for each kind, with the first of it.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.counts().map(|(kind, n)| {
            let first = self.iter().find(|issue| issue.kind == kind).map(Issue::line).unwrap_or_default();
            let rest = if n > 1 { format!(" and {} more", n - 1) } else { String::new() };
            format!("{} ({first}{rest})", kind.line(n))
        })
    }
}
