//! Numbers in text formats that have no infinity and no NaN, such as JSON: for `#[serde(with = "striate_kernels::number")]`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Finite(f64),
    Other(NotFinite),
}

#[derive(Serialize, Deserialize)]
enum NotFinite {
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    MinusInfinity,
    #[serde(rename = "nan")]
    Nan,
}

/// A finite number as it is, another one as `"inf"`, `"-inf"` or `"nan"`.
pub fn serialize<S: Serializer>(x: &f64, to: S) -> Result<S::Ok, S::Error> {
    let written = match *x {
        x if x.is_finite() => Written::Finite(x),
        x if x.is_nan() => Written::Other(NotFinite::Nan),
        x if x > 0.0 => Written::Other(NotFinite::Infinity),
        _ => Written::Other(NotFinite::MinusInfinity),
    };
    written.serialize(to)
}

/// The number that [`serialize`] wrote.
pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<f64, D::Error> {
    Ok(match Written::deserialize(from)? {
        Written::Finite(x) => x,
        Written::Other(NotFinite::Infinity) => f64::INFINITY,
        Written::Other(NotFinite::MinusInfinity) => f64::NEG_INFINITY,
        Written::Other(NotFinite::Nan) => f64::NAN,
    })
}
