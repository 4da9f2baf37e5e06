//! What a pickle names or makes that is on no list: kept by name, never run.

use super::machine::Machine;
use super::{Id, PickleError, Value, damaged};
use crate::names::shown;

/// Modules whose functions act on the system, and what begins with them and a dot.
const HARMFUL_MODULES: [&str; 17] = [
    "ctypes",
    "ftplib",
    "http.client",
    "http.server",
    "importlib",
    "nt",
    "os",
    "pdb",
    "popen2",
    "posix",
    "pty",
    "runpy",
    "shutil",
    "smtplib",
    "subprocess",
    "urllib.request",
    "webbrowser",
];
/// Functions of other modules that run what they are given.
const HARMFUL_NAMES: [(&str, &[&str]); 4] = [
    ("builtins", &["eval", "exec", "compile", "open", "__import__", "breakpoint"]),
    ("__builtin__", &["eval", "exec", "execfile", "compile", "open", "file", "__import__", "apply", "input"]),
    ("torch.hub", &["load", "load_state_dict_from_url", "download_url_to_file"]),
    ("sys", &["exit", "settrace", "setprofile"]),
];
/// What is plain data in those modules.
const HARMLESS: [&str; 9] = [
    "stat_result",
    "terminal_size",
    "times_result",
    "uname_result",
    "PathLike",
    "_Environ",
    "CompletedProcess",
    "CalledProcessError",
    "ModuleSpec",
];

/// How a [`Foreign`] value came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It is the name itself: a function or a class that something refers to.
    Name,
    /// It is what a function would give.
    Call,
    /// It is an object of a class.
    Object,
}

/// A name that is on no list, or what a call of it would make.
#[derive(Debug)]
pub(crate) struct Foreign<'a> {
    pub module: &'a str,
    pub name: &'a str,
    pub made: Made,
    /// The arguments, attributes and list items that were given to it.
    pub parts: Vec<Id>,
    /// The dictionary items.
    pub items: Vec<(Id, Id)>,
}

impl<'a> Foreign<'a> {
    pub fn named(module: &'a str, name: &'a str) -> Foreign<'a> {
        Foreign { module, name, made: Made::Name, parts: Vec::new(), items: Vec::new() }
    }

    /// The name with its module, as Python writes it.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

/// Whether a call of `module.name` would act on the system: no weights and no settings are made that way.
fn is_harmful(module: &str, name: &str) -> bool {
    let within =
        |outer: &&str| module.strip_prefix(*outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    HARMFUL_MODULES.iter().any(within) && !HARMLESS.contains(&name)
        || HARMFUL_NAMES.iter().any(|(of, names)| *of == module && names.contains(&name))
}

impl<'a> Machine<'a> {
    /// Pushes what a call of a foreign value would give; an object if `made` says so.
    pub(super) fn call_foreign(&mut self, function: Id, arguments: Id, made: Made) -> Result<(), PickleError> {
        let Value::Foreign(foreign) = self.value(function) else {
            return damaged("calls something that is no function");
        };
        let (module, name) = (foreign.module, foreign.name);
        if is_harmful(module, name) {
            return Err(PickleError::Harm(shown(&foreign.full_name())));
        }
        // `copyreg._reconstructor(class, base, state)` and its like make an object of the class.
        let rebuilds = matches!(module, "copyreg" | "copy_reg") && name.starts_with('_');
        let class = match self.value(arguments) {
            Value::Tuple(parts) if rebuilds => parts.first().copied(),
            _ => None,
        };
        let made_of = class.and_then(|class| match self.value(class) {
            Value::Foreign(class) => Some((class.module, class.name)),
            _ => None,
        });
        let (module, name, made) = match made_of {
            Some((module, name)) => (module, name, Made::Object),
            None => (module, name, made),
        };
        let parts = vec![arguments];
        self.push(Value::Foreign(Box::new(Foreign { made, parts, ..Foreign::named(module, name) })))
    }
}
