use crate::args::RecipeCommand;
use crate::output::{Failure, say};
use crate::table::Table;
use std::process::ExitCode;
use striate::train::Recipe;

pub fn run(command: RecipeCommand) -> Result<ExitCode, Failure> {
    match command {
        RecipeCommand::List => {
            let mut table = Table::new(&["recipe", "version", "for"]).left(3);
            for recipe in Recipe::ALL {
                table.row([recipe.name(), recipe.version(), recipe.description()].map(String::from).to_vec());
            }
            say(table)?;
        }
        RecipeCommand::Show { name } => say(name.text().trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}
