//! The book: both languages say the same, its links lead somewhere, and all its code is compiled.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The pages of a language by file name.
fn pages(language: &str) -> BTreeMap<String, String> {
    let dir = root().join("docs/book").join(language).join("src");
    let files = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|e| e == "md"));
    pages.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path))).collect()
}

/// The code blocks of a page whose language starts with one of `languages`, fences included.
fn code(page: &str, languages: &[&str]) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut open = false;
    let mut wanted = false;
    for line in page.lines() {
        let fence = line.starts_with("```");
        if fence && !open {
            wanted = languages.iter().any(|l| line[3..].starts_with(l));
            if wanted {
                blocks.push(String::new());
            }
        }
        if wanted && (open || fence) {
            let block = blocks.last_mut().expect("one was begun");
            block.push_str(line);
            block.push('\n');
        }
        if fence {
            open = !open;
            wanted &= open;
        }
    }
    blocks
}

/// The targets of a page's links and images outside of code blocks.
fn links(page: &str) -> Vec<String> {
    let mut text = String::new();
    let mut open = false;
    for line in page.lines() {
        open ^= line.starts_with("```");
        if !open {
            text.push_str(line);
            text.push('\n');
        }
    }
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_string()).collect()
}

#[test]
fn both_languages_have_the_same_pages_and_the_same_code() {
    let (english, chinese) = (pages("en"), pages("zh"));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&english), names(&chinese));
    assert_eq!(links(&english["SUMMARY.md"]), links(&chinese["SUMMARY.md"]));
    for (name, page) in &english {
        let languages = ["rust", "text", "toml"];
        let (ours, theirs) = (code(page, &languages), code(&chinese[name], &languages));
        assert_eq!(ours.len(), theirs.len(), "{name}: as many code blocks in both languages");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{name}: the code of both languages differs");
        }
    }
}

#[test]
fn every_page_with_code_is_compiled() {
    let compiled = read(&root().join("crates/striate/src/book.rs"));
    for (name, page) in pages("en") {
        let listed = compiled.contains(&format!("\"{name}\""));
        assert!(listed || code(&page, &["rust"]).is_empty(), "add {name} to crates/striate/src/book.rs");
    }
}

#[test]
fn links_lead_to_files_and_each_page_to_the_other_language() {
    for (language, other) in [("en", "zh"), ("zh", "en")] {
        let dir = root().join("docs/book").join(language).join("src");
        for (name, page) in pages(language) {
            if name == "SUMMARY.md" {
                continue;
            }
            let targets = links(&page);
            assert_eq!(targets.first(), Some(&format!("../../{other}/src/{name}")), "{language}/{name}");
            for target in targets.iter().filter(|t| !t.contains("://")) {
                let file = target.split('#').next().unwrap_or_default();
                assert!(dir.join(file).is_file(), "{language}/{name}: there is no {file}");
            }
        }
    }
}

#[test]
fn the_loop_of_the_book_is_that_of_the_example() {
    let example = read(&root().join("crates/striate/examples/training_loop.rs"));
    let page = &pages("en")["training-loop.md"];
    let body = page.split_once("-> Result<f64, Box<dyn std::error::Error>> {\n").unwrap().1;
    let body = body.split_once("\n}\n").unwrap().0;
    assert!(body.lines().count() > 30 && example.contains(body), "the loop in training-loop.md is not the example's");
}
