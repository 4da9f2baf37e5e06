//! [`Fingerprints`]: which images a model has learnt from, known by their content.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};

/// Bytes of exact fingerprints up to which they are kept one by one.
const EXACT_LIMIT: usize = 1 << 20;
const BYTES_EACH: usize = 8;
/// Bits that a filter spends on an image: 12 with 8 probes take 0.31 % of other images for members.
const BITS_EACH: usize = 12;

/// A set of fingerprints of images (64 bits of a hash of their content): 8 bytes an image up to 1 MB. Beyond that a Bloom filter of 1 MB,
/// or of 12 bits an image where that is more (Bloom, 1970): it finds every member, and takes others for members at [`Fingerprints::error_rate`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Fingerprints {
    exact: Vec<u64>,
    filters: Vec<Filter>,
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    images: usize,
    bits: Vec<u8>,
    probes: u32,
}

impl Filter {
    fn of(members: &[u64]) -> Filter {
        let bits = (EXACT_LIMIT * 8).max(members.len() * BITS_EACH).next_multiple_of(8);
        let best = bits as f64 / members.len() as f64 * std::f64::consts::LN_2;
        let mut filter =
            Filter { images: members.len(), bits: vec![0; bits / 8], probes: best.round().clamp(1.0, 30.0) as u32 };
        for &member in members {
            for at in filter.places(member).collect::<Vec<_>>() {
                filter.bits[at / 8] |= 1 << (at % 8);
            }
        }
        filter
    }

    /// The bits of a member: double hashing, with both hashes from the halves of the fingerprint (Kirsch and Mitzenmacher, 2006).
    fn places(&self, fingerprint: u64) -> impl Iterator<Item = usize> + use<> {
        let (bits, step) = (self.bits.len() as u64 * 8, fingerprint.rotate_left(32) | 1);
        (0..self.probes as u64).map(move |i| (fingerprint.wrapping_add(i.wrapping_mul(step)) % bits) as usize)
    }

    fn contains(&self, fingerprint: u64) -> bool {
        self.places(fingerprint).all(|at| self.bits[at / 8] & (1 << (at % 8)) != 0)
    }

    fn error_rate(&self) -> f64 {
        let set: u32 = self.bits.iter().map(|b| b.count_ones()).sum();
        (set as f64 / (self.bits.len() * 8) as f64).powi(self.probes as i32)
    }
}

impl Fingerprints {
    /// Of these images.
    pub fn of(fingerprints: impl IntoIterator<Item = u64>) -> Fingerprints {
        Fingerprints { exact: fingerprints.into_iter().collect(), filters: Vec::new() }.compact()
    }

    /// These and those of `other`.
    pub fn union(&self, other: &Fingerprints) -> Fingerprints {
        Fingerprints {
            exact: [&self.exact[..], &other.exact].concat(),
            filters: [&self.filters[..], &other.filters].concat(),
        }
        .compact()
    }

    /// Sorted and without duplicates, and in a filter if they are many.
    fn compact(mut self) -> Fingerprints {
        self.exact.sort_unstable();
        self.exact.dedup();
        if self.exact.len() * BYTES_EACH > EXACT_LIMIT {
            self.filters.push(Filter::of(&std::mem::take(&mut self.exact)));
        }
        self.filters.dedup();
        self
    }

    /// Whether an image is in the set: always right about members, and wrong about others at [`Fingerprints::error_rate`].
    pub fn contains(&self, fingerprint: u64) -> bool {
        self.exact.binary_search(&fingerprint).is_ok() || self.filters.iter().any(|f| f.contains(fingerprint))
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.exact.len() + self.filters.iter().map(|f| f.images).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fraction of other images that are taken for members.
    pub fn error_rate(&self) -> f64 {
        1.0 - self.filters.iter().map(|f| 1.0 - f.error_rate()).product::<f64>()
    }
}

/// How they stand in a file: base64 of little-endian numbers, and of a filter's bits.
#[derive(Serialize, Deserialize)]
struct Written {
    exact: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    filters: Vec<WrittenFilter>,
}

#[derive(Serialize, Deserialize)]
struct WrittenFilter {
    images: usize,
    probes: u32,
    error_rate: f64,
    bits: String,
}

impl From<Fingerprints> for Written {
    fn from(set: Fingerprints) -> Written {
        let bytes: Vec<u8> = set.exact.iter().flat_map(|f| f.to_le_bytes()).collect();
        let filter = |f: Filter| WrittenFilter {
            images: f.images,
            probes: f.probes,
            error_rate: f.error_rate(),
            bits: BASE64_STANDARD.encode(&f.bits),
        };
        Written { exact: BASE64_STANDARD.encode(bytes), filters: set.filters.into_iter().map(filter).collect() }
    }
}

impl TryFrom<Written> for Fingerprints {
    type Error = String;

    fn try_from(written: Written) -> Result<Fingerprints, String> {
        let decode = |text: &str| BASE64_STANDARD.decode(text).map_err(|e| format!("fingerprints: {e}"));
        let bytes = decode(&written.exact)?;
        let (chunks, rest) = bytes.as_chunks::<BYTES_EACH>();
        if !rest.is_empty() {
            return Err("fingerprints: not a multiple of 8 bytes".into());
        }
        let mut exact: Vec<u64> = chunks.iter().map(|c| u64::from_le_bytes(*c)).collect();
        exact.sort_unstable();
        let filter = |f: &WrittenFilter| {
            let bits = decode(&f.bits)?;
            let right = !bits.is_empty() && (1..=64).contains(&f.probes);
            right
                .then_some(Filter { images: f.images, bits, probes: f.probes })
                .ok_or_else(|| "fingerprints: a filter without bits or probes".to_string())
        };
        Ok(Fingerprints { exact, filters: written.filters.iter().map(filter).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    fn numbers(n: usize, seed: u64) -> Vec<u64> {
        let rng = &mut Generator::new(seed);
        (0..n).map(|_| rng.below(u64::MAX)).collect()
    }

    #[test]
    fn few_are_exact_and_survive_the_file() {
        let members = numbers(1000, 1);
        let set = Fingerprints::of(members.iter().copied().chain(members.iter().copied()));
        assert_eq!((set.len(), set.error_rate()), (1000, 0.0));
        assert!(members.iter().all(|&m| set.contains(m)));
        assert!(numbers(1000, 2).iter().all(|&m| !set.contains(m)));
        let text = serde_json::to_string(&set).unwrap();
        assert!(text.len() < 8 * 1000 * 4 / 3 + 100);
        assert_eq!(serde_json::from_str::<Fingerprints>(&text).unwrap(), set);
        let more = set.union(&Fingerprints::of(numbers(10, 3)));
        assert_eq!(more.len(), 1010);
        assert!(more.contains(members[7]));
    }

    #[test]
    fn many_are_a_filter_with_a_true_error_rate() {
        for n in [131_073, 1_000_000] {
            let members = numbers(n, 4);
            let set = Fingerprints::of(members.iter().copied());
            assert!(members.iter().all(|&m| set.contains(m)), "{n}");
            let (others, stated) = (numbers(200_000, 5), set.error_rate());
            let found = others.iter().filter(|&&m| set.contains(m)).count() as f64 / others.len() as f64;
            assert!(stated < 0.004 && (found - stated).abs() < 0.0005, "{n}: {found} measured, {stated} stated");
            let text = serde_json::to_string(&set).unwrap();
            assert!(text.len() < (1_500_000.0_f64.max(n as f64 * 1.6) * 4.0 / 3.0) as usize, "{n}: {}", text.len());
            assert_eq!(serde_json::from_str::<Fingerprints>(&text).unwrap(), set);
        }
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            r#"{"exact":"AAAA"}"#,
            r#"{"exact":"?"}"#,
            r#"{"exact":"","filters":[{"images":1,"probes":0,"error_rate":0,"bits":"AA=="}]}"#,
            r#"{"exact":"","filters":[{"images":1,"probes":3,"error_rate":0,"bits":""}]}"#,
        ] {
            assert!(serde_json::from_str::<Fingerprints>(text).is_err(), "{text}");
        }
    }
}
