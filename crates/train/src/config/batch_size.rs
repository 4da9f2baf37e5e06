//! [`BatchSize`].

use super::AUTO;
use super::settings::IntoSetting;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// How many samples make a batch, as that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// A fixed number.
    Of(usize),
    /// The largest number of which a training step fits into the memory that this process may use: `auto`. It depends on the machine.
    Auto,
}

impl BatchSize {
    /// Puts a number in the place of the one that is there; `auto` is resolved once data and network are known.
    pub(crate) fn put(&self, to: &mut usize) {
        if let BatchSize::Of(n) = self {
            *to = *n;
        }
    }
}

impl From<usize> for BatchSize {
    fn from(n: usize) -> Self {
        BatchSize::Of(n)
    }
}

impl IntoSetting<BatchSize> for usize {
    fn into_setting(self) -> BatchSize {
        BatchSize::Of(self)
    }
}

impl Serialize for BatchSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BatchSize::Of(n) => n.serialize(serializer),
            BatchSize::Auto => AUTO.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrWord;
        impl Visitor<'_> for NumberOrWord {
            type Value = BatchSize;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "a number or \"{AUTO}\"")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<BatchSize, E> {
                usize::try_from(n).map(BatchSize::Of).map_err(|_| E::invalid_value(Unexpected::Unsigned(n), &self))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<BatchSize, E> {
                usize::try_from(n).map(BatchSize::Of).map_err(|_| E::invalid_value(Unexpected::Signed(n), &self))
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<BatchSize, E> {
                if word == AUTO { Ok(BatchSize::Auto) } else { Err(E::invalid_value(Unexpected::Str(word), &self)) }
            }
        }
        deserializer.deserialize_any(NumberOrWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Layers, ResolvedConfig};
    use std::path::Path;

    #[test]
    fn a_number_or_auto_is_read_and_the_last_word_counts() {
        let parse = |text: &str| Config::parse(text, Path::new("my.toml"));
        assert_eq!(parse("batch_size = 20").unwrap().batch_size, Some(BatchSize::Of(20)));
        let auto = parse("batch_size = \"auto\"").unwrap();
        assert_eq!(auto.batch_size, Some(BatchSize::Auto));
        assert_eq!(toml::to_string(&auto).unwrap(), "batch_size = \"auto\"\n");
        for (text, reason) in [
            ("batch_size = -1", "line 1: invalid value: integer `-1`, expected a number or \"auto\""),
            ("batch_size = \"all\"", "line 1: invalid value: string \"all\", expected a number or \"auto\""),
            ("batch_size = 1.5", "line 1: invalid type: float `1.5`, expected a number or \"auto\""),
        ] {
            assert!(parse(text).unwrap_err().to_string().ends_with(reason), "{text}");
        }
        let over = |first: &Config, second: &Config| {
            let layers = Layers::default().add("one", first.clone()).add("two", second.clone());
            let resolved = layers.over(ResolvedConfig::default());
            (resolved.config.batch_size, resolved.is_auto_batch)
        };
        let twenty = Config::default().batch_size(20);
        assert_eq!(over(&auto, &twenty), (20, false));
        assert_eq!(over(&twenty, &auto), (20, true));
        assert_eq!(over(&auto, &Config::default()), (100, true));
    }
}
