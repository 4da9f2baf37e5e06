//! [`Document`]: the text of a plan, in which keys have their lines.

use crate::paths::{PATHS, absolute_path};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text of a plan, and what stands where in it.
pub(super) struct Document<'a> {
    text: &'a str,
    root: DeTable<'a>,
}

impl<'a> Document<'a> {
    /// None if the text is no TOML.
    pub fn of(text: &'a str) -> Option<Document<'a>> {
        Some(Document { text, root: DeTable::parse(text).ok()?.into_inner() })
    }

    /// The line of a setting in the table that `tables` lead to, or else that of the innermost of these that there is.
    pub fn line(&self, tables: &[&str], setting: &str) -> usize {
        let (mut table, mut at) = (&self.root, 0);
        for name in tables {
            let Some((key, value)) = table.get_key_value(*name) else { break };
            at = key.span().start;
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        let at = entry(table, setting).map_or(at, |(place, _)| place);
        self.text[..at].matches('\n').count() + 1
    }

    /// The text with absolute paths of data and weights, which mean the same wherever a sweep goes on.
    pub fn with_absolute_paths(&self) -> String {
        let space = self.root.get("sweep").and_then(|sweep| sweep.get_ref().get("space"));
        let space = space.and_then(|space| space.get_ref().as_table());
        let mut changes: Vec<(Range<usize>, String)> = Vec::new();
        for table in [Some(&self.root), space].into_iter().flatten() {
            for setting in PATHS {
                let Some((_, value)) = entry(table, setting) else { continue };
                for value in value.get_ref().as_array().map_or(vec![value], |all| all.iter().collect()) {
                    let Some(path) = value.get_ref().as_str() else { continue };
                    let Some(absolute) = absolute_path(setting, path) else { continue };
                    if absolute != path {
                        changes.push((value.span(), toml::Value::from(absolute).to_string()));
                    }
                }
            }
        }
        changes.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
        let mut text = self.text.to_string();
        changes.into_iter().for_each(|(place, absolute)| text.replace_range(place, &absolute));
        text
    }
}

/// Where the key of a setting begins, and its value. One of a section stands under its whole name or in the section's table.
fn entry<'t, 'a>(table: &'t DeTable<'a>, setting: &str) -> Option<(usize, &'t Spanned<DeValue<'a>>)> {
    if let Some((key, value)) = table.get_key_value(setting) {
        return Some((key.span().start, value));
    }
    let (section, inner) = setting.split_once('.')?;
    let (key, section) = table.get_key_value(section)?;
    match section.get_ref().as_table().and_then(|section| section.get_key_value(inner)) {
        Some((key, value)) => Some((key.span().start, value)),
        None => Some((key.span().start, section)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Mine.\ndata = \"photos\"\nweights = \"imagenet\"\n[finetune]\nmode = \"head\"\nfrom = \"a.pth\"\n\n\
                        [sweep]\nruns = 3\n[sweep.space]\n\"images.size\" = [8]\nimages.val = [\n  0.1,\n]\nlr.min = 1\n\
                        finetune.from = [\"resnet18\", \"b \\\"c\\\".pth\"]\n[sweep.space.data]\n";

    #[test]
    fn keys_have_their_lines() {
        let document = Document::of(TEXT).unwrap();
        let line = |tables: &[&str], setting: &str| document.line(tables, setting);
        assert_eq!([line(&[], "data"), line(&[], "finetune.from"), line(&[], "lr")], [2, 6, 1]);
        assert_eq!(line(&[], "finetune.head_lr"), 4, "a setting that is left out is of its section");
        assert_eq!([line(&["sweep"], "runs"), line(&["sweep"], "eta")], [9, 8]);
        let space = ["images.size", "images.val", "lr", "data", "epochs"].map(|name| line(&["sweep", "space"], name));
        assert_eq!(space, [11, 12, 15, 17, 10]);
        assert!(Document::of("lr = \n").is_none());
    }

    #[test]
    fn paths_become_absolute_and_the_rest_stays() {
        let here = std::env::current_dir().unwrap();
        let absolute = |name: &str| toml::Value::from(here.join(name).to_str().unwrap()).to_string();
        let text = Document::of(TEXT).unwrap().with_absolute_paths();
        let expected = TEXT
            .replace("\"photos\"", &absolute("photos"))
            .replace("\"a.pth\"", &absolute("a.pth"))
            .replace("\"b \\\"c\\\".pth\"", &absolute("b \"c\".pth"));
        assert_eq!(text, expected);
        assert_eq!(Document::of(&text).unwrap().with_absolute_paths(), text);
    }
}
