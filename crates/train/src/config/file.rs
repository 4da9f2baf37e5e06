//! Settings in files: TOML.

use super::{Config, ResolvedConfig};
use crate::error::TrainError;
use crate::recipe::Recipe;
use serde::de::DeserializeOwned;
use std::path::Path;
use striate_zoo::text::closest;

impl Config {
    /// Reads settings from a TOML file: some of those that a run's `config.toml` has, under the same names.
    ///
    /// # Errors
    /// If it cannot be read, or has an unknown setting or a value of the wrong type: the message names the line. If it names a recipe that there is not, or one
    /// without its version, which would bring nothing in.
    pub fn read(path: &Path) -> Result<Config, TrainError> {
        Config::parse(&text_of(path)?, path)
    }

    /// As [`Config::read`], of text. `name` is what errors call it.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn parse(text: &str, name: &Path) -> Result<Config, TrainError> {
        let config: Config = parse(text, name)?;
        let Some(recipe) = config.recipe.as_deref() else { return Ok(config) };
        if Recipe::named(recipe).is_some() {
            // Without a version it is not the record of a run, but meant to bring settings in.
            return Err(TrainError::RecipeInFile { path: name.to_path_buf(), recipe: recipe.into() });
        }
        if Recipe::named(recipe.split(' ').next().unwrap_or_default()).is_some() {
            return Ok(config);
        }
        let line = text.lines().position(|line| line.trim_start().starts_with("recipe")).unwrap_or(0) + 1;
        let known = Recipe::ALL.map(Recipe::name).join(", ");
        let reason = format!("line {line}: there is no recipe '{recipe}', there are {known}");
        Err(TrainError::Config { path: name.to_path_buf(), reason })
    }
}

impl ResolvedConfig {
    /// The settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are plain values")
    }

    /// Reads the settings of an earlier run.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn read(path: &Path) -> Result<ResolvedConfig, TrainError> {
        parse(&text_of(path)?, path)
    }
}

fn text_of(path: &Path) -> Result<String, TrainError> {
    std::fs::read_to_string(path).map_err(|e| TrainError::io("read", path, e))
}

fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, TrainError> {
    toml::from_str(text).map_err(|e| {
        let place = e.span().unwrap_or_default();
        let line = text[..place.start.min(text.len())].matches('\n').count() + 1;
        let reason = match unknown(e.message()) {
            Some(name) => format!("line {line}: there is no setting '{name}'{}", near(name)),
            None => format!("line {line}: {}", in_toml_terms(&e)),
        };
        TrainError::Config { path: path.to_path_buf(), reason }
    })
}

/// The setting that does not exist, if a message of serde's says that of one.
fn unknown(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// What is wrong, with the types of values as TOML calls them and not as Rust does.
pub(crate) fn in_toml_terms(error: &toml::de::Error) -> String {
    let message = error.message().lines().next().unwrap_or_default().replace(" as i128", "");
    let terms = [
        ("expected f64", "expected a number"),
        ("expected f32", "expected a number"),
        ("expected usize", "expected an integer, 0 or more"),
        ("expected u64", "expected an integer, 0 or more"),
        ("expected u32", "expected an integer, 0 or more"),
        ("expected u8", "expected an integer, 0 to 255"),
        ("expected struct ImageConfig", "expected a table"),
        ("wanted string or table", "expected a string"),
        ("data did not match any variant of untagged enum Space", "expected a list of values or a range { min, max }"),
        ("unknown variant", "unknown value"),
        ("floating point `", "float `"),
        ("type: sequence", "type: array"),
        ("type: map", "type: table"),
    ];
    terms.iter().fold(message, |message, (rust, toml)| message.replace(rust, toml))
}

/// What an unknown name resembles, or where all names are.
pub(crate) fn near(name: &str) -> String {
    let names = Config::names();
    let last: Vec<&str> = names.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
    match closest(name, last.iter().copied()) {
        Some(near) => {
            let whole = names.iter().find(|name| name.rsplit('.').next() == Some(near)).map_or(near, String::as_str);
            match whole.split_once('.') {
                Some((section, inner)) => format!("; did you mean {inner} in [{section}]?"),
                None => format!("; did you mean {whole}?"),
            }
        }
        None => format!("; there are: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OptimizerKind;
    use crate::finetune::{FineTune, FineTuneMode};
    use crate::image_settings::ImageSettings;

    #[test]
    fn settings_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let plain = ResolvedConfig { checkpoint_every: Some(7), lr: 0.1 + 0.2, ..ResolvedConfig::default() };
        std::fs::write(&path, plain.to_toml()).unwrap();
        assert_eq!(ResolvedConfig::read(&path).unwrap(), plain);
        let config = ResolvedConfig {
            schedule: Some("warmup 10, cosine".into()),
            weight_decay: Some(0.05),
            betas: Some([0.85, 0.98]),
            optimizer: OptimizerKind::AdamW,
            images: ImageSettings { size: Some(64), augment: Some("flip".into()), ..ImageSettings::default() },
            finetune: Some(FineTune { from: "resnet18".into(), head_epochs: 2, ..FineTune::default() }),
            ..plain
        };
        std::fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(ResolvedConfig::read(&path).unwrap(), config);
        // What a run was run with can be asked for again.
        let again = Config::read(&path).unwrap();
        let mut resolved = ResolvedConfig::default();
        again.apply(&mut resolved);
        assert_eq!(resolved, config);
    }

    #[test]
    fn mistakes_are_answered_with_their_line() {
        let line = |text: &str| Config::parse(text, Path::new("my.toml")).unwrap_err().to_string();
        assert_eq!(
            line("# mine\nepochs = 3\nbatchsize = 10\n"),
            "my.toml: line 3: there is no setting 'batchsize'; did you mean batch_size?"
        );
        assert_eq!(line("sze = 3\n"), "my.toml: line 1: there is no setting 'sze'; did you mean size in [images]?");
        assert!(line("[images]\n\nsizes = 3\n").contains("line 3: there is no setting 'sizes'; did you mean size"));
        assert!(line("colour_of_the_sky = 3\n").contains("; there are: task, data, model,"));
        assert!(
            line("lr = \"fast\"\n").starts_with("my.toml: line 1: invalid type: string \"fast\", expected a number")
        );
        assert!(line("epochs = -1\n").starts_with("my.toml: line 1: invalid value: integer `-1`"));
        assert!(line("epochs = 1\nepochs = 2\n").starts_with("my.toml: line 2: duplicate key"));
        assert!(line("epochs = \n").starts_with("my.toml: line 1: "));
        assert!(line("[finetune]\nmode = \"heads\"\n").contains("line 2: unknown value `heads`"));
        let some = Config::parse("epochs = 3\n[finetune]\nmode = \"head\"", Path::new("x")).unwrap();
        assert_eq!((some.epochs, some.finetune.unwrap().mode), (Some(3), Some(FineTuneMode::Head)));
    }
}
