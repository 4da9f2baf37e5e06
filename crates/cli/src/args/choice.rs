//! Reads a name that is one of several.

use striate::zoo::text::closest;

/// What `typed` names, in any case and with `_` for `-`; else what may have been meant, and all there is.
pub fn one_of<T: Copy>(typed: &str, all: &[(&str, T)]) -> Result<T, String> {
    let plain = typed.trim().to_lowercase().replace('_', "-");
    if let Some((_, value)) = all.iter().find(|(name, _)| *name == plain) {
        return Ok(*value);
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let guess = closest(&plain, names.iter().copied()).map_or(String::new(), |near| format!("did you mean {near}? "));
    Err(format!("{guess}it is one of {}", names.join(", ")))
}
