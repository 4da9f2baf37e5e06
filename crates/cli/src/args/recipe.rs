//! What can be typed about recipes.

use super::training::recipe;
use clap::{Args, Subcommand};
use striate::train::Recipe;

/// Settings that go together: list them, or print one as a TOML file for train --config.
#[derive(Debug, Args)]
pub struct RecipeArgs {
    #[command(subcommand)]
    pub command: RecipeCommand,
}

#[derive(Debug, Subcommand)]
pub enum RecipeCommand {
    /// Print the names of all recipes, and what they are for.
    List,
    /// Print a recipe: striate recipe show fast > my.toml, change it, striate train --config my.toml.
    Show {
        /// Its name.
        #[arg(value_name = "NAME", value_parser = recipe)]
        name: Recipe,
    },
}
