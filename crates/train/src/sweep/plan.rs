//! [`SweepPlan`]: what a sweep tries, from a TOML file.

use super::space::Space;
use super::with_absolute_paths as absolute;
use crate::config::{Config, Layers, ResolvedConfig, in_toml_terms, near};
use crate::error::TrainError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use striate_tensor::Generator;

/// Tells draws of settings from other random numbers under the same seed.
const STREAM: u64 = 0x7377_6565;
/// The most runs that a grid may have: a slip of the hand is not to start a year of work.
const MOST: usize = 10_000;

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
    space: BTreeMap<String, Space>,
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
        let bad = |reason: String| TrainError::Config { path: path.to_path_buf(), reason };
        let (settings, sections) = parted(text);
        let mut config = Config::parse(&settings, path).map_err(|e| match e {
            TrainError::RecipeInFile { recipe, .. } => bad(format!(
                "recipe = \"{recipe}\" only says where settings came from and brings none in: write its settings into this file"
            )),
            e => e,
        })?;
        absolute(&mut config);
        let section = match toml::from_str::<Written>(&sections) {
            Ok(written) => written.sweep,
            Err(e) if e.message().contains("missing field `sweep`") => {
                return Err(bad("there is no section [sweep], with what settings may be in [sweep.space]".into()));
            }
            Err(e) => {
                let line = sections[..e.span().unwrap_or_default().start].matches('\n').count() + 1;
                return Err(bad(format!("line {line}: {}", in_toml_terms(&e))));
            }
        };
        let Section { method, runs, seed, metric, eta, min_epochs, space } = section;
        if space.is_empty() {
            return Err(bad("[sweep.space] says of no setting what it may be".into()));
        }
        let names = Config::names();
        for (name, values) in &space {
            let bad = |reason: String| bad(format!("line {}: [sweep.space] {reason}", line_of(&sections, name)));
            if !names.contains(name) {
                return Err(bad(format!("names '{name}', which is no setting{}", near(name))));
            }
            values.check().map_err(|reason| bad(format!("{name}: {reason}")))?;
            if method == Method::Grid && matches!(values, Space::Range(_)) {
                return Err(bad(format!("{name}: a grid takes a list of values, not a range")));
            }
            // Values of the wrong type, or that no run can have, are found before the first run.
            for value in values.samples() {
                check(&config, name, &value).map_err(|reason| bad(format!("{name}: {reason}")))?;
            }
        }
        for (name, number, least) in [("runs", runs, 1), ("eta", eta, 2), ("min_epochs", min_epochs, 1)] {
            if number < least {
                return Err(bad(format!("[sweep] {name} is {number}, it must be at least {least}")));
            }
        }
        let plan = SweepPlan { config, method, runs, seed, metric, eta, min_epochs, space };
        let many = plan.grid_size().is_none_or(|n| n > MOST);
        if method == Method::Grid && many {
            return Err(bad(format!(
                "[sweep.space] has more than {MOST} combinations: draw some with method = \"random\""
            )));
        }
        Ok(plan)
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

/// Why a run of the plan's settings cannot have this value of a setting.
fn check(config: &Config, name: &str, value: &toml::Value) -> Result<(), String> {
    let own = as_config(&[(name.to_string(), value.clone())]).map_err(|e| match e {
        TrainError::Config { reason, .. } => reason.trim_start_matches("line 1: ").to_string(),
        e => e.to_string(),
    })?;
    let resolved = Layers::default().add("plan", config.clone()).add("trial", own).over(ResolvedConfig::default());
    match resolved.config.validate() {
        Err(TrainError::Setting { name: of, got, need }) if of == name => Err(format!("{got} must be {need}")),
        Err(TrainError::Unusable { name: of, got, reason }) if of == name => {
            Err(format!("{got} cannot be used: {reason}"))
        }
        // Another setting may be what has to change with it.
        _ => Ok(()),
    }
}

/// The line on which the space of a setting begins, or else its section.
fn line_of(sections: &str, name: &str) -> usize {
    let begins = |line: &str, text: &str| {
        line.trim_start().strip_prefix(text).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
    };
    let is_its = |line: &str| begins(line, name) || begins(line, &format!("\"{name}\""));
    let in_space = |line: &str| line.trim_start().starts_with("[sweep.space");
    let found = sections.lines().position(is_its).or_else(|| sections.lines().position(in_space));
    found.unwrap_or(0) + 1
}

/// The text of a plan whose data and weights are those of the plan that was made of it.
pub(super) fn with_absolute_paths(text: &str, plan: &SweepPlan) -> String {
    let Ok(mut table) = text.parse::<toml::Table>() else { return text.into() };
    let mut is_same = true;
    for (name, place) in [("data", &plan.config.data), ("weights", &plan.config.weights)] {
        if let (Some(written), Some(place)) = (table.get_mut(name), place)
            && written.as_str() != Some(place)
        {
            (*written, is_same) = (place.clone().into(), false);
        }
    }
    if is_same { text.into() } else { toml::to_string(&table).expect("what was read can be written") }
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
            ("[sweep.space]\nlr = [\"fast\"]\n", "invalid type"),
            ("[sweep]\nmethod = \"random\"\nruns = 0\n[sweep.space]\nlr = [0.1]\n", "runs is 0"),
        ] {
            let got = plan(text).unwrap_err();
            assert!(got.starts_with("s.toml: ") && got.contains(said), "{got}");
        }
    }
}
