//! [`survey`]: every image read once, before training or for a report.

use super::fingerprint::with_digest;
use super::hash::ImageHash;
use super::list::ImageList;
use crate::parallel;
use image::ImageFormat;
use sha2::{Digest, Sha256};
use std::path::Path;
use striate_imaging::{AnyImage, DecodeOptions, Depth, Image, decode_noting, format_of};

/// What an image turned out to be.
#[derive(Clone, Debug)]
pub struct Examined {
    /// Height and width, upright.
    pub size: [usize; 2],
    /// Values per pixel.
    pub channels: usize,
    /// Whether it has more than 8 bits per value.
    pub deep: bool,
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What the content is known by: see [`fingerprint`](super::fingerprint).
    pub fingerprint: u64,
    /// What tells near duplicates.
    pub hash: ImageHash,
    /// Whether the camera noted an orientation, which has been applied.
    pub turned: bool,
    /// The format that the content has, where the name says another.
    pub misnamed: Option<&'static str>,
    /// For red, green, blue and grey the mean of the values, 0 to 1, and of their squares.
    pub moments: [[f64; 2]; 4],
}

/// What is known of the images of a list, in its order: what each is, or why it cannot be used.
#[derive(Clone, Debug)]
pub struct Survey {
    /// For each entry.
    pub images: Vec<Result<Examined, String>>,
}

impl ImageList {
    /// Notes in each entry the fingerprint that `survey` of this list found.
    ///
    /// # Panics
    /// If the survey is of another list.
    pub fn set_fingerprints(&mut self, survey: &Survey) {
        assert!(survey.images.len() == self.entries.len(), "a survey of {} images", survey.images.len());
        for (entry, examined) in self.entries.iter_mut().zip(&survey.images) {
            entry.fingerprint = examined.as_ref().ok().map(|e| e.fingerprint);
        }
    }
}

/// Reads every image of the list with `threads` threads; `done` is told how many are done, now and then.
pub fn survey(list: &ImageList, options: &DecodeOptions, threads: usize, done: &(dyn Fn(usize) + Sync)) -> Survey {
    let examined = |i: usize| {
        let examined = examine(list, i, options);
        done(i + 1);
        examined
    };
    Survey { images: parallel::map(list.entries.len(), threads, examined) }
}

fn examine(list: &ImageList, index: usize, options: &DecodeOptions) -> Result<Examined, String> {
    let source = &list.entries[index].source;
    let examined = source.read(options.byte_limit).and_then(|bytes| {
        let (image, turned) = decode_noting(&bytes, &source.path(), options)?;
        let moments = match &image {
            AnyImage::U8(image) => moments(image),
            AnyImage::U16(image) => moments(image),
        };
        let sha256 = Sha256::digest(&bytes).into();
        Ok(Examined {
            size: [image.height(), image.width()],
            channels: image.channels(),
            deep: matches!(image, AnyImage::U16(_)),
            sha256,
            fingerprint: with_digest(&bytes, sha256, &image),
            hash: ImageHash::of(&image),
            turned,
            misnamed: misnamed(&list.entries[index].name, &bytes),
            moments,
        })
    });
    examined.map_err(|e| e.to_string())
}

fn moments<T: Depth>(image: &Image<T>) -> [[f64; 2]; 4] {
    let n = (image.width * image.height) as f64;
    let (one, two) = (T::MAX as f64 * n, (T::MAX as f64).powi(2) * n);
    let channel = |c: usize| {
        let values = || image.data.iter().skip(c).step_by(image.channels).map(|v| v.to_u32() as u64);
        [values().sum::<u64>() as f64 / one, values().map(|v| v * v).sum::<u64>() as f64 / two]
    };
    if image.channels == 1 {
        return [channel(0); 4];
    }
    [channel(0), channel(1), channel(2), moments(&image.to_channels(1))[3]]
}

/// What a file is, where its name says something else.
fn misnamed(name: &str, bytes: &[u8]) -> Option<&'static str> {
    let ending = Path::new(name).extension()?.to_string_lossy().to_lowercase();
    let claimed = match ending.as_str() {
        "jpe" | "jfif" => Some(ImageFormat::Jpeg),
        "apng" => Some(ImageFormat::Png),
        "dib" => Some(ImageFormat::Bmp),
        other => ImageFormat::from_extension(other),
    };
    let actual = format_of(bytes)?;
    (claimed != Some(actual)).then(|| actual.extensions_str()[0])
}

impl Survey {
    /// The entries that cannot be used, with the reasons.
    pub fn bad(&self) -> Vec<(usize, &str)> {
        let bad = |(i, p)| Some((i, Result::<&Examined, &String>::err(p)?.as_str()));
        self.images.iter().map(Result::as_ref).enumerate().filter_map(bad).collect()
    }

    /// The mean and the standard deviation of each of `channels` channels (1: grey, 3) over the good images among `indices`, each with
    /// the same weight. A channel that never varies has deviation 1.
    pub fn measure(&self, indices: impl Iterator<Item = usize>, channels: usize) -> (Vec<f32>, Vec<f32>) {
        let (mut sums, mut n) = ([[0.0; 2]; 4], 0.0);
        for examined in indices.filter_map(|i| self.images[i].as_ref().ok()) {
            for (sum, moment) in sums.iter_mut().flatten().zip(examined.moments.iter().flatten()) {
                *sum += moment;
            }
            n += 1.0;
        }
        if n == 0.0 {
            return (vec![0.0; channels], vec![1.0; channels]);
        }
        let moments = sums.map(|m| m.map(|v| v / n));
        let std = |[mean, square]: [f64; 2]| {
            let variance = square - mean * mean;
            if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 }
        };
        let moments = if channels == 1 { &moments[3..] } else { &moments[..3] };
        (moments.iter().map(|m| m[0] as f32).collect(), moments.iter().map(|m| std(*m)).collect())
    }

    /// Groups of entries that hold the same bytes, largest first.
    pub fn exact_duplicates(&self) -> Vec<Vec<usize>> {
        let mut by_hash = std::collections::BTreeMap::<[u8; 32], Vec<usize>>::new();
        for (i, examined) in self.good() {
            by_hash.entry(examined.sha256).or_default().push(i);
        }
        sorted_groups(by_hash.into_values())
    }

    /// Groups of entries that are alike: see [`ImageHash::is_near`]. Exact duplicates are among them.
    pub fn near_duplicates(&self, threads: usize) -> Vec<Vec<usize>> {
        let good: Vec<(usize, &Examined)> = self.good().collect();
        let near = |a: usize| {
            let (i, first) = good[a];
            let near = good[a + 1..].iter().filter(|(_, other)| first.hash.is_near(&other.hash));
            near.map(|(j, _)| (i, *j)).collect::<Vec<_>>()
        };
        let pairs = parallel::map(good.len(), threads, near);
        let mut groups = Groups::new(self.images.len());
        pairs.into_iter().flatten().for_each(|(a, b)| groups.join(a, b));
        sorted_groups(groups.all().into_iter())
    }

    fn good(&self) -> impl Iterator<Item = (usize, &Examined)> {
        self.images.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref().ok()?)))
    }
}

fn sorted_groups(groups: impl Iterator<Item = Vec<usize>>) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = groups.filter(|g| g.len() > 1).collect();
    groups.sort_by_key(|g| (std::cmp::Reverse(g.len()), g[0]));
    groups
}

/// Numbers in disjoint groups.
pub(super) struct Groups(Vec<usize>);

impl Groups {
    pub fn new(n: usize) -> Groups {
        Groups((0..n).collect())
    }

    fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] != i {
            self.0[i] = self.0[self.0[i]];
            i = self.0[i];
        }
        i
    }

    /// The smaller root stays, so that the outcome does not depend on the order.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// All groups, each sorted, in the order of their first members.
    pub fn all(&mut self) -> Vec<Vec<usize>> {
        let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
        for i in 0..self.0.len() {
            groups.entry(self.root(i)).or_default().push(i);
        }
        groups.into_values().collect()
    }
}
