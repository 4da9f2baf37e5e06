//! For serde: numbers that may not be finite, which JSON does not have, as null; null as NaN.

use serde::{Deserialize, Deserializer, Serializer};

/// One number.
pub mod number {
    use super::*;

    pub fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if x.is_finite() { serializer.serialize_f64(*x) } else { serializer.serialize_none() }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
    }
}

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
