//! Splits: the side of an image depends on its content, and every class has images on both.

use std::collections::BTreeMap;
use std::path::Path;
use striate_data::images::{
    ImageHash, ImageList, SplitCause, SplitOptions, Survey, fingerprint, fingerprints, pixel_fingerprint, split, survey,
};
use striate_data::{DataError, mnist};
use striate_imaging::{AnyImage, DecodeOptions, Depth, Image, Split, decode_bytes};

/// An image that is like no other: noise of coarse blocks.
fn scene(seed: u64) -> Image {
    let value = |i: u64| {
        let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(i.wrapping_mul(0xbf58_476d_1ce4_e5b9));
        ((mixed ^ mixed >> 29).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8
    };
    let pixel = |i: usize| [0, 1, 2].map(|c| value((i % 16 / 2 + i / 32 * 8 * 3) as u64 * 3 + c));
    Image::new(16, 16, 3, (0..256).flat_map(pixel).collect())
}

/// As [`scene`], with one value a little changed.
fn like(seed: u64, change: usize) -> Image {
    let mut image = scene(seed);
    image.data[change % 768] ^= 1;
    image
}

fn put(dir: &Path, class: &str, name: &str, image: &Image) {
    std::fs::create_dir_all(dir.join(class)).unwrap();
    image.write_png(&dir.join(class).join(name)).unwrap();
}

fn look(dir: &Path) -> (ImageList, Survey) {
    let list = ImageList::open(dir).unwrap();
    let found = survey(&list, &DecodeOptions::default(), 2, &|_| {});
    (list, found)
}

fn divided(dir: &Path, options: &SplitOptions) -> Result<ImageList, DataError> {
    let (mut list, found) = look(dir);
    split(&mut list, &found, options, &|_| None, 2).map(|_| list)
}

/// The sides by name.
fn sides(list: &ImageList) -> BTreeMap<String, Split> {
    list.entries.iter().map(|e| (e.name.clone(), e.split.unwrap())).collect()
}

fn held_out(list: &ImageList, class: usize) -> usize {
    list.entries.iter().filter(|e| e.target.class() == class && e.split == Some(Split::Val)).count()
}

const SEEDS: std::ops::Range<u64> = 0..12;

#[test]
fn adding_renaming_and_moving_images_moves_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    for n in 0..60 {
        put(&one, ["a", "b"][n % 2], &format!("{n}.png"), &scene(n as u64));
        put(&two, ["a", "b"][n % 2], &format!("{:03}.png", 900 - n), &scene(n as u64));
    }
    (60..80).for_each(|n| put(&two, ["a", "b", "c"][n % 3], &format!("new{n}.png"), &scene(n as u64)));
    for seed in SEEDS {
        let options = SplitOptions { seed, ..SplitOptions::default() };
        let (before, after) = (divided(&one, &options).unwrap(), divided(&two, &options).unwrap());
        let (before, after) = (sides(&before), sides(&after));
        for n in 0..60 {
            let class = ["a", "b"][n % 2];
            let (old, new) = (&before[&format!("{class}/{n}.png")], &after[&format!("{class}/{:03}.png", 900 - n)]);
            assert_eq!(old, new, "image {n}, seed {seed}");
        }
        let held = before.values().filter(|s| **s == Split::Val).count();
        assert!((4..=22).contains(&held), "{held} of 60");
    }
    let with = |seed| sides(&divided(&one, &SplitOptions { seed, ..SplitOptions::default() }).unwrap());
    assert_ne!(with(0), with(1));
    assert_eq!(with(0), with(0));
}

#[test]
fn every_class_gives_images_to_both_sides() {
    let dir = tempfile::tempdir().unwrap();
    let mut n = 0;
    for (class, count) in [("two", 2), ("three", 3), ("five", 5), ("many", 30)] {
        for i in 0..count {
            n += 1;
            put(dir.path(), class, &format!("{i}.png"), &scene(n));
        }
    }
    for seed in 0..40 {
        for fraction in [0.01, 0.2, 0.5, 0.99] {
            let list = divided(dir.path(), &SplitOptions { fraction, seed, near_duplicates: true }).unwrap();
            for class in 0..4 {
                let all = list.entries.iter().filter(|e| e.target.class() == class).count();
                let held = held_out(&list, class);
                assert!(held >= 1 && held < all, "{}: {held} of {all}, {fraction}", list.classes[class]);
            }
        }
    }
    for fraction in [0.0, 1.0, -0.1, f64::NAN] {
        assert!(divided(dir.path(), &SplitOptions { fraction, ..SplitOptions::default() }).is_err(), "{fraction}");
    }
}

#[test]
fn what_belongs_together_stays_together() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..30 {
        put(dir.path(), ["a", "b"][n % 2], &format!("{n:02}.png"), &scene(n as u64));
    }
    // Nearly the same, the same in another class, and one patient.
    (0..4).for_each(|i| put(dir.path(), "a", &format!("like{i}.png"), &like(0, 100 * i + 5)));
    put(dir.path(), "b", "same.png", &scene(2));
    let (mut list, found) = look(dir.path());
    for entry in &mut list.entries {
        if ["a/04.png", "b/05.png", "b/07.png"].contains(&entry.name.as_str()) {
            entry.group = Some("patient".into());
        }
    }
    let mut differ = false;
    for seed in SEEDS {
        let mut list = list.clone();
        split(&mut list, &found, &SplitOptions { seed, ..SplitOptions::default() }, &|_| None, 2).unwrap();
        let side = sides(&list);
        assert!((0..4).all(|i| side[&format!("a/like{i}.png")] == side["a/00.png"]), "{seed}");
        assert_eq!(side["b/same.png"], side["a/02.png"]);
        assert!(side["a/04.png"] == side["b/05.png"] && side["b/05.png"] == side["b/07.png"]);
        // By image even so: the group and equal images still stay together.
        split(&mut list, &found, &SplitOptions { seed, fraction: 0.4, near_duplicates: false }, &|_| None, 2).unwrap();
        let side = sides(&list);
        differ |= (0..4).any(|i| side[&format!("a/like{i}.png")] != side["a/00.png"]);
        assert!(side["b/same.png"] == side["a/02.png"] && side["a/04.png"] == side["b/05.png"]);
    }
    assert!(differ);
}

#[test]
fn a_class_that_cannot_be_split_is_named_with_the_cause() {
    let dir = tempfile::tempdir().unwrap();
    let case = |name: &str, images: &[(&str, Image)]| {
        let data = dir.path().join(name);
        images.iter().enumerate().for_each(|(i, (class, image))| put(&data, class, &format!("{i:02}.png"), image));
        data
    };
    let refused = |data: &Path, near_duplicates: bool, expected: SplitCause, parts: &[&str]| {
        let options = SplitOptions { near_duplicates, ..SplitOptions::default() };
        let error = divided(data, &options).unwrap_err();
        assert!(matches!(error, DataError::Split { cause, .. } if cause == expected), "{error:?}");
        let line = error.to_string();
        parts.iter().for_each(|part| assert!(line.contains(part), "'{part}' is not in: {line}"));
        assert!(line.lines().count() == 1 && !line.contains("--"), "{line}");
    };
    let one = case("one", &[("a", scene(1)), ("a", scene(2)), ("rare", scene(3))]);
    refused(&one, true, SplitCause::TooFew, &["class 'rare'", "1 image, rare/02.png", "2 are needed"]);
    // A fixed camera: all images of both classes are alike.
    let camera: Vec<(&str, Image)> = (0..20).map(|i| (["ok", "defect"][i % 2], like(7, 37 * i + 1))).collect();
    let camera = case("camera", &camera);
    refused(
        &camera,
        true,
        SplitCause::Alike,
        &["class 'defect' (and 1 more class)", "10 images", "defect/01.png and defect/03.png"],
    );
    let list = divided(&camera, &SplitOptions { near_duplicates: false, ..SplitOptions::default() }).unwrap();
    assert!((0..2).all(|c| (1..10).contains(&held_out(&list, c))));
    // Images of one colour.
    let plain = |v: u8| Image::new(9, 9, 1, vec![v; 81]);
    let constant = case("constant", &[("a", plain(5)), ("a", plain(5)), ("b", scene(1)), ("b", scene(2))]);
    for near_duplicates in [true, false] {
        refused(&constant, near_duplicates, SplitCause::Same, &["class 'a'", "same pixels", "a/00.png and a/01.png"]);
    }
    let patient = case("patient", &[("a", scene(1)), ("a", scene(2)), ("b", scene(3)), ("b", scene(4))]);
    let (mut list, found) = look(&patient);
    list.entries.iter_mut().filter(|e| e.target.class() == 1).for_each(|e| e.group = Some("Ann".into()));
    let error = split(&mut list, &found, &SplitOptions::default(), &|_| None, 1).unwrap_err();
    assert!(
        matches!(error, DataError::Split { cause: SplitCause::Group, .. }) && error.to_string().contains("group 'Ann'")
    );
    let broken = case("broken", &[("a", scene(1)), ("a", scene(2)), ("b", scene(3))]);
    std::fs::write(broken.join("b/02.png"), "x").unwrap();
    refused(&broken, true, SplitCause::TooFew, &["class 'b'", "no image that can be read"]);
}

#[test]
fn two_videos_are_held_out_one_by_one_and_most_of_a_class_is_learnt_from() {
    let dir = tempfile::tempdir().unwrap();
    for frame in 0..10 {
        put(dir.path(), "walk", &format!("x{frame}.png"), &like(1, 61 * frame));
        put(dir.path(), "run", &format!("x{frame}.png"), &like(2, 61 * frame));
        put(dir.path(), "run", &format!("y{frame}.png"), &like(3, 61 * frame));
    }
    put(dir.path(), "walk", "other.png", &scene(9));
    for seed in SEEDS {
        let list = divided(dir.path(), &SplitOptions { seed, ..SplitOptions::default() }).unwrap();
        let side = sides(&list);
        assert_eq!((held_out(&list, 0), held_out(&list, 1)), (10, 1), "{seed}");
        assert_eq!(side["walk/other.png"], Split::Val);
    }
}

#[test]
fn sides_that_are_known_stay() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..40 {
        put(dir.path(), ["a", "b"][n % 2], &format!("{n:02}.png"), &scene(n as u64));
    }
    let first = divided(dir.path(), &SplitOptions::default()).unwrap();
    let known: BTreeMap<u64, Split> =
        first.entries.iter().map(|e| (e.fingerprint.unwrap(), e.split.unwrap())).collect();
    (40..60).for_each(|n| put(dir.path(), "a", &format!("{n:02}.png"), &scene(n)));
    // Like one that was learnt from, and like one that was held out.
    let of = |side| first.entries.iter().find(|e| e.split == Some(side)).unwrap().name.clone();
    for (side, name) in [(Split::Train, "like-train.png"), (Split::Val, "like-val.png")] {
        let seed = of(side)[2..4].parse().unwrap();
        put(dir.path(), "a", name, &like(seed, 333));
    }
    let (mut list, found) = look(dir.path());
    for seed in 1..6 {
        let notes =
            split(&mut list, &found, &SplitOptions { seed, ..SplitOptions::default() }, &|f| known.get(&f).copied(), 2);
        assert!(notes.unwrap().iter().any(|n| n.starts_with("42 images the model has met before")));
        let side = sides(&list);
        assert!(first.entries.iter().all(|e| side[&e.name] == e.split.unwrap()), "{seed}");
        assert_eq!((side["a/like-train.png"], side["a/like-val.png"]), (Split::Train, Split::Val));
    }
    let error = split(&mut list, &found, &SplitOptions::default(), &|_| Some(Split::Train), 2).unwrap_err();
    assert!(matches!(error, DataError::Split { cause: SplitCause::Known, .. }), "{error}");
}

// ---- fingerprints

/// The bytes of an image in a lossless format, and what they are decoded to.
fn saved(image: &Image, ending: &str) -> (Vec<u8>, AnyImage) {
    let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    let kind = if image.channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
    image::save_buffer(file.path(), &image.data, image.width as u32, image.height as u32, kind).unwrap();
    let bytes = std::fs::read(file.path()).unwrap();
    let decoded = decode_bytes(&bytes, file.path(), &DecodeOptions::default()).unwrap();
    (bytes, decoded)
}

#[test]
fn lossless_copies_have_one_fingerprint() {
    let image = scene(4);
    let expected = pixel_fingerprint(16, 16, 3, &image.data);
    for ending in [".png", ".bmp", ".ppm", ".webp"] {
        let (bytes, decoded) = saved(&image, ending);
        assert_eq!(fingerprint(&bytes, &decoded), expected, "{ending}");
    }
    // Grey in colours is grey.
    let grey = image.to_channels(1);
    let expected = pixel_fingerprint(16, 16, 1, &grey.data);
    for image in [grey.clone(), grey.to_channels(3)] {
        let (bytes, decoded) = saved(&image, ".png");
        assert_eq!(
            (fingerprint(&bytes, &decoded), pixel_fingerprint(16, 16, image.channels, &image.data)),
            (expected, expected)
        );
    }
    // Another size, depth or value is another image.
    let mut others = vec![expected, pixel_fingerprint(8, 32, 1, &grey.data), pixel_fingerprint(32, 8, 1, &grey.data)];
    let mut changed = grey.clone();
    changed.data[255] ^= 1;
    others.push(pixel_fingerprint(16, 16, 1, &changed.data));
    let deep = Image::new(16, 16, 1, grey.data.iter().map(|&v| u16::from_u32(v as u32)).collect());
    others.push(fingerprint(&saved(&grey, ".png").0, &AnyImage::U16(deep)));
    let n = others.len();
    others.sort();
    others.dedup();
    assert_eq!(others.len(), n);
    // This value is written into model files: it must not change.
    assert_eq!(
        pixel_fingerprint(2, 1, 1, &[0, 255]),
        fingerprint(
            &saved(&Image::new(2, 1, 1, vec![0, 255]), ".bmp").0,
            &AnyImage::U8(Image::new(2, 1, 1, vec![0, 255]))
        )
    );
    assert_eq!(pixel_fingerprint(2, 1, 1, &[0, 255]), PINNED);
}

/// SHA-256 of "striate pixels 1", then 2, 1, 1, 8 as 64-bit little-endian numbers, then 0 and 255; by Python's hashlib.
const PINNED: u64 = 0x695c0f0b066b1fde;

#[test]
fn a_digit_in_an_idx_file_and_its_png_match() {
    let digits = mnist().unwrap().test;
    for i in (0..10_000).step_by(1009) {
        let image = digits.image(i);
        let (bytes, decoded) = saved(&image, ".png");
        assert_eq!(fingerprint(&bytes, &decoded), pixel_fingerprint(28, 28, 1, &image.data));
    }
}

#[test]
fn lossy_files_are_known_by_their_bytes() {
    let odd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../imaging/tests/odd-images/pillow");
    let options = DecodeOptions::default();
    let first = |bytes: &[u8]| {
        u64::from_be_bytes(
            *sha2::Digest::finalize(sha2::Digest::chain_update(<sha2::Sha256 as sha2::Digest>::new(), bytes))
                .first_chunk()
                .unwrap(),
        )
    };
    for (name, lossy) in [
        ("hopper_gray.jpg", true),
        ("flower.webp", true),
        ("hopper_orientation_6.webp", true),
        ("tiff_strip_cmyk_jpeg.tif", true),
        ("child_ifd_jpeg.tiff", false),
        ("16bit.s.tif", false),
        ("hopper_mask.png", false),
        ("dispose_prev.gif", false),
    ] {
        let bytes = std::fs::read(odd.join(name)).unwrap();
        let image = decode_bytes(&bytes, Path::new(name), &options).unwrap();
        assert_eq!(fingerprint(&bytes, &image) == first(&bytes), lossy, "{name}");
    }
}

#[test]
fn fingerprints_are_those_of_the_survey() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..7 {
        put(dir.path(), "a", &format!("{n}.png"), &scene(n));
    }
    let odd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../imaging/tests/odd-images/pillow");
    std::fs::copy(odd.join("hopper_gray.jpg"), dir.path().join("a/8.jpg")).unwrap();
    std::fs::write(dir.path().join("a/9.png"), "no image").unwrap();
    let (list, found) = look(dir.path());
    for threads in [1, 3] {
        let all = fingerprints(&list, &DecodeOptions::default(), threads, &|_| {});
        assert_eq!(all.len(), 9);
        for (one, examined) in all.iter().zip(&found.images) {
            assert_eq!(one.as_ref().ok(), examined.as_ref().ok().map(|e| &e.fingerprint));
        }
        assert!(all[8].as_ref().is_err_and(|e| e.contains("9.png")));
    }
    assert!(found.images[0].as_ref().unwrap().hash.is_near(&ImageHash::of(&AnyImage::U8(scene(0)))));
}
