//! The data of a run: training and test images, and the batches made of them.

use crate::error::TrainError;
use crate::trainer::Batches;
use std::path::Path;
use striate_data::{Batch, DataError, DataLoader, IdxFolder, ImageDataset, Preprocessing, mnist};
use striate_zoo::Blueprint;

/// Batches that are made ahead of the one in use.
const PREFETCH: usize = 4;

/// Training and test images with one set of classes.
pub struct Splits {
    /// A short name, such as `mnist`.
    pub name: String,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// The images to learn from.
    pub train: ImageDataset,
    /// The images to measure on.
    pub test: ImageDataset,
    /// How a picture from elsewhere becomes one of these.
    preprocessing: Preprocessing,
}

/// `mnist`, the built-in data, or the path of a directory of idx files.
pub fn load_data(name: &str) -> Result<Splits, TrainError> {
    let (name, folder) = if name == "mnist" {
        (name.to_string(), mnist()?)
    } else {
        let path = Path::new(name);
        let stem = path.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned());
        (stem, IdxFolder::open(path)?)
    };
    let preprocessing = folder.preprocessing();
    Ok(Splits { name, classes: folder.classes, train: folder.train, test: folder.test, preprocessing })
}

fn size([_, h, w]: [usize; 3]) -> String {
    format!("{h}×{w}")
}

impl Splits {
    /// Channels, height and width of the images.
    pub fn image_shape(&self) -> [usize; 3] {
        self.preprocessing.output_shape()
    }

    /// The preprocessing that makes these images fit a network: as they are, or with an even border of black.
    pub fn preprocessing_for(&self, network: &Blueprint) -> Result<Preprocessing, TrainError> {
        let [c, h, w] = self.image_shape();
        let [need_c, need_h, need_w] = network.input();
        let border = |have: usize, need: usize| need.checked_sub(have).filter(|d| d % 2 == 0).map(|d| d / 2);
        match (border(h, need_h), border(w, need_w)) {
            (Some(pad), Some(other)) if c == need_c && pad == other && pad <= MAX_BORDER => {
                Ok(Preprocessing { pad, ..self.preprocessing.clone() })
            }
            _ => Err(TrainError::ImageSize {
                model: network.title(),
                need: size(network.input()),
                data: self.name.clone(),
                got: size([c, h, w]),
            }),
        }
    }

    /// Whether the images are of the size that `preprocessing` was made for.
    pub fn check_size(&self, model: &str, preprocessing: &Preprocessing) -> Result<(), TrainError> {
        let [h, w] = preprocessing.size;
        let got = self.image_shape();
        if [got[1], got[2]] == [h, w] && got[0] == preprocessing.channels {
            return Ok(());
        }
        let need = size([preprocessing.channels, h, w]);
        Err(TrainError::ImageSize {
            model: striate_zoo::title_of(model),
            need,
            data: self.name.clone(),
            got: size(got),
        })
    }
}

/// The widest border that is still a matter of course: MNIST's 28×28 in a network for 32×32.
const MAX_BORDER: usize = 2;

/// Batches of images, in a new order each epoch or always as they are.
pub struct Loader(DataLoader<ImageDataset>);

impl Loader {
    /// Training batches: shuffled by `seed` and epoch, the last one may be smaller.
    pub fn train(images: &ImageDataset, preprocessing: &Preprocessing, batch_size: usize, seed: u64) -> Loader {
        Loader(Loader::in_order(images, preprocessing, batch_size).0.shuffle(seed))
    }

    /// Batches in the order of the images.
    pub fn in_order(images: &ImageDataset, preprocessing: &Preprocessing, batch_size: usize) -> Loader {
        let images = images.with_transform(preprocessing.transform());
        Loader(DataLoader::new(images, batch_size).workers(1).prefetch(PREFETCH))
    }
}

impl Batches for Loader {
    type Batch = Batch;
    fn per_epoch(&self) -> usize {
        self.0.num_batches()
    }
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Batch, DataError>> + '_> {
        Box::new(self.0.epoch_from(epoch, first))
    }
}
