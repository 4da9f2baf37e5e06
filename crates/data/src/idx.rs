//! idx files, the format of MNIST and the data sets that took its shape.

use crate::error::DataError;
use crate::image_dataset::{ImageDataset, measure};
use flate2::read::MultiGzDecoder;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use striate_imaging::{Fit, Preprocessing};

const GZIP: &[u8] = &[0x1f, 0x8b];
/// How many bytes one of deflate's makes at most.
const DEFLATE_AT_MOST: usize = 1032;
const UNSIGNED_BYTE: u8 = 8;

/// An idx file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The size of each dimension.
    pub dims: Vec<usize>,
    /// The values in row-major order.
    pub data: Vec<u8>,
}

impl Idx {
    /// Reads an idx file of `rank` dimensions, plain or compressed with gzip.
    ///
    /// # Errors
    /// If it cannot be read, is no idx file of `rank` dimensions of unsigned bytes, is cut short, or goes on after its end.
    pub fn read(path: &Path, rank: usize) -> Result<Idx, DataError> {
        let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
        Idx::parse(&bytes, path, rank)
    }

    /// As [`Idx::read`], from the bytes of the file; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn parse(bytes: &[u8], path: &Path, rank: usize) -> Result<Idx, DataError> {
        if bytes.starts_with(GZIP) {
            let most = bytes.len().saturating_mul(DEFLATE_AT_MOST);
            Idx::from_reader(MultiGzDecoder::new(bytes), most, path, rank)
        } else {
            Idx::from_reader(bytes, bytes.len(), path, rank)
        }
    }

    /// `most` bounds the memory that is asked for on the header's word.
    fn from_reader(mut reader: impl Read, most: usize, path: &Path, rank: usize) -> Result<Idx, DataError> {
        let bad = |reason: String| DataError::idx(path, reason);
        let mut take = |limit: u64| -> Result<Vec<u8>, DataError> {
            let mut bytes = Vec::new();
            // Where it cannot be had at once, reading on finds out.
            _ = bytes.try_reserve_exact(most.min(limit as usize));
            let read = (&mut reader).take(limit).read_to_end(&mut bytes);
            read.map_err(|e| bad(format!("its gzip data is damaged ({e}): copy or download it again")))?;
            Ok(bytes)
        };
        let magic = take(4)?;
        let &[0, 0, kind, dimensions] = magic.as_slice() else {
            let got = if magic.is_empty() { "it is empty".into() } else { format!("it begins with {magic:02x?}") };
            return Err(bad(format!("not an idx file: {got}, an idx file begins with [00, 00, 08, {rank:02x}]")));
        };
        if kind != UNSIGNED_BYTE {
            return Err(bad(format!("an idx file of type 0x{kind:02x}, only unsigned bytes (0x08) are supported")));
        }
        if dimensions as usize != rank {
            return Err(bad(format!("an idx file of {dimensions} dimensions, expected {rank}")));
        }
        let sizes = take(4 * rank as u64)?;
        if sizes.len() < 4 * rank {
            return Err(bad(format!("cut short after {} bytes: copy or download it again", 4 + sizes.len())));
        }
        let dims: Vec<usize> = sizes.as_chunks().0.iter().map(|&b| u32::from_be_bytes(b) as usize).collect();
        let need = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n < isize::MAX as usize);
        let need = need.ok_or_else(|| bad(format!("claims dimensions {dims:?}, which no memory can hold")))?;
        let data = take(need as u64 + 1)?;
        if data.len() < need {
            let got = data.len();
            return Err(bad(format!("cut short: dimensions {dims:?} need {need} bytes, {got} are there")));
        }
        if data.len() > need {
            return Err(bad(format!("goes on after the {need} bytes that its dimensions {dims:?} need")));
        }
        Ok(Idx { dims, data })
    }
}

/// Training and test images with one set of classes, as in MNIST's four files.
#[derive(Clone)]
pub struct IdxFolder {
    /// The images to learn from.
    pub train: ImageDataset,
    /// The images to measure on.
    pub test: ImageDataset,
    /// The names of the classes: numbers, as idx files hold no names.
    pub classes: Vec<String>,
    /// How an image from elsewhere comes to the size of these.
    pub fit: Fit,
}

impl IdxFolder {
    /// The data of a directory that holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
    /// `t10k-labels-idx1-ubyte`, each plain or as `.gz`, or under the spelling `train-images.idx3-ubyte`.
    ///
    /// # Errors
    /// If a file is missing or damaged, or the files do not fit together.
    pub fn open(directory: &Path) -> Result<IdxFolder, DataError> {
        // So that a directory that is not there, or may not be read, is not taken for one without the files.
        fs::read_dir(directory).map_err(|source| DataError::Read { path: directory.to_path_buf(), source })?;
        let read = |name: &str, rank: usize| {
            let path = find(directory, name)?;
            let idx = Idx::read(&path, rank)?;
            Ok::<_, DataError>((path, idx))
        };
        let mut files = Vec::new();
        for split in ["train", "t10k"] {
            files.push((
                read(&format!("{split}-images-idx3-ubyte"), 3)?,
                read(&format!("{split}-labels-idx1-ubyte"), 1)?,
            ));
        }
        let test = files.pop().expect("two splits");
        let train = files.pop().expect("two splits");
        IdxFolder::assemble(train, test, Fit::Resize)
    }

    /// Checks that images and labels, training and test, fit together.
    pub(crate) fn assemble(train: (File, File), test: (File, File), fit: Fit) -> Result<IdxFolder, DataError> {
        let (train_images, train_labels) = train;
        let (test_images, test_labels) = test;
        let size = train_images.1.dims[1..].to_vec();
        if test_images.1.dims[1..] != size {
            let got = &test_images.1.dims[1..];
            return Err(DataError::idx(
                &test_images.0,
                format!(
                    "its images are {}×{}, those of {} are {}×{}",
                    got[0],
                    got[1],
                    train_images.0.display(),
                    size[0],
                    size[1]
                ),
            ));
        }
        if size.contains(&0) {
            return Err(DataError::idx(&train_images.0, "its images have no pixels"));
        }
        for (images, labels) in [(&train_images, &train_labels), (&test_images, &test_labels)] {
            if images.1.dims[0] == 0 {
                return Err(DataError::idx(&images.0, "it holds no images"));
            }
            if images.1.dims[0] != labels.1.dims[0] {
                return Err(DataError::Counts {
                    images_path: images.0.clone(),
                    images: images.1.dims[0],
                    labels_path: labels.0.clone(),
                    labels: labels.1.dims[0],
                });
            }
        }
        let classes = train_labels.1.data.iter().max().map_or(0, |&l| l as usize + 1);
        if let Some(index) = test_labels.1.data.iter().position(|&l| l as usize >= classes) {
            let label = test_labels.1.data[index] as usize;
            return Err(DataError::Label { path: test_labels.0, label, index, classes });
        }
        let dataset = |images: Idx, labels: Idx| {
            let labels = labels.data.into_iter().map(usize::from).collect();
            ImageDataset::new(images.dims[2], images.dims[1], 1, images.data, labels)
        };
        Ok(IdxFolder {
            train: dataset(train_images.1, train_labels.1),
            test: dataset(test_images.1, test_labels.1),
            classes: (0..classes).map(|c| c.to_string()).collect(),
            fit,
        })
    }

    /// How an image becomes a network's input: mean and standard deviation are those of the training images.
    pub fn preprocessing(&self) -> Preprocessing {
        let (mean, std) = measure(&self.train);
        Preprocessing { mean, std, ..Preprocessing::new(1, self.train.size(), self.fit) }
    }
}

/// A file's path and what it holds.
pub(crate) type File = (PathBuf, Idx);

fn find(directory: &Path, name: &str) -> Result<PathBuf, DataError> {
    let other = name.replace("-idx", ".idx");
    let spellings = [name.to_string(), format!("{name}.gz"), other.clone(), format!("{other}.gz")];
    let found = spellings.iter().map(|s| directory.join(s)).find(|p| p.is_file());
    found.ok_or_else(|| DataError::MissingFile { directory: directory.to_path_buf(), file: name.to_string() })
}
