//! What the columns of a manifest say of its images: classes, labels or numbers.

use super::list::ImageList;
use crate::target::{Target, TargetKind};
use std::collections::BTreeSet;
use striate_imaging::shown;

/// What separates labels in one column, the first that occurs anywhere.
const SEPARATORS: [char; 3] = [';', '|', ','];

/// The fields of labels of a line.
pub struct Texts<'a> {
    pub line: usize,
    pub fields: &'a [String],
}

/// One class for each line.
pub fn classes(texts: &[Texts]) -> (Vec<String>, Vec<Target>) {
    let all: Vec<String> = texts.iter().map(|t| t.fields[0].clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let class = |t: &Texts| all.binary_search(&t.fields[0]).expect("each class is among them").into();
    let targets = texts.iter().map(class).collect();
    (all, targets)
}

/// Several labels in one column, with a separator between them.
pub fn several(texts: &[Texts]) -> (Vec<String>, Vec<Target>) {
    let separator = SEPARATORS.into_iter().find(|&c| texts.iter().any(|t| t.fields[0].contains(c)));
    let parts = |t: &Texts| -> Vec<String> {
        let text = &t.fields[0];
        let parts: Vec<&str> = separator.map_or_else(|| vec![text.as_str()], |c| text.split(c).collect());
        parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).map(String::from).collect()
    };
    let all: Vec<String> = texts.iter().flat_map(parts).collect::<BTreeSet<_>>().into_iter().collect();
    let target = |t: &Texts| {
        let place = |label: String| all.binary_search(&label).expect("each label is among them");
        let has: BTreeSet<usize> = parts(t).into_iter().map(place).collect();
        Target::Labels { has: has.into_iter().collect(), of: all.len() }
    };
    let targets = texts.iter().map(target).collect();
    (all, targets)
}

/// A column for each label.
pub fn flags(texts: &[Texts], names: &[String]) -> Result<Vec<Target>, String> {
    let target = |t: &Texts| {
        let mut has = Vec::new();
        for (i, field) in t.fields.iter().enumerate() {
            match field.trim().to_lowercase().as_str() {
                "1" | "1.0" | "true" | "yes" => has.push(i),
                "" | "0" | "0.0" | "false" | "no" => {}
                other => {
                    let (line, name) = (t.line, shown(&names[i]));
                    return Err(format!("line {line}: '{}' in column '{name}', it must be 0 or 1", shown(other)));
                }
            }
        }
        Ok(Target::Labels { has, of: names.len() })
    };
    texts.iter().map(target).collect()
}

/// A column for each number.
pub fn numbers(texts: &[Texts], names: &[String]) -> Result<Vec<Target>, String> {
    let number = |t: &Texts, i: usize| {
        let text = t.fields[i].trim();
        text.parse::<f32>().ok().filter(|x| x.is_finite()).ok_or_else(|| {
            format!("line {}: '{}' in column '{}', it must be a number", t.line, shown(text), shown(&names[i]))
        })
    };
    let target = |t: &Texts| (0..names.len()).map(|i| number(t, i)).collect::<Result<_, _>>().map(Target::Numbers);
    texts.iter().map(target).collect()
}

/// The columns of a list's labels, and what each image has in them, so that they are read back as they are.
pub fn written(list: &ImageList) -> (Vec<String>, Vec<Vec<String>>) {
    let targets = || list.entries.iter().map(|entry| &entry.target);
    let joined = |labels: &[usize], separator: char| {
        labels.iter().map(|&i| list.classes[i].as_str()).collect::<Vec<_>>().join(&separator.to_string())
    };
    let free = SEPARATORS.into_iter().find(|&c| !list.classes.iter().any(|class| class.contains(c)));
    match (list.kind, free) {
        (TargetKind::Class, _) => {
            (vec!["label".into()], targets().map(|t| vec![list.classes[t.class()].clone()]).collect())
        }
        // One label alone has no separator to be known by, nor is one that no image has named in such a column.
        (TargetKind::Labels, Some(separator)) if targets().any(|t| t.classes().len() > 1) && all_occur(list) => {
            (vec!["labels".into()], targets().map(|t| vec![joined(&t.classes(), separator)]).collect())
        }
        (TargetKind::Labels, _) => {
            let flag = |t: &Target, i: usize| String::from(if t.classes().contains(&i) { "1" } else { "0" });
            let row = |t: &Target| (0..list.classes.len()).map(|i| flag(t, i)).collect();
            (list.classes.clone(), targets().map(row).collect())
        }
        (TargetKind::Objects | TargetKind::Mask, _) => (Vec::new(), targets().map(|_| Vec::new()).collect()),
        (TargetKind::Numbers, _) => {
            let row = |t: &Target| match t {
                Target::Numbers(numbers) => numbers.iter().map(f32::to_string).collect(),
                _ => Vec::new(),
            };
            (list.classes.clone(), targets().map(row).collect())
        }
    }
}

fn all_occur(list: &ImageList) -> bool {
    (0..list.classes.len()).all(|i| list.entries.iter().any(|entry| entry.target.classes().contains(&i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(fields: &[&str]) -> (Vec<String>, Vec<Vec<usize>>) {
        let fields: Vec<Vec<String>> = fields.iter().map(|f| vec![f.to_string()]).collect();
        let texts: Vec<Texts> = fields.iter().map(|f| Texts { line: 2, fields: f }).collect();
        let (names, targets) = several(&texts);
        (names, targets.iter().map(|t| t.classes().to_vec()).collect())
    }

    #[test]
    fn labels_in_one_column_are_separated() {
        for separator in ["; ", "|", ","] {
            let (names, has) = labels(&[&["cat", "dog"].join(separator), "dog", "", "dog"]);
            assert_eq!((names, has), (vec!["cat".into(), "dog".into()], vec![vec![0, 1], vec![1], vec![], vec![1]]));
        }
        let (names, _) = labels(&["red, dark; blue", "blue"]);
        assert_eq!(names, ["blue", "red, dark"], "a comma belongs to a name where labels are separated by semicolons");
    }

    #[test]
    fn columns_hold_flags_or_numbers() {
        let names = ["a", "b"].map(String::from);
        let row = |a: &str, b: &str| [a, b].map(String::from);
        let good = row("yes", " 0 ");
        assert_eq!(flags(&[Texts { line: 2, fields: &good }], &names).unwrap()[0].classes().to_vec(), [0]);
        let bad = row("1", "two");
        let line = flags(&[Texts { line: 7, fields: &bad }], &names).unwrap_err();
        assert_eq!(line, "line 7: 'two' in column 'b', it must be 0 or 1");
        let good = row("1.5", "-2e1");
        let read = numbers(&[Texts { line: 2, fields: &good }], &names).unwrap();
        assert_eq!(read, [Target::Numbers(vec![1.5, -20.0])]);
        for bad in ["", "many", "inf", "nan"] {
            let fields = row(bad, "0");
            let line = numbers(&[Texts { line: 3, fields: &fields }], &names).unwrap_err();
            assert!(line.ends_with("in column 'a', it must be a number"), "{line}");
        }
    }
}
