//! For serde: numbers that may not be finite, which JSON does not have, as null; null as NaN.

use serde::{Deserialize, Deserializer, Serializer};

/// A list of them.
pub mod list {
    use super::*;

    pub fn serialize<S: Serializer, T>(list: &[T], serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Copy + Into<f64> + serde::Serialize,
    {
        serializer.collect_seq(list.iter().map(|&x| x.into().is_finite().then_some(x)))
    }

    pub fn deserialize<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: From<f32> + Deserialize<'de>,
    {
        let list: Vec<Option<T>> = Deserialize::deserialize(deserializer)?;
        Ok(list.into_iter().map(|x| x.unwrap_or(T::from(f32::NAN))).collect())
    }
}
