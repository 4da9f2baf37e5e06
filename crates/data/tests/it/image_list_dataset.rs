//! Images in files as a data set: what training sees is what prediction sees, and what is drawn depends on nothing but its key.

use std::path::Path;
use striate_data::images::{CacheKind, ImageList, ImageListDataset, Source};
use striate_data::transforms::Augmentations;
use striate_data::{DataLoader, Dataset};
use striate_imaging::{Filter, Fit, Image, Preprocessing, decode_image};

fn scene(n: usize, width: usize, height: usize) -> Image {
    let value = |i: usize| (i * (7 + n) % 251 + i / 17 * n % 5) as u8;
    Image::new(width, height, 3, (0..width * height * 3).map(value).collect())
}

/// Two classes of images of several sizes, one of them of 16 bits.
fn folder(at: &Path) -> ImageList {
    for n in 0..9 {
        let file = at.join(if n % 2 == 0 { "a" } else { "b" }).join(format!("{n}.png"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        scene(n, 30 + 3 * n, 41 - n).write_png(&file).unwrap();
    }
    let deep = Path::new(env!("CARGO_MANIFEST_DIR")).join("../imaging/tests/odd-images/pngsuite/png/basn6a16.png");
    std::fs::copy(deep, at.join("b/deep.png")).unwrap();
    ImageList::open(at).unwrap()
}

fn preprocessing(fit: Fit, filter: Filter) -> Preprocessing {
    let (mean, std) = (vec![0.4, 0.5, 0.6], vec![0.2, 0.3, 0.25]);
    Preprocessing { filter, mean, std, pad: 1, ..Preprocessing::new(3, [20, 24], fit) }
}

#[test]
fn training_sees_what_prediction_sees() {
    let dir = tempfile::tempdir().unwrap();
    let list = folder(dir.path());
    for fit in [Fit::Resize, Fit::Crop { shorter: 26 }] {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let p = preprocessing(fit, filter);
            let images = ImageListDataset::new(list.entries.clone(), p.clone(), CacheKind::Ram);
            // The second time they come from the cache.
            for _ in 0..2 {
                for (i, entry) in list.entries.iter().enumerate() {
                    let image = decode_image(&entry.source.path(), &p.decoding()).unwrap();
                    let (x, _) = p.apply_image(&image);
                    let sample = images.get(i).unwrap();
                    assert_eq!((sample.image.shape(), sample.target.class()), (&[3, 22, 26][..], entry.target.class()));
                    let (got, expected) = (sample.image.to_vec::<f32>(), x.to_vec::<f32>());
                    assert!(got.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{} {fit:?}", entry.name);
                }
            }
        }
    }
    assert!(list.entries.iter().any(|e| matches!(&e.source, Source::File(path) if path.ends_with("deep.png"))));
}

#[test]
fn sixteen_bits_reach_the_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let list = folder(dir.path());
    let deep = list.entries.iter().position(|e| e.name == "b/deep.png").unwrap();
    let p = Preprocessing::new(3, [32, 32], Fit::Crop { shorter: 32 });
    let values = ImageListDataset::new(list.entries, p, CacheKind::None).get(deep).unwrap().image.to_vec::<f32>();
    let bytes = values.iter().filter(|v| (*v * 255.0 - (*v * 255.0).round()).abs() < 1e-4).count();
    assert!(bytes < values.len() / 2, "{bytes} of {} values are whole bytes", values.len());
}

#[test]
fn workers_cache_and_order_of_asking_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let list = folder(dir.path());
    let p = preprocessing(Fit::Crop { shorter: 26 }, Filter::Bilinear);
    let changes: Augmentations = "crop-resize 0.3, flip, jitter 0.3 0.3 0.3 0.1, randaugment, cutmix".parse().unwrap();
    let epoch = |cache, workers, epoch, first| {
        let images = ImageListDataset::new(list.entries.clone(), p.clone(), cache).augmented(changes.clone(), 2, 5);
        let loader = DataLoader::new(images, 3).shuffle(1).workers(workers);
        let batches = loader.epoch_from(epoch, first).map(|b| b.unwrap());
        batches
            .map(|b| (b.images.to_vec::<f32>(), b.soft_labels.unwrap().to_vec::<f32>(), b.indices))
            .collect::<Vec<_>>()
    };
    let plain = epoch(CacheKind::None, 0, 1, 0);
    assert!(plain == epoch(CacheKind::None, 3, 1, 0));
    // Random parts are then of the images as they are kept.
    let kept = epoch(CacheKind::Ram, 3, 1, 0);
    assert!(kept == epoch(CacheKind::Disk(dir.path().join("cache")), 2, 1, 0));
    assert!(kept[2..] == epoch(CacheKind::Disk(dir.path().join("cache")), 0, 1, 2));
    assert!(plain != epoch(CacheKind::None, 0, 2, 0), "each epoch has its own");
}

#[test]
fn an_image_that_goes_bad_is_left_out_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let list = folder(dir.path());
    let p = preprocessing(Fit::Resize, Filter::Bilinear);
    let images = ImageListDataset::new(list.entries.clone(), p, CacheKind::None);
    let path = list.entries[1].source.path();
    std::fs::write(&path, "nonsense").unwrap();
    let batch = images.batch(&[0, 1, 2]).unwrap();
    assert_eq!((batch.images.size(0), batch.indices), (2, vec![0, 2]));
    assert_eq!(images.bad().len(), 1);
    assert!(images.bad()[0].path == path && images.bad()[0].reason.contains("not an image"));
    // A batch of which nothing can be read is empty, and no error: it may be one image.
    let batch = images.batch(&[1]).unwrap();
    assert_eq!(
        (batch.images.shape().to_vec(), batch.indices.len()),
        ([&[0], &images.batch(&[0]).unwrap().images.shape()[1..]].concat(), 0)
    );
    assert!(images.batch(&[99]).is_err());
}

#[test]
fn the_way_to_the_network_survives_the_model_file() {
    let p = Preprocessing {
        background: [1, 2, 3],
        light_on_dark: false,
        ..preprocessing(Fit::Crop { shorter: 26 }, Filter::Bicubic)
    };
    let json = serde_json::to_string(&p).unwrap();
    assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), p);
    assert!(serde_json::from_str::<Preprocessing>(&json.replace("26", "0")).is_err());
    assert!(p.describe().contains("shorter side resized to 26 (bicubic"), "{}", p.describe());
}
