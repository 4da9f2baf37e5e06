//! Metrics in JSON.

use serde::Serializer;
use serde::ser::SerializeMap;
use striate_model::Metric;

/// For serde: metrics as an object from names to numbers, null where a value is not defined.
pub(crate) fn as_map<S: Serializer>(metrics: &[Metric], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(metrics.len()))?;
    for metric in metrics {
        map.serialize_entry(&metric.name, &(!metric.value.is_nan()).then_some(metric.value))?;
    }
    map.end()
}
