//! Images per second from the files of a folder to batches of 224×224: `data_loading FOLDER THREADS`. See bench/data-loading.

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use striate::data::images::{CacheKind, ImageList, ImageListDataset};
use striate::data::transforms::Augmentations;
use striate::imaging::{Fit, Preprocessing};
use striate::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("which folder?")?;
    let threads: usize = args.next().ok_or("how many threads?")?.parse()?;
    let list = ImageList::open(Path::new(&folder))?;
    let preprocessing = Preprocessing {
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
        ..Preprocessing::new(3, [224, 224], Fit::Crop { shorter: 256 })
    };
    let augmentations: Augmentations = "crop-resize 0.35, flip".parse()?;
    let images = ImageListDataset::new(list.entries, preprocessing, CacheKind::None);
    let loader = DataLoader::new(images.augmented(augmentations, 2, 0), 50).shuffle(0).workers(threads);
    loader.epoch(0).try_for_each(|batch| batch.map(drop))?;
    let start = Instant::now();
    let mut count = 0;
    for batch in loader.epoch(1) {
        count += batch?.images.size(0);
    }
    println!("{:.1}", count as f64 / start.elapsed().as_secs_f64());
    Ok(())
}
