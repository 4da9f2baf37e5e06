//! [`Space`]: what a setting may be in a sweep.

use serde::Deserialize;
use striate_tensor::Generator;

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Space {
    /// One of these.
    List(Vec<toml::Value>),
    /// A number of a range.
    Range(Values),
}

/// A range of numbers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Whether each order of magnitude is as likely as another.
    #[serde(default)]
    pub log: bool,
    /// Whether they are whole numbers.
    #[serde(default)]
    pub integer: bool,
}

impl Space {
    /// Whether something can be drawn from it; if not, why.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Space::List(values) if values.is_empty() => Err("the list has no values".into()),
            Space::List(_) => Ok(()),
            Space::Range(Values { min, max, .. }) if !(min.is_finite() && max.is_finite() && min < max) => {
                Err(format!("the range from {min} to {max} is none"))
            }
            Space::Range(Values { min, log: true, .. }) if *min <= 0.0 => {
                Err(format!("a logarithmic range begins above 0, not at {min}"))
            }
            Space::Range(_) => Ok(()),
        }
    }

    /// Its values, or of a range its ends.
    pub fn samples(&self) -> Vec<toml::Value> {
        match self {
            Space::List(values) => values.clone(),
            Space::Range(Values { min, max, integer, .. }) => [*min, *max]
                .map(|x| if *integer { toml::Value::Integer(x.round() as i64) } else { toml::Value::Float(x) })
                .into(),
        }
    }

    /// A value of it.
    pub fn draw(&self, rng: &mut Generator) -> toml::Value {
        match self {
            Space::List(values) => values[rng.below(values.len() as u64) as usize].clone(),
            Space::Range(Values { min, max, log, integer }) => {
                let u = rng.uniform();
                let x = match log {
                    true => (min.ln() + u * (max.ln() - min.ln())).exp(),
                    false => min + u * (max - min),
                };
                let x = x.clamp(*min, *max);
                if *integer { toml::Value::Integer(x.round() as i64) } else { toml::Value::Float(rounded(x)) }
            }
        }
    }
}

/// To four significant digits, which are as good and can be read.
fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_lie_in_their_range_and_are_spread() {
        let rng = &mut Generator::new(0);
        let log = Space::Range(Values { min: 1e-5, max: 1e-1, log: true, integer: false });
        let draws: Vec<f64> = (0..1000).map(|_| log.draw(rng).as_float().unwrap()).collect();
        assert!(draws.iter().all(|x| (1e-5..=1e-1).contains(x)));
        let small = draws.iter().filter(|x| **x < 1e-3).count();
        assert!((400..600).contains(&small), "half of the orders of magnitude: {small}");
        let whole = Space::Range(Values { min: 1.0, max: 3.0, log: false, integer: true });
        assert!((0..100).all(|_| (1..=3).contains(&whole.draw(rng).as_integer().unwrap())));
        assert!(Space::List(Vec::new()).check().is_err());
        assert!(Space::Range(Values { min: 0.0, max: 1.0, log: true, integer: false }).check().is_err());
        assert!(Space::Range(Values { min: 2.0, max: 1.0, log: false, integer: false }).check().is_err());
    }
}
