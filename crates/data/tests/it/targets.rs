//! Boxes and masks go where the pixels go: a coloured rectangle is drawn, and looked for after each augmentation.

use std::path::Path;
use striate_data::images::{CacheKind, Entry, ImageListDataset, Source};
use striate_data::{DataLoader, Dataset, Mask, Object, Target, VOID};
use striate_imaging::{AnyImage, Fit, Image, Preprocessing};

const RED: [u8; 3] = [250, 10, 10];
const BLUE: [u8; 3] = [10, 10, 250];
/// The colour of borders, which is neither.
const GREEN: [u8; 3] = [10, 250, 10];

/// A red rectangle (left, top, right, bottom) on blue.
fn drawn(width: usize, height: usize, [left, top, right, bottom]: [usize; 4]) -> Image {
    let mut image = Image::filled(width, height, &BLUE);
    image.paste(&Image::filled(right - left, bottom - top, &RED), left, top);
    image
}

/// The same as a mask: 1 in the rectangle, 0 around it.
fn masked(width: usize, height: usize, [left, top, right, bottom]: [usize; 4]) -> Image {
    let mut mask = Image::filled(width, height, &[0]);
    mask.paste(&Image::filled(right - left, bottom - top, &[1]), left, top);
    mask
}

fn entry(at: &Path, name: &str, image: &Image, target: Target) -> Entry {
    let path = at.join(name);
    image.write_png(&path).unwrap();
    Entry::new(Source::File(path), name, target)
}

fn objects(bbox: [usize; 4]) -> Target {
    Target::Objects(vec![Object::new(1, bbox.map(|v| v as f32))])
}

fn mask(image: Image) -> Target {
    Target::Mask(Mask::Classes(image.into()))
}

fn letterbox() -> Fit {
    Fit::Letterbox { fill: Some(GREEN) }
}

/// Values whose mean is green, so that borders are, whatever the fit.
fn preprocessing(size: [usize; 2], fit: Fit) -> Preprocessing {
    Preprocessing { mean: GREEN.map(|v| v as f32 / 255.0).to_vec(), ..Preprocessing::new(3, size, fit) }
}

/// What a pixel shows: 1 for the rectangle, 0 for what is around it, [`VOID`] for neither.
fn shows(pixel: &[u8]) -> u8 {
    match pixel {
        [r, _, b] if r.max(b) < &100 => VOID,
        [r, _, b] => u8::from(r > b),
        _ => unreachable!("three channels"),
    }
}

fn bytes(image: AnyImage) -> Image {
    image.into_bytes()
}

/// The bounds of what shows the rectangle.
fn found(image: &Image) -> Option<[f32; 4]> {
    let at = |i: usize| ((i % image.width) as f32, (i / image.width) as f32);
    let red = image.data.as_chunks::<3>().0.iter().enumerate().filter(|(_, p)| shows(&p[..]) == 1);
    red.map(|(i, _)| at(i)).fold(None, |bounds: Option<[f32; 4]>, (x, y)| {
        let [l, t, r, b] = bounds.unwrap_or([x, y, x + 1.0, y + 1.0]);
        Some([l.min(x), t.min(y), r.max(x + 1.0), b.max(y + 1.0)])
    })
}

fn boxes(target: &Target) -> &[Object] {
    let Target::Objects(objects) = target else { panic!("no objects: {target:?}") };
    objects
}

fn classes(target: &Target) -> &Image {
    let Target::Mask(Mask::Classes(mask)) = target else { panic!("no mask: {target:?}") };
    mask
}

/// Pixels of the mask that differ from what the image shows, but for those within two pixels of another class, for the image is interpolated
/// twice, and those within `margin` of the edges.
fn wrong(mask: &Image, image: &Image, margin: usize) -> usize {
    assert_eq!((mask.width, mask.height), (image.width, image.height));
    let (w, h) = (mask.width, mask.height);
    let near = |at: usize, n: usize| at.saturating_sub(2)..(at + 3).min(n);
    let around = |x: usize, y: usize| near(y, h).flat_map(move |v| near(x, w).map(move |u| (u, v)));
    let places = (margin..h - margin).flat_map(|y| (margin..w - margin).map(move |x| (x, y)));
    let inner = places.filter(|&(x, y)| around(x, y).all(|(u, v)| mask.pixel(u, v) == mask.pixel(x, y)));
    inner.filter(|&(x, y)| shows(image.pixel(x, y)) != mask.pixel(x, y)[0]).count()
}

const STEPS: [&str; 14] = [
    "none",
    "flip 0.5",
    "vflip 0.5",
    "flip 0.5, vflip 0.5",
    "pad-crop 9",
    "crop-resize 0.4",
    "scale-jitter 0.3 2",
    "rotate 40",
    "affine 20 0.2 0.7 1.3 10",
    "perspective 0.4 1",
    "randaugment 2 20, erase 0",
    "trivialaugment",
    "scale-jitter 0.5 1.5, rotate 10, flip 0.5",
    "crop-resize 0.5, pad-crop 5, vflip 0.5",
];

/// Whether a text moves rectangles to rectangles.
fn upright(text: &str) -> bool {
    !["rotate", "affine", "perspective", "augment"].iter().any(|word| text.contains(word))
}

#[test]
fn boxes_and_masks_go_where_the_pixels_go() {
    let dir = tempfile::tempdir().unwrap();
    let (w, h, rectangle) = (90, 61, [30, 20, 64, 47]);
    let image = drawn(w, h, rectangle);
    let boxed = entry(dir.path(), "a.png", &image, objects(rectangle));
    let painted = entry(dir.path(), "b.png", &image, mask(masked(w, h, rectangle)));
    for (fit, kind) in [
        (letterbox(), CacheKind::Ram),
        (letterbox(), CacheKind::None),
        (Fit::Resize, CacheKind::None),
        (Fit::Crop { shorter: 70 }, CacheKind::Ram),
        (Fit::Crop { shorter: 50 }, CacheKind::Disk(dir.path().join("cache"))),
    ] {
        let p = preprocessing([64, 72], fit);
        let plain = |entry: &Entry| ImageListDataset::new(vec![entry.clone()], p.clone(), kind.clone());
        let (plain_box, plain_mask) = (plain(&boxed), plain(&painted));
        for text in STEPS {
            let changes = |d: &ImageListDataset| d.augmented(text.parse().unwrap(), 2, 3);
            let (with_box, with_mask) = (changes(&plain_box), changes(&plain_mask));
            let mut kept = 0;
            for epoch in 0..25 {
                let told = format!("{text} {fit:?} epoch {epoch}");
                let (image, target) = with_box.sample(epoch, 0).unwrap();
                let (same, target_mask) = with_mask.sample(epoch, 0).unwrap();
                assert!(image == same, "{told}: the target has a say in what is drawn");
                let image = bytes(image);
                // Colours and erased parts change what is to be found.
                let found = found(&image);
                if let ([object], Some(found)) = (boxes(&target), found) {
                    kept += 1;
                    if !text.contains("augment") {
                        let inside = (0..4).all(|i| {
                            let out = object.bbox[i] - found[i];
                            if i < 2 { out < 1.5 } else { out > -1.5 }
                        });
                        assert!(inside, "{told}: {:?}, found {found:?}", object.bbox);
                    }
                    let [l, t, r, b] = object.bbox;
                    let touches = l < 2.0 || t < 2.0 || r > 70.0 || b > 62.0;
                    if upright(text) || (!touches && !text.contains("augment")) {
                        let near = (0..4).all(|i| (object.bbox[i] - found[i]).abs() < 1.5);
                        assert!(near, "{told}: {:?}, found {found:?}", object.bbox);
                    }
                    assert!(l >= 0.0 && t >= 0.0 && r <= 72.0 && b <= 64.0 && r - l >= 1.0 && b - t >= 1.0);
                } else {
                    assert!(boxes(&target).is_empty() || text.contains("augment"), "{told}");
                }
                if !text.contains("augment") {
                    let margin = if upright(text) { 0 } else { 2 };
                    assert_eq!(wrong(classes(&target_mask), &image, margin), 0, "{told}");
                }
            }
            assert!(kept >= 5, "{text} {fit:?}: only {kept}");
        }
    }
}

#[test]
fn policies_move_targets() {
    // Without operations on colours nothing is known of these, so the mask is the witness: it says where the box is.
    let dir = tempfile::tempdir().unwrap();
    let (w, h, rectangle) = (64, 64, [20, 24, 44, 40]);
    let image = drawn(w, h, rectangle);
    let boxed = entry(dir.path(), "a.png", &image, objects(rectangle));
    let painted = entry(dir.path(), "b.png", &image, mask(masked(w, h, rectangle)));
    let data = |e: &Entry, text: &str| {
        let p = preprocessing([64, 64], Fit::Resize);
        ImageListDataset::new(vec![e.clone()], p, CacheKind::Ram).augmented(text.parse().unwrap(), 2, 1)
    };
    for text in ["randaugment 2 15", "trivialaugment"] {
        let (with_box, with_mask) = (data(&boxed, text), data(&painted, text));
        let mut moved = 0;
        for epoch in 0..60 {
            let target = with_box.sample(epoch, 0).unwrap().1;
            let mask = with_mask.sample(epoch, 0).unwrap().1;
            let as_image = classes(&mask).data.iter().flat_map(|&v| if v == 1 { RED } else { BLUE }).collect();
            let Some(found) = found(&Image::new(64, 64, 3, as_image)) else { continue };
            let [object] = boxes(&target) else { continue };
            let [l, t, r, b] = object.bbox;
            if l > 1.0 && t > 1.0 && r < 63.0 && b < 63.0 {
                // Bounds of turned bounds are wider: two operations may turn.
                let slack = if text.starts_with("rand") { 9.0 } else { 1.5 };
                let near = (0..4).all(|i| (object.bbox[i] - found[i]).abs() < slack);
                assert!(near, "{text} {epoch}: {:?} {found:?}", object.bbox);
                moved += usize::from(object.bbox != rectangle.map(|v| v as f32));
            }
        }
        assert!(moved > 5, "{text}: {moved}");
    }
}

#[test]
fn colours_and_erased_parts_leave_targets_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let text = "jitter 0.5 0.5 0.5 0.2, grey 0.5, blur 3, erase 1";
    for masks in [false, true] {
        let plain =
            ImageListDataset::new(several(dir.path(), masks), preprocessing([40, 40], letterbox()), CacheKind::Ram);
        let changed = plain.augmented(text.parse().unwrap(), 2, 0);
        for epoch in 0..5 {
            let ((image, target), (before, same)) =
                (changed.sample(epoch, 2).unwrap(), plain.sample(epoch, 2).unwrap());
            assert!(image != before && target == same, "{epoch}");
        }
    }
}

#[test]
fn images_of_either_depth_share_a_mosaic() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("deep.png");
    std::fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../imaging/tests/odd-images/pngsuite/png/basn6a16.png"),
        &deep,
    )
    .unwrap();
    let mut entries = several(dir.path(), false);
    entries[0] = Entry::new(Source::File(deep), "deep.png", objects([4, 4, 28, 28]));
    let data = ImageListDataset::new(entries, preprocessing([40, 48], letterbox()), CacheKind::Ram);
    let data = data.augmented("mosaic".parse().unwrap(), 2, 0);
    for epoch in 0..10 {
        assert!(matches!(data.sample(epoch, 0).unwrap().0, AnyImage::U16(_)));
        assert!(matches!(data.sample(epoch, 1).unwrap().0, AnyImage::U8(_)));
    }
}

#[test]
fn a_box_goes_when_too_little_of_it_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let rectangle = [0, 12, 10, 20];
    let image = drawn(32, 32, rectangle);
    let data = ImageListDataset::new(
        vec![entry(dir.path(), "a.png", &image, objects(rectangle))],
        preprocessing([32, 32], Fit::Resize),
        CacheKind::None,
    )
    .augmented("pad-crop 20".parse().unwrap(), 2, 0);
    let (mut dropped, mut cut) = (0, 0);
    for epoch in 0..200 {
        let (image, target) = data.sample(epoch, 0).unwrap();
        let red = bytes(image).data.as_chunks::<3>().0.iter().filter(|p| shows(&p[..]) == 1).count();
        let visible = red as f64 / 80.0;
        assert_eq!(boxes(&target).len(), usize::from(visible >= 0.3), "{visible} of it is seen");
        dropped += usize::from(visible > 0.0 && visible < 0.3);
        cut += usize::from((0.3..1.0).contains(&visible));
    }
    assert!(dropped > 5 && cut > 20, "{dropped} {cut}");
}

#[test]
fn evaluation_keeps_every_box_and_knows_the_way_back() {
    let dir = tempfile::tempdir().unwrap();
    let all = vec![
        Object::new(0, [0.0, 0.0, 90.0, 61.0]),
        Object { crowd: true, ..Object::new(2, [-3.0, 5.0, 4.0, 99.0]) },
        Object { difficult: true, ..Object::new(1, [50.0, 60.5, 50.25, 60.75]) },
    ];
    let image = drawn(90, 61, [1, 1, 2, 2]);
    for fit in [letterbox(), Fit::Resize, Fit::Crop { shorter: 40 }, Fit::Crop { shorter: 100 }] {
        for kind in [CacheKind::None, CacheKind::Ram, CacheKind::Disk(dir.path().join("cache"))] {
            let p = Preprocessing { pad: 2, ..preprocessing([32, 48], fit) };
            let entries = vec![
                entry(dir.path(), "a.png", &image, Target::Objects(all.clone())),
                entry(dir.path(), "b.png", &image, Target::Objects(vec![])),
            ];
            let data = ImageListDataset::new(entries, p, kind);
            assert_eq!(data.size_of(0), None);
            for _ in 0..2 {
                let batch = data.batch(&[1, 0]).unwrap();
                assert_eq!((batch.images.shape(), batch.targets.shape()), (&[2, 3, 36, 52][..], &[2, 3, 6][..]));
                let rows = batch.targets.to_vec::<f32>();
                assert!(rows[..18].chunks(6).all(|row| row[0] == -1.0));
                assert_eq!((data.size_of(0), data.size_of(7)), (Some([90, 61]), None));
                let back = data.placement(0).unwrap();
                for (row, object) in rows[18..].chunks(6).zip(&all) {
                    let bbox = back.box_to_image([row[1], row[2], row[3], row[4]]);
                    assert!((0..4).all(|i| (bbox[i] - object.bbox[i]).abs() < 1e-3), "{fit:?} {bbox:?}");
                    let kind = if object.crowd { 1.0 } else { 2.0 * f32::from(object.difficult) };
                    assert_eq!((row[0], row[5]), (object.class as f32, kind));
                }
            }
        }
    }
}

#[test]
fn masks_are_void_where_there_is_no_image() {
    let dir = tempfile::tempdir().unwrap();
    // A wide mask of classes 3 and 4, with void between.
    let mut classes = Image::filled(40, 10, &[3u8]);
    classes.paste(&Image::filled(8, 10, &[VOID]), 16, 0);
    classes.paste(&Image::filled(16, 10, &[4]), 24, 0);
    let e = entry(dir.path(), "a.png", &Image::filled(40, 10, &BLUE), mask(classes));
    let p = Preprocessing { pad: 1, ..preprocessing([20, 20], letterbox()) };
    let batch = ImageListDataset::new(vec![e], p, CacheKind::Ram).batch(&[0]).unwrap();
    assert_eq!(batch.targets.shape(), [1, 22, 22]);
    for (i, class) in batch.targets.to_vec::<i64>().into_iter().enumerate() {
        let expected = match (i % 22, i / 22) {
            (_, 0..=7 | 13..) | (0 | 21, _) => -100,
            (1..=8, _) => 3,
            (9..=12, _) => -100,
            _ => 4,
        };
        assert_eq!(class, expected, "{} {}", i % 22, i / 22);
    }
}

#[test]
fn a_mask_of_another_size_is_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let image = Image::filled(12, 9, &BLUE);
    let entries = vec![
        entry(dir.path(), "a.png", &image, mask(Image::filled(12, 9, &[1]))),
        entry(dir.path(), "b.png", &image, mask(Image::filled(9, 12, &[1]))),
    ];
    let data = ImageListDataset::new(entries, preprocessing([8, 8], Fit::Resize), CacheKind::Ram);
    assert_eq!(data.batch(&[0, 1]).unwrap().indices, [0]);
    let bad = data.bad();
    assert!(bad.len() == 1 && bad[0].path.ends_with("b.png"), "{bad:?}");
    assert!(bad[0].reason.contains("12×9") && bad[0].reason.contains("9×12"), "{}", bad[0].reason);
    // A batch of none is one of masks, too.
    assert_eq!(data.batch(&[1]).unwrap().indices.len(), 0);
}

#[test]
fn any_size_of_image_and_any_box_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let text = "mosaic 0.5, scale-jitter 0.1 2, pad-crop 3, flip, vflip, rotate 20, affine 10 0.1 0.8 1.2 5, perspective, erase, jitter 0.2";
    for (w, h) in [(1, 1), (1, 17), (17, 1), (640, 3), (3, 640), (16, 16)] {
        let image = Image::filled(w, h, &BLUE);
        let (right, bottom) = (w as f32, h as f32);
        let all = [
            [0.0, 0.0, right, bottom],
            [0.0; 4],
            [f32::NAN; 4],
            [f32::NEG_INFINITY, 0.0, f32::INFINITY, bottom],
            [right, bottom, 0.0, 0.0],
            [right - 1.0, 0.0, right + 5.0, bottom],
        ];
        let all = all.map(|bbox| Object::new(0, bbox)).to_vec();
        for (i, target) in [Target::Objects(all), mask(Image::filled(w, h, &[1]))].into_iter().enumerate() {
            for fit in [letterbox(), Fit::Resize, Fit::Crop { shorter: 20 }] {
                let e = entry(dir.path(), &format!("{i}.png"), &image, target.clone());
                let p = preprocessing([16, 20], fit);
                let data = ImageListDataset::new(vec![e], p, CacheKind::Ram).augmented(text.parse().unwrap(), 1, 0);
                for epoch in 0..20 {
                    let (image, target) = data.sample(epoch, 0).unwrap();
                    assert_eq!((image.width(), image.height()), (20, 16));
                    match &target {
                        Target::Objects(objects) => {
                            for [l, t, r, b] in objects.iter().map(|o| o.bbox) {
                                assert!(l >= 0.0 && t >= 0.0 && r <= 20.0 && b <= 16.0 && r - l >= 1.0 && b - t >= 1.0);
                            }
                        }
                        other => assert_eq!(classes(other).data.len(), 320),
                    }
                }
            }
        }
    }
}

/// Six images of several sizes with a rectangle each, of which one cannot be read, with boxes or masks.
fn several(at: &Path, masks: bool) -> Vec<Entry> {
    let one = |i: usize| {
        let (w, h) = (50 + 9 * i, 80 - 7 * i);
        let rectangle = [10 + i, 12, 30 + 2 * i, 30 + i];
        let target = if masks { mask(masked(w, h, rectangle)) } else { objects(rectangle) };
        let e = entry(at, &format!("{i}{masks}.png"), &drawn(w, h, rectangle), target);
        if i == 4 {
            std::fs::write(e.source.path(), "damaged").unwrap();
        }
        e
    };
    (0..6).map(one).collect()
}

#[test]
fn four_images_in_one_have_the_targets_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let p = preprocessing([96, 80], letterbox());
    for text in ["mosaic", "mosaic 1, scale-jitter 0.3 0.8", "mosaic, flip, vflip"] {
        let data = |masks| {
            let data = ImageListDataset::new(several(dir.path(), masks), p.clone(), CacheKind::Ram);
            data.augmented(text.parse().unwrap(), 2, 9)
        };
        let (with_boxes, with_masks) = (data(false), data(true));
        let mut most = 0;
        for epoch in 0..30 {
            let (image, target) = with_boxes.sample(epoch, 1).unwrap();
            let (same, target_mask) = with_masks.sample(epoch, 1).unwrap();
            assert!(image == same);
            let image = bytes(image);
            assert_eq!(wrong(classes(&target_mask), &image, 0), 0, "{text} {epoch}");
            let red = |x: f32, y: f32| {
                let inside = x >= 0.0 && y >= 0.0 && x < 80.0 && y < 96.0;
                inside && shows(image.pixel(x as usize, y as usize)) == 1
            };
            most = most.max(boxes(&target).len());
            for [l, t, r, b] in boxes(&target).iter().map(|o| o.bbox) {
                let (x, y) = ((l + r) / 2.0, (t + b) / 2.0);
                assert!(red(x, y) && (r - l < 4.0 || (red(l + 1.5, y) && red(r - 1.5, y))), "{text} {epoch}");
                assert!(b - t < 4.0 || (red(x, t + 1.5) && red(x, b - 1.5)), "{text} {epoch}");
                let out = !red(l - 1.5, y) && !red(r + 1.5, y) && !red(x, t - 1.5) && !red(x, b + 1.5);
                assert!(out, "{text} {epoch}: {l} {t} {r} {b}");
            }
        }
        assert!(most >= 3, "{text}: at most {most} boxes");
    }
}

#[test]
fn order_threads_and_cache_have_no_say() {
    let dir = tempfile::tempdir().unwrap();
    let p = preprocessing([48, 40], letterbox());
    let text = "mosaic 0.6, scale-jitter 0.5 1.5, flip, rotate 5, jitter 0.2";
    for masks in [false, true] {
        let entries = several(dir.path(), masks);
        let all = |kind, workers| {
            let data = ImageListDataset::new(entries.clone(), p.clone(), kind).augmented(text.parse().unwrap(), 2, 5);
            let loader = DataLoader::new(data.clone(), 2).shuffle(3).workers(workers);
            let batches = loader.epoch_from(4, 0).map(|b| b.unwrap());
            let values = |t: &striate_tensor::Tensor| t.to_vec::<f32>();
            let targets = |t: &striate_tensor::Tensor| {
                if masks { t.to_vec::<i64>().iter().map(|&v| v as f32).collect() } else { values(t) }
            };
            batches.map(|b| (values(&b.images), targets(&b.targets), b.indices)).collect::<Vec<_>>()
        };
        let kept = all(CacheKind::Ram, 0);
        assert!(kept == all(CacheKind::Ram, 3) && kept == all(CacheKind::Disk(dir.path().join("cache")), 2));
        assert!(all(CacheKind::None, 0) == all(CacheKind::None, 3));
        assert!(kept.iter().flat_map(|(_, _, i)| i).count() == 5, "the damaged one is left out");
    }
}

#[test]
fn what_cannot_be_done_to_a_target_is_refused() {
    use striate_data::TargetKind::{Class, Mask, Objects};
    use striate_data::transforms::Augmentations;
    let check = |text: &str, kind| text.parse::<Augmentations>().unwrap().check(kind);
    assert!(check("mosaic, scale-jitter 0.1 2, flip, randaugment", Objects).is_ok());
    assert!(check("crop-resize, mixup, cutmix", Class).is_ok());
    assert!(check("mixup", Objects).unwrap_err().starts_with("'mixup' mixes the labels of whole images"));
    assert!(check("flip, cutmix", Mask).unwrap_err().contains("images with a mask"));
    assert!(check("mosaic", Class).unwrap_err().starts_with("'mosaic' is for images with objects"));
    // Nothing breaks where nobody has checked.
    let dir = tempfile::tempdir().unwrap();
    let data = ImageListDataset::new(several(dir.path(), false), preprocessing([8, 8], Fit::Resize), CacheKind::None);
    let batch = data.augmented("mixup, cutmix".parse().unwrap(), 2, 0).batch(&[0, 1]).unwrap();
    assert!(batch.soft_labels.is_none() && batch.targets.shape() == [2, 1, 6]);
    let mut classes = several(dir.path(), false);
    classes.iter_mut().for_each(|e| e.target = 1.into());
    let plain = ImageListDataset::new(classes, preprocessing([8, 8], Fit::Resize), CacheKind::None);
    let four = plain.augmented("mosaic".parse().unwrap(), 2, 0).batch(&[0, 1]).unwrap();
    assert_eq!(four.images.to_vec::<f32>(), plain.batch(&[0, 1]).unwrap().images.to_vec::<f32>());
}
