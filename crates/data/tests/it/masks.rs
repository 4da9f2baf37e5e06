//! Masks of classes: pairs of files, what their values mean, and that they are kept, checked and written again.

use crate::annotations::{image, options, put, refused};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use striate_data::annotations::{ConvertOptions, IssueKind, MaskFile, Palette, convert_masks};
use striate_data::images::{
    CheckReport, ImageList, Source, SplitOptions, read_run_list, split, survey, write_manifest, write_run_list,
};
use striate_data::{DataError, Mask, Target, TargetKind};
use striate_imaging::{Header, Split};

fn masks(path: &Path) -> Result<ImageList, DataError> {
    ImageList::open_with(path, &options(TargetKind::Mask))
}

/// The classes of an image of a list.
fn classes(list: &ImageList, i: usize) -> Result<Vec<u8>, DataError> {
    let Target::Mask(mask) = &list.entries[i].target else { panic!("a mask") };
    mask.classes().map(|image| image.data.clone())
}

fn png(color: png::ColorType, depth: png::BitDepth, [height, width]: [u32; 2], data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette((0..=255u8).flat_map(|i| [i, 255 - i, i / 2]).collect::<Vec<u8>>());
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(data).unwrap();
    writer.finish().unwrap();
    bytes
}

fn grey(data: [u8; 6]) -> Vec<u8> {
    png(png::ColorType::Grayscale, png::BitDepth::Eight, [2, 3], &data)
}

fn pairs(root: &Path, folders: [&str; 2], masks: &[Vec<u8>]) {
    for (n, bytes) in masks.iter().enumerate() {
        image(root.join(format!("{}/{n}.png", folders[0])), [2, 3], n);
        put(root.join(format!("{}/{n}.png", folders[1])), bytes);
    }
}

#[test]
fn black_and_white_is_background_and_foreground() {
    for folders in [
        ["images", "masks"],
        ["train/image", "train/label"],
        ["JPEGImages/x", "SegmentationClass/x"],
        ["train_images", "train_masks"],
    ] {
        let dir = tempfile::tempdir().unwrap();
        pairs(dir.path(), folders, &[grey([0, 0, 0, 255, 255, 255]), grey([0; 6])]);
        let list = masks(dir.path()).unwrap();
        assert_eq!(list.classes, ["background", "foreground"], "{folders:?}");
        assert_eq!(classes(&list, 0).unwrap(), [0, 0, 0, 1, 1, 1]);
        let split = folders[0].starts_with("train").then_some(Split::Train);
        assert!(list.entries.iter().all(|e| e.split == split));
        let run = dir.path().join("list.csv");
        fs::write(&run, write_run_list(&list)).unwrap();
        let again = read_run_list(&run, dir.path()).unwrap();
        assert_eq!((&again.entries, &again.classes, again.kind), (&list.entries, &list.classes, TargetKind::Mask));
        fs::write(&run, write_manifest(&list)).unwrap();
        assert_eq!(masks(&run).unwrap().classes, list.classes);
    }
}

#[test]
fn indices_and_numbers_are_classes_and_255_is_void() {
    let dir = tempfile::tempdir().unwrap();
    let indexed = |data: &[u8]| png(png::ColorType::Indexed, png::BitDepth::Eight, [2, 3], data);
    let packed = png(png::ColorType::Indexed, png::BitDepth::Four, [2, 3], &[0x0f, 0x30, 0x33, 0x30]);
    pairs(dir.path(), ["images", "annotations"], &[indexed(&[0, 15, 255, 3, 0, 0]), packed]);
    let list = masks(dir.path()).unwrap();
    assert_eq!(list.classes, ["0", "3", "15"]);
    assert_eq!(classes(&list, 0).unwrap(), [0, 2, 255, 1, 0, 0]);
    assert_eq!(classes(&list, 1).unwrap(), [0, 2, 1, 1, 1, 1]);
    let Target::Mask(mask) = &list.entries[0].target else { panic!("a mask") };
    assert_eq!(mask.present().unwrap(), [0, 1, 2].as_slice());

    let other = tempfile::tempdir().unwrap();
    pairs(other.path(), ["images", "masks"], &[grey([0, 1, 2, 255, 2, 1])]);
    assert_eq!(masks(other.path()).unwrap().classes, ["0", "1", "2"]);
    put(other.path().join("masks/0.png"), grey([0, 128, 255, 255, 0, 0]));
    assert_eq!(masks(other.path()).unwrap().classes, ["0", "128", "255"]);
}

#[test]
fn a_folder_of_one_split_has_the_palette_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let mask = png(png::ColorType::Grayscale, png::BitDepth::Eight, [2, 1], &[0, 255]);
    for folder in ["test", "photos"] {
        let folder = dir.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        pairs(&folder, ["images", "masks"], std::slice::from_ref(&mask));
    }
    put(dir.path().join("classes.csv"), "value,class\n255,cell\n0,membrane\n");
    let list = masks(&dir.path().join("test")).unwrap();
    assert_eq!(list.classes, ["cell", "membrane"]);
    assert!(list.notes.iter().any(|note| note.contains("classes.csv")), "{:?}", list.notes);
    // Another folder's table may be of something else.
    assert_ne!(masks(&dir.path().join("photos")).unwrap().classes, ["cell", "membrane"]);
}

#[test]
fn palettes_name_values_and_colours() {
    let dir = tempfile::tempdir().unwrap();
    let colours = |data: &[u8]| png(png::ColorType::Rgb, png::BitDepth::Eight, [2, 3], data);
    let data = [255, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9];
    pairs(dir.path(), ["images", "masks"], &[colours(&data)]);
    refused(masks(dir.path()), &["none of its masks can be read"]);
    put(dir.path().join("palette.csv"), "name,red,green,blue\nsky,0,0,0\nroad,255,0,0\ntree,0,255,0\nvoid,9,9,9\n");
    let list = masks(dir.path()).unwrap();
    assert_eq!(list.classes, ["sky", "road", "tree"]);
    assert_eq!(classes(&list, 0).unwrap(), [1, 0, 2, 0, 0, 255]);
    put(dir.path().join("palette.csv"), "name,red,green,blue\nsky,0,0,0\nroad,255,0,0\ntree,0,255,0\n");
    let list = masks(dir.path()).unwrap();
    let line = classes(&list, 0).unwrap_err().to_string();
    assert!(
        line.contains("masks/0.png: its pixel in column 2 of row 1 is [9, 9, 9], which the palette lacks"),
        "{line}"
    );
    let survey = survey(&list, &Default::default(), 1, &|_| ());
    let report = CheckReport::new(&list, &survey, 1);
    let finding = report.findings.iter().find(|f| f.kind == "outside the palette").unwrap();
    assert!(finding.problem && finding.details[0].contains("column 2 of row 1"), "{finding:?}");

    // Values in the place of colours; the names need not be in order.
    put(dir.path().join("palette.csv"), "value,class\n255,cell\n0,membrane\n");
    put(dir.path().join("masks/0.png"), grey([255, 0, 0, 0, 0, 0]));
    let list = masks(dir.path()).unwrap();
    assert_eq!(
        (&list.classes[..], classes(&list, 0).unwrap()),
        (&["cell".to_string(), "membrane".into()][..], vec![0, 1, 1, 1, 1, 1])
    );
    for (text, part) in [
        ("", "empty"),
        ("a,b\n", "columns name"),
        ("name,value\n", "no class"),
        ("name,value\nx,300000\n", "line 2"),
        ("name,value\nx,1\ny,1\n", "line 3"),
        ("name,value\n,1\n", "line 2"),
        ("name,red,green,blue\nx,1,2,256\n", "line 2"),
    ] {
        put(dir.path().join("palette.csv"), text);
        refused(masks(dir.path()), &["palette.csv", part]);
    }
}

#[test]
fn manifests_pair_images_with_masks() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for n in 0..2 {
        image(root.join(format!("in/{n}.png")), [2, 3], n);
        put(root.join(format!("out/{n}_m.png")), grey([0, 0, 255, 0, 0, 0]));
    }
    let table = root.join("pairs.csv");
    put(table.clone(), "path,mask,split,group\nin/0.png,out/0_m.png,train,p\nin/1.png,out/1_m.png,val,q\n");
    let list = masks(&table).unwrap();
    assert_eq!((list.entries.len(), list.splits().len(), &list.classes[0][..]), (2, 2, "background"));
    assert_eq!((classes(&list, 1).unwrap(), list.entries[1].group.as_deref()), (vec![0, 0, 1, 0, 0, 0], Some("q")));
    put(root.join("palette.csv"), "name,value\nempty,0\nfull,255\n");
    assert_eq!(masks(&table).unwrap().classes, ["empty", "full"]);
    put(table.clone(), "path,mask\nin/0.png,out/gone.png\n");
    refused(masks(&table), &["1 of its files not found: out/gone.png (line 2)"]);
    put(table.clone(), "path,mask\nin/0.png,\n");
    refused(masks(&table), &["line 2: the mask is empty"]);
    put(table.clone(), "path,label,colour\nin/0.png,out/0_m.png,x\n");
    assert_eq!(masks(&table).unwrap().entries.len(), 1);
}

#[test]
fn masks_of_another_size_and_those_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let wide = png(png::ColorType::Grayscale, png::BitDepth::Eight, [1, 6], &[0, 255, 0, 0, 0, 0]);
    pairs(dir.path(), ["images", "masks"], &[grey([0, 0, 0, 255, 255, 255]), wide, b"nonsense".to_vec(), grey([0; 6])]);
    image(dir.path().join("images/alone.png"), [2, 3], 50);
    put(dir.path().join("masks/alone2.png"), grey([0; 6]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg).encode(&[0; 6], 3, 2, image::ExtendedColorType::L8).unwrap();
    put(dir.path().join("masks/3.png"), jpeg);
    let mut list = masks(dir.path()).unwrap();
    assert_eq!((list.entries.len(), list.issues.count(IssueKind::Unread)), (4, 2));
    assert_eq!((list.issues.count(IssueKind::Unannotated), list.issues.count(IssueKind::NoImage)), (1, 1));
    for (i, part) in [(1, "the mask has 6×1 pixels, its image 3×2"), (2, "not an image"), (3, "such as JPEG")] {
        let line = classes(&list, i).unwrap_err().to_string();
        assert!(line.contains(part) && line.lines().count() == 1, "{line}");
    }
    let survey = survey(&list, &Default::default(), 2, &|_| ());
    let report = CheckReport::new(&list, &survey, 2);
    let kinds: Vec<&str> = report.findings.iter().filter(|f| f.problem).map(|f| f.kind).collect();
    assert!(["size", "unread"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert_eq!((report.pixels[0].pixels, report.pixels[1].pixels), (3, 3));
    assert_eq!((report.classes[0].images, report.classes[1].images), (1, 1));
    let options = SplitOptions { near_duplicates: false, ..SplitOptions::default() };
    split(&mut list, &survey, &options, &|_| None, 1).unwrap();
    assert_eq!(list.splits().len(), 2);
}

#[test]
fn a_mask_is_turned_as_its_image_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.png");
    put(path.clone(), grey([1, 2, 3, 4, 5, 6]));
    let palette = Palette::Values(BTreeMap::from([1, 2, 3, 4, 5, 6].map(|v| (v, v as u8))));
    let read = |size, orientation| {
        let image = Some(Header { size, orientation });
        let file =
            MaskFile { source: Source::File(path.clone()), palette: palette.clone().into(), image, present: None };
        Mask::File(file.into()).classes().map(|m| ((m.height, m.width), m.data.clone()))
    };
    assert_eq!(read([2, 3], 1).unwrap(), ((2, 3), vec![1, 2, 3, 4, 5, 6]));
    assert_eq!(read([2, 3], 6).unwrap(), ((3, 2), vec![4, 1, 5, 2, 6, 3]), "as the pixels lie: turned clockwise");
    assert_eq!(read([3, 2], 6).unwrap(), ((2, 3), vec![1, 2, 3, 4, 5, 6]), "as the upright image: taken as it is");
    assert!(read([3, 3], 6).is_err());
}

#[test]
fn masks_are_written_with_a_palette_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("start");
    pairs(&root, ["train/images", "train/masks"], &[grey([0, 1, 2, 255, 2, 1]), grey([0; 6])]);
    put(root.join("palette.csv"), "name,value\nsky,0\nroad,1\ntree,2\nvoid,255\n");
    let list = masks(&root).unwrap();
    let out = dir.path().join("out");
    let report = convert_masks(&list, &out, &ConvertOptions::default()).unwrap();
    assert_eq!((report.images, report.lost.len()), (2, 0));
    let again = masks(&out).unwrap();
    assert_eq!((&again.classes, again.splits()), (&list.classes, vec![Split::Train]));
    for i in 0..2 {
        assert_eq!(classes(&again, i).unwrap(), classes(&list, i).unwrap());
    }
    assert!(convert_masks(&list, &out, &ConvertOptions::default()).is_err());
}
