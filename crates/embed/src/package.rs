//! The files that are written for each model: manifest, library, program, test.

use std::fmt::Write;
use std::path::Path;

/// Names that cargo refuses, that Rust has a meaning for, or that a dependency has.
const TAKEN: &str = "abstract alloc as async await become box break build const continue core crate deps do dyn else enum examples \
    extern false final fn for gen if impl in incremental let loop macro match mod move mut override priv \
    proc-macro pub ref return self static std struct super test trait true try type typeof unsafe unsized use \
    virtual where while yield";

/// A crate's name, as cargo takes it.
pub struct Package(String);

impl Package {
    /// A package called as its directory is, as far as cargo takes that.
    pub fn named_after(directory: &Path) -> Package {
        let name = directory.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
        let plain = plain.trim_matches('-');
        let prefix = match plain.chars().next() {
            Some(c) if c.is_ascii_alphabetic() => "",
            _ => "model-",
        };
        let is_taken = TAKEN.split(' ').any(|taken| taken == plain) || plain.replace('_', "-").starts_with("striate-");
        let suffix = if is_taken { "-classifier" } else { "" };
        Package(format!("{prefix}{plain}{suffix}").trim_end_matches('-').to_string())
    }

    /// The files with their names from the crate's directory. `manifest` is what its manifest says of the runtime, by the places where it stands.
    pub fn files(&self, classes: &[String], manifest: &[(&str, &str)]) -> [(&'static str, String); 6] {
        let crate_name = self.0.replace('-', "_");
        let mut names = String::new();
        for class in classes {
            let _ = writeln!(names, "    {class:?},");
        }
        let count = classes.len().to_string();
        let fill = |template: &str| {
            // Classes last: their names may have braces.
            let text = template.replace("{package}", &self.0).replace("{crate_name}", &crate_name);
            let text = text.replace("{count}", &count);
            let text = manifest.iter().fold(text, |text, (place, part)| text.replace(place, part.trim_end()));
            text.replace("{classes}", &names)
        };
        [
            ("Cargo.toml", fill(include_str!("template/Cargo.toml.in"))),
            ("README.md", fill(include_str!("template/README.md.in"))),
            ("src/lib.rs", fill(include_str!("template/lib.rs.in"))),
            ("src/main.rs", fill(include_str!("template/main.rs.in"))),
            ("tests/self_test.rs", fill(include_str!("template/self_test.rs.in"))),
            (".gitignore", "/target\n".into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_directory_gives_a_name_that_cargo_takes() {
        let name = |directory: &str| Package::named_after(Path::new(directory)).0;
        for (directory, package) in [
            ("out/digits", "digits"),
            ("My Model v2", "my-model-v2"),
            ("3 classes", "model-3-classes"),
            ("größe", "gr--e"),
            ("猫", "model"),
            ("..", "model"),
            ("test", "test-classifier"),
            ("striate-model", "striate-model-classifier"),
            ("striate_model", "striate_model-classifier"),
            ("_x", "model-_x"),
        ] {
            assert_eq!(name(directory), package, "{directory}");
        }
    }

    #[test]
    fn names_of_classes_are_text() {
        let classes = ["a\"b\\c\n".to_string(), "{package}".into(), "猫".into()];
        let files = Package("p".into()).files(&classes, &[]);
        let lib = &files.iter().find(|(name, _)| *name == "src/lib.rs").unwrap().1;
        assert!(
            lib.contains("CLASSES: [&str; 3] = [\n    \"a\\\"b\\\\c\\n\",\n    \"{package}\",\n    \"猫\",\n];"),
            "{lib}"
        );
    }
}
