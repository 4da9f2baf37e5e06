//! [`Recipe`]: settings that go together, in a file.

use crate::config::{Config, ResolvedConfig};
use std::path::Path;

/// Settings that go together under one name: a commented TOML file of those that a run's `config.toml` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    text: &'static str,
}

macro_rules! recipe {
    ($name:ident, $file:literal) => {
        /// The recipe of this file.
        pub const $name: Recipe = Recipe { text: include_str!(concat!("../recipes/", $file)) };
    };
}

impl Recipe {
    recipe!(FAST, "fast.toml");
    recipe!(SMALL_DATA, "small-data.toml");
    recipe!(FINETUNE_HEAD, "finetune-head.toml");
    recipe!(FINETUNE_FULL, "finetune-full.toml");
    recipe!(FINETUNE_GRADUAL, "finetune-gradual.toml");
    recipe!(DETECTION, "detection.toml");
    recipe!(SEGMENTATION, "segmentation.toml");

    /// All of them.
    pub const ALL: [Recipe; 7] = [
        Recipe::FAST,
        Recipe::SMALL_DATA,
        Recipe::FINETUNE_HEAD,
        Recipe::FINETUNE_FULL,
        Recipe::FINETUNE_GRADUAL,
        Recipe::DETECTION,
        Recipe::SEGMENTATION,
    ];

    /// The recipe of this name.
    pub fn named(name: &str) -> Option<Recipe> {
        Recipe::ALL.into_iter().find(|recipe| recipe.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.id().0
    }

    /// Its version. A change of a setting makes a new one.
    pub fn version(self) -> &'static str {
        self.id().1
    }

    fn id(self) -> (&'static str, &'static str) {
        let line = self.text.lines().find_map(|line| line.strip_prefix("recipe = \"")).unwrap_or_default();
        line.trim_end_matches('"').split_once(' ').unwrap_or_default()
    }

    /// What it is for, in one line.
    pub fn description(self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// The file.
    pub fn text(self) -> &'static str {
        self.text
    }

    /// Its settings.
    pub fn config(self) -> Config {
        Config::parse(self.text, Path::new(self.name())).expect("a test reads every recipe")
    }

    /// Its settings, over the defaults.
    pub fn resolved(self) -> ResolvedConfig {
        let mut config = ResolvedConfig::default();
        self.config().apply(&mut config);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_can_be_read_and_run() {
        for recipe in Recipe::ALL {
            let (name, config) = (recipe.name(), recipe.resolved());
            assert_eq!(config.recipe, Some(format!("{name} {}", recipe.version())), "{name}");
            assert!(recipe.version().parse::<u32>().is_ok_and(|v| v > 0) && recipe.description().ends_with('.'));
            assert_eq!(Recipe::named(name), Some(recipe));
            config.validate().unwrap_or_else(|e| panic!("{name}: {e}"));
            let commented = recipe.text().lines().filter(|line| line.starts_with('#')).count();
            assert!(commented >= 2, "{name} says why its settings are what they are");
        }
        assert_eq!(Recipe::named("slow"), None);
    }
}
