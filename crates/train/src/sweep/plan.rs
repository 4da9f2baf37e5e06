//! [`SweepPlan`]: what a sweep tries, from a TOML file.

use super::check;
use super::document::Document;
use super::space::Space;
use crate::config::{Config, Layers, ResolvedConfig, in_toml_terms, near};
use crate::error::TrainError;
use crate::paths::{PATHS, is_word};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use striate_data::images::text_path;
use striate_tensor::Generator;

/// Tells draws of settings from other random numbers under the same seed.
const STREAM: u64 = 0x7377_6565;
/// The most runs that a grid may have: a slip of the hand is not to start a year of work.
const MOST: usize = 10_000;
/// The tables of a plan that lead to what its settings may be.
pub(super) const SPACE: [&str; 2] = ["sweep", "space"];

/// How settings are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every combination of the lists.
    #[default]
    Grid,
    /// Drawn at random (Bergstra and Bengio, 2012).
    Random,
    /// Drawn at random and trained for a few epochs; the best of them anew for more, and so on (successive halving, Jamieson and Talwalkar, 2016).
    Halving,
}

/// What a sweep tries.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPlan {
    /// The settings that all runs have.
    pub config: Config,
    /// How the others are chosen.
    pub method: Method,
    /// How many are drawn.
    pub runs: usize,
    /// What the draws come from.
    pub seed: u64,
    /// The metric that trials are ranked by, instead of the one that their best epochs are chosen by.
    pub metric: Option<String>,
    /// In halving: one of this many goes on, for this many times the epochs.
    pub eta: usize,
    /// In halving: the epochs of the first rung.
    pub min_epochs: usize,
    /// What the settings may be, by name.
    pub space: BTreeMap<String, Space>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    sweep: Section,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    #[serde(default)]
    method: Method,
    #[serde(default = "runs")]
    runs: usize,
    #[serde(default)]
    seed: u64,
    metric: Option<String>,
    #[serde(default = "eta")]
    eta: usize,
    #[serde(default = "min_epochs")]
    min_epochs: usize,
    #[serde(default)]
    space: toml::Table,
}

fn runs() -> usize {
    20
}

fn eta() -> usize {
    3
}

fn min_epochs() -> usize {
    1
}

impl SweepPlan {
    /// Reads a plan: settings as in `config.toml`, and a section `[sweep]`. `path` is what errors call it.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the line of what is wrong.
    pub fn parse(text: &str, path: &Path) -> Result<SweepPlan, TrainError> {
        let document = Document::of(text);
        let bad = |tables: &[&str], setting: &str, reason: String| {
            let line = document.as_ref().map_or(1, |document| document.line(tables, setting));
            TrainError::Config { path: path.to_path_buf(), reason: format!("line {line}: {reason}") }
        };
        let (settings, sections) = parted(text);
        let config = Config::parse(&settings, path).map_err(|e| match e {
            TrainError::RecipeInFile { recipe, .. } => bad(&[], "recipe", format!(
                "recipe = \"{recipe}\" only says where settings came from and brings none in: write its settings into this file"
            )),
            e => e,
        })?;
        let section = match toml::from_str::<Written>(&sections) {
            Ok(written) => written.sweep,
            Err(e) if e.message().contains("missing field `sweep`") => {
                let reason = "there is no section [sweep], with what settings may be in [sweep.space]".into();
                return Err(TrainError::Config { path: path.to_path_buf(), reason });
            }
            Err(e) => {
                let line = sections[..e.span().unwrap_or_default().start].matches('\n').count() + 1;
                let reason = format!("line {line}: {}", in_toml_terms(&e));
                return Err(TrainError::Config { path: path.to_path_buf(), reason });
            }
        };
        let Section { method, runs, seed, metric, eta, min_epochs, space } = section;
        for (name, number, least) in [("runs", runs, 1), ("eta", eta, 2), ("min_epochs", min_epochs, 1)] {
            if number < least {
                return Err(bad(&["sweep"], name, format!("[sweep] {name} is {number}, it must be at least {least}")));
            }
        }
        let bad_space = |name: &str, reason: String| bad(&SPACE, name, format!("[sweep.space] {reason}"));
        if space.is_empty() {
            return Err(bad_space("", "says of no setting what it may be".into()));
        }
        let mut plan = SweepPlan { config, method, runs, seed, metric, eta, min_epochs, space: BTreeMap::new() };
        for (name, value) in by_whole_names(space) {
            let space = plan.space_of(&name, value).map_err(|reason| bad_space(&name, reason))?;
            if plan.space.insert(name.clone(), space).is_some() {
                return Err(bad_space(&name, format!("{name} is there twice")));
            }
        }
        plan.check_settings(&bad)?;
        let many = plan.grid_size().is_none_or(|n| n > MOST);
        if method == Method::Grid && many {
            let reason = format!("has more than {MOST} combinations: draw some with method = \"random\"");
            return Err(bad_space("", reason));
        }
        Ok(plan)
    }

    /// What a setting may be, by what the plan says of it; else why it cannot be that.
    fn space_of(&self, name: &str, value: toml::Value) -> Result<Space, String> {
        if !Config::names().iter().any(|known| known == name) {
            let last = name.rsplit('.').next().unwrap_or(name);
            return Err(format!("names '{name}', which is no setting{}", near(last)));
        }
        if name == "recipe" {
            return Err("recipe: it only says where settings came from and brings none in".into());
        }
        if self.method == Method::Halving && name == "epochs" {
            return Err("epochs: halving itself says how many epochs a trial has".into());
        }
        let space: Space = value.try_into().map_err(|e| format!("{name}: {}", in_toml_terms(&e)))?;
        space.check().map_err(|reason| format!("{name}: {reason}"))?;
        match space {
            Space::Range(_) if self.method == Method::Grid => {
                Err(format!("{name}: a grid takes a list of values, not a range"))
            }
            space => Ok(space),
        }
    }

    /// Refuses values that no run can have. `bad` makes the error of a setting in the table that its first argument leads to.
    fn check_settings(&self, bad: &dyn Fn(&[&str], &str, String) -> TrainError) -> Result<(), TrainError> {
        for (name, space) in &self.space {
            let bad = |reason: String| bad(&SPACE, name, format!("[sweep.space] {name}: {reason}"));
            for value in space.samples() {
                let found = check::fault(&self.config, &self.space, &[(name.clone(), value)]);
                // Where it is another setting's, that one has to change.
                if let Some((_, reason)) = found.map_err(|e| bad(of_value(e)))?.filter(|(of, _)| of == name) {
                    return Err(bad(reason));
                }
            }
        }
        // What the plan itself says, with a value of the space in the place of each setting that has some.
        let mut settings: Vec<(String, toml::Value)> = Vec::new();
        while let Some((name, reason)) = check::fault(&self.config, &self.space, &settings)? {
            match self.space.get(&name) {
                None => return Err(bad(&[], &name, format!("{name}: {reason}"))),
                Some(_) if settings.iter().any(|(known, _)| *known == name) => break,
                Some(space) => settings.extend(space.samples().into_iter().take(1).map(|value| (name.clone(), value))),
            }
        }
        if let [Some(first), _, ..] = self.rungs(self.runs, self.epochs())[..]
            && let Some((name, reason)) = check::fault(&self.config.clone().epochs(first), &self.space, &settings)?
            && !self.space.contains_key(&name)
        {
            let reason = format!("[sweep] min_epochs: of trials of {first} epochs {name}: {reason}");
            return Err(bad(&["sweep"], "min_epochs", reason));
        }
        Ok(())
    }

    /// Refuses data and weights of the space that are not there, before the trials of others. `text` is that of the plan.
    pub(super) fn check_paths(&self, text: &str, path: &Path) -> Result<(), TrainError> {
        for name in PATHS {
            let values = self.space.get(name).map(Space::samples).unwrap_or_default();
            let mut places = values.iter().filter_map(toml::Value::as_str).filter(|place| !is_word(name, place));
            if let Some(place) = places.find(|place| !text_path(place).exists()) {
                let line = Document::of(text).map_or(1, |document| document.line(&SPACE, name));
                let reason = format!("line {line}: [sweep.space] {name}: there is no {place}");
                return Err(TrainError::Config { path: path.to_path_buf(), reason });
            }
        }
        Ok(())
    }

    /// The epochs that a trial has if its settings say nothing else.
    pub(crate) fn epochs(&self) -> usize {
        Layers::from(self.config.clone()).over(ResolvedConfig::default()).config.epochs
    }

    fn grid_size(&self) -> Option<usize> {
        self.space.values().try_fold(1usize, |n, space| match space {
            Space::List(values) => n.checked_mul(values.len()),
            Space::Range(_) => Some(n),
        })
    }

    /// The settings of each trial, in the order of their names.
    pub(crate) fn assignments(&self) -> Result<Vec<Vec<(String, toml::Value)>>, TrainError> {
        let all: Vec<Vec<(String, toml::Value)>> = match self.method {
            Method::Grid => self.grid(),
            Method::Random | Method::Halving => (0..self.runs).map(|i| self.draw(i)).collect(),
        };
        all.iter().try_for_each(|settings| as_config(settings).map(|_| ()))?;
        Ok(all)
    }

    fn grid(&self) -> Vec<Vec<(String, toml::Value)>> {
        let mut all = vec![Vec::new()];
        for (name, space) in &self.space {
            let Space::List(values) = space else { continue };
            let with = |settings: &Vec<(String, toml::Value)>, value: &toml::Value| {
                [&settings[..], &[(name.clone(), value.clone())]].concat()
            };
            all = all.iter().flat_map(|settings| values.iter().map(move |value| with(settings, value))).collect();
        }
        all
    }

    /// The settings of trial `index`, which depend on the seed and that number alone.
    fn draw(&self, index: usize) -> Vec<(String, toml::Value)> {
        let rng = &mut Generator::keyed([self.seed, STREAM, index as u64, 0]);
        self.space.iter().map(|(name, space)| (name.clone(), space.draw(rng))).collect()
    }

    /// The epochs of each rung, the last of which has `epochs`; none where the settings decide.
    pub(crate) fn rungs(&self, trials: usize, epochs: usize) -> Vec<Option<usize>> {
        if self.method != Method::Halving {
            return vec![None];
        }
        let (mut rungs, mut left, mut next) = (Vec::new(), trials, self.min_epochs);
        while left > 1 && next < epochs {
            rungs.push(Some(next));
            left = left.div_ceil(self.eta);
            next = next.saturating_mul(self.eta);
        }
        rungs.push(Some(epochs));
        rungs
    }
}

/// The text without the sections `[sweep…]`, and these alone: with empty lines for what is left out, so that lines keep their numbers.
fn parted(text: &str) -> (String, String) {
    let (mut settings, mut sections, mut is_sweep) = (String::new(), String::new(), false);
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            let name = line.trim_start().trim_start_matches('[').trim_start();
            is_sweep = name.strip_prefix("sweep").is_some_and(|rest| rest.trim_start().starts_with([']', '.']));
        }
        let (to, other) = if is_sweep { (&mut sections, &mut settings) } else { (&mut settings, &mut sections) };
        to.push_str(line);
        to.push('\n');
        other.push('\n');
    }
    (settings, sections)
}

/// What a plan says of each setting, by its whole name: those of a section may stand in the section's own table.
fn by_whole_names(space: toml::Table) -> Vec<(String, toml::Value)> {
    let names = Config::names();
    let mut all = Vec::new();
    for (name, value) in space {
        let is_section = names.iter().any(|whole| whole.split_once('.').is_some_and(|(section, _)| section == name));
        match value {
            toml::Value::Table(inner) if is_section => {
                all.extend(inner.into_iter().map(|(setting, value)| (format!("{name}.{setting}"), value)));
            }
            value => all.push((name, value)),
        }
    }
    all
}

/// What is wrong with a value, without the place that it was read from.
fn of_value(e: TrainError) -> String {
    match e {
        TrainError::Config { reason, .. } => {
            reason.split_once(": ").map_or(reason.clone(), |(_, reason)| reason.into())
        }
        e => e.to_string(),
    }
}

/// Settings by name as a configuration.
pub(super) fn as_config(settings: &[(String, toml::Value)]) -> Result<Config, TrainError> {
    let mut table = toml::Table::new();
    for (name, value) in settings {
        match name.split_once('.') {
            Some((section, inner)) => {
                let section = table.entry(section).or_insert_with(|| toml::Table::new().into());
                section.as_table_mut().map(|section| section.insert(inner.into(), value.clone()));
            }
            None => drop(table.insert(name.clone(), value.clone())),
        }
    }
    let text = toml::to_string(&table).expect("a table of plain values");
    Config::parse(&text, Path::new("trial"))
}

/// A value as people write it.
pub(super) fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Float(x) if *x != 0.0 && !(1e-4..1e6).contains(&x.abs()) => format!("{x:e}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<SweepPlan, String> {
        SweepPlan::parse(text, Path::new("s.toml")).map_err(|e| e.to_string())
    }

    const SPACE: &str = "[sweep.space]\nlr = [0.1, 0.01]\n\"images.augment\" = [\"none\", \"flip\", \"vflip\"]\n";

    #[test]
    fn a_grid_has_every_combination() {
        let plan = plan(&format!("epochs = 3\n[sweep]\n{SPACE}")).unwrap();
        let all = plan.assignments().unwrap();
        assert_eq!((all.len(), plan.config.epochs), (6, Some(3)));
        let one = as_config(&all[1]).unwrap();
        assert_eq!((one.lr, one.images.unwrap().augment), (Some(0.01), Some("none".into())));
        assert!(all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| a != b)));
    }

    #[test]
    fn settings_of_sections_are_written_as_in_toml() {
        let text = "images.augment = [\"flip\"]\n[sweep.space.finetune]\nhead_lr = { min = 0.1, max = 0.2 }\n";
        let plan = plan(&format!("[sweep]\nmethod = \"random\"\n[sweep.space]\n{text}")).unwrap();
        assert_eq!(plan.space.keys().collect::<Vec<_>>(), ["finetune.head_lr", "images.augment"]);
    }

    #[test]
    fn a_value_is_right_if_another_setting_makes_it_so() {
        let text = |optimizers: &str| {
            format!("optimizer = \"sgd\"\n[sweep.space]\nbetas = [[0.9, 0.99]]\noptimizer = {optimizers}\n")
        };
        assert!(plan(&text("[\"sgd\", \"adam\"]")).is_ok());
        let line = plan(&text("[\"sgd\"]")).unwrap_err();
        assert!(line.starts_with("s.toml: line 3: [sweep.space] betas: 0.9,0.99 cannot be used: "), "{line}");
    }

    #[test]
    fn random_trials_depend_on_seed_and_number_alone() {
        let text = |runs| {
            format!(
                "[sweep]\nmethod = \"random\"\nruns = {runs}\nseed = 3\n{SPACE}weight_decay = {{ min = 1e-5, max = 0.1, log = true }}\n"
            )
        };
        let (few, many) =
            (plan(&text(4)).unwrap().assignments().unwrap(), plan(&text(9)).unwrap().assignments().unwrap());
        assert_eq!(few[..], many[..4]);
    }

    #[test]
    fn rungs_end_at_all_epochs() {
        let text = format!("epochs = 20\n[sweep]\nmethod = \"halving\"\nruns = 9\nmin_epochs = 2\n{SPACE}");
        assert_eq!(plan(&text).unwrap().rungs(9, 20), [Some(2), Some(6), Some(20)]);
        assert_eq!(plan(&text).unwrap().rungs(1, 20), [Some(20)]);
        assert_eq!(plan(&text).unwrap().rungs(9, 1), [Some(1)]);
    }

    #[test]
    fn mistakes_are_answered_with_their_place() {
        for (text, said) in [
            ("epochs = 3\n", "there is no section [sweep]"),
            ("[sweep]\n", "[sweep.space] says of no setting"),
            ("epoch = 3\n[sweep]\n", "line 1: there is no setting 'epoch'; did you mean epochs?"),
            ("\n[sweep]\nmethod = \"gird\"\n", "line 3: unknown value `gird`"),
            ("[sweep]\nrun = 3\n", "line 2: unknown field `run`"),
            ("[sweep.space]\nlearning = [1]\n", "line 2: [sweep.space] names 'learning', which is no setting"),
            ("[sweep.space]\nlr = []\n", "lr: the list has no values"),
            ("[sweep.space]\nlr = { min = 0.1, max = 1 }\n", "a grid takes a list"),
            ("[sweep.space]\nlr = [\"fast\"]\n", "line 2: [sweep.space] lr: invalid type"),
            ("[sweep]\nmethod = \"random\"\nruns = 0\n[sweep.space]\nlr = [0.1]\n", "line 3: [sweep] runs is 0"),
            ("recipe = \"fast\"\n[sweep.space]\nlr = [0.1]\n", "line 1: recipe = \"fast\" only says"),
            ("[sweep.space]\n\"images.val\" = [0.2]\n[sweep.space.images]\nval = [0.3]\n", "images.val is there twice"),
            (
                "epochs = 40\n[finetune]\nfrom = \"resnet18\"\n[sweep]\nmethod = \"halving\"\nmin_epochs = 3\n[sweep.space]\nlr = [0.1]\n",
                "line 6: [sweep] min_epochs: of trials of 3 epochs finetune.head_epochs: 30 must be at least 1",
            ),
        ] {
            let got = plan(text).unwrap_err();
            assert!(got.starts_with("s.toml: ") && got.contains(said), "{got}");
        }
    }
}
