//! Annotations from one format to another, and of images that lie on a side.

use crate::annotations::{COCO, boxes, image, objects, options, put, voc};
use std::fs;
use striate_data::annotations::{Annotations, ConvertOptions, Format, IssueKind, Placement, convert};
use striate_data::images::ImageList;
use striate_data::{Target, TargetKind};
use striate_imaging::Split;

/// Name, split and boxes of an image.
type Short = (String, Option<Split>, Vec<(String, [f64; 4])>);

#[test]
fn round_trips_between_formats() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    voc(&at("start"));
    let start = Annotations::open(&at("start")).unwrap();
    let go = |from: &Annotations, format, to: &str| {
        let report = convert(from, format, &at(to), &ConvertOptions::default()).unwrap();
        (Annotations::open(&at(to)).unwrap(), report)
    };
    let (coco, report) = go(&start, Format::Coco, "coco");
    assert_eq!((report.images, report.objects), (3, 3));
    let lost: Vec<(&str, usize)> = report.lost.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(lost, [("difficult flags", 1), ("poses", 1), ("truncated flags", 1)]);
    let (yolo, _) = go(&coco, Format::Yolo, "yolo");
    let (csv, _) = go(&yolo, Format::Csv, "csv");
    let (end, _) = go(&csv, Format::Voc, "end");
    let short = |all: &Annotations| -> Vec<Short> {
        let mut images: Vec<_> = all
            .images
            .iter()
            .map(|image| {
                let objects = image.objects.iter().map(|o| (all.classes[o.class].clone(), o.bbox)).collect();
                (image.name.rsplit('/').next().unwrap().to_string(), image.split, objects)
            })
            .collect();
        images.sort_by(|a, b| a.0.cmp(&b.0));
        images
    };
    assert_eq!(short(&coco), short(&start), "COCO keeps boxes as they are");
    for all in [&yolo, &csv, &end] {
        for (a, b) in short(all).iter().zip(short(&start)) {
            assert_eq!((&a.0, a.1, a.2.len()), (&b.0, b.1, b.2.len()));
            for ((class, bbox), (other, edges)) in a.2.iter().zip(&b.2) {
                let near = bbox.iter().zip(edges).all(|(a, b)| (a - b).abs() < 20.0 * 2e-8);
                assert!(class == other && near, "{bbox:?} {edges:?}");
            }
        }
    }
    let (again, report) = go(&start, Format::Voc, "again");
    assert!(report.lost.is_empty() && report.lines().is_empty());
    let whole = |all: &Annotations| -> Vec<_> {
        all.images
            .iter()
            .flat_map(|i| &i.objects)
            .map(|o| (o.class, o.bbox, o.difficult, o.truncated, o.pose.clone().unwrap_or("Unspecified".into())))
            .collect()
    };
    assert_eq!(whole(&again), whole(&start));
    // Bytes of the images are the same, and nothing that is there is overwritten.
    assert_eq!(fs::read(at("end/JPEGImages/a.png")).unwrap(), fs::read(at("start/JPEGImages/a.png")).unwrap());
    let error = convert(&start, Format::Coco, &at("start"), &ConvertOptions::default()).unwrap_err().to_string();
    assert!(error.contains("not empty"), "{error}");
    let refer = ConvertOptions { images: Placement::Reference };
    assert!(convert(&start, Format::Yolo, &at("r"), &refer).is_err());
    convert(&start, Format::Csv, &at("r"), &refer).unwrap();
    assert_eq!(short(&Annotations::open(&at("r/boxes.csv")).unwrap()).len(), 3);
    // A conversion that fails leaves nothing.
    fs::remove_file(at("start/JPEGImages/b.png")).unwrap();
    assert!(convert(&start, Format::Coco, &at("failed"), &ConvertOptions::default()).is_err());
    assert!(!at("failed").exists());
    assert!(fs::read_dir(dir.path()).unwrap().flatten().all(|e| !e.file_name().to_string_lossy().starts_with('.')));
}

#[test]
fn coco_keeps_outlines_crowds_and_ids() {
    let dir = tempfile::tempdir().unwrap();
    for (n, name) in ["start/a.png", "start/b.png"].into_iter().enumerate() {
        image(dir.path().join(name), [10, 20], n);
    }
    put(
        dir.path().join("start/data.json"),
        COCO.replace("{\"id\": 2, \"image_id\": 99", "{\"id\": 3, \"image_id\": 3"),
    );
    let start = Annotations::open(&dir.path().join("start")).unwrap();
    let out = dir.path().join("out");
    let report = convert(&start, Format::Coco, &out, &ConvertOptions::default()).unwrap();
    assert!(report.lost.is_empty(), "{report:?}");
    let end = Annotations::open(&out).unwrap();
    let whole = |all: &Annotations| -> Vec<_> {
        all.images
            .iter()
            .flat_map(|i| i.objects.iter().map(|o| (i.id, o.id, o.class, o.bbox, o.crowd, o.shape.clone())))
            .collect()
    };
    assert_eq!((whole(&end), &end.classes, &end.category_ids), (whole(&start), &start.classes, &vec![5, 90]));
    let report = convert(&start, Format::Yolo, &dir.path().join("yolo"), &ConvertOptions::default()).unwrap();
    assert_eq!((report.objects, report.lost["crowds"], report.lost["outlines"]), (2, 1, 2));
    let report = convert(&start, Format::Voc, &dir.path().join("voc"), &ConvertOptions::default()).unwrap();
    assert_eq!((report.lost["crowd flags"], report.lost["outlines"], report.lost["ids"]), (1, 2, 3));
}

/// A JPEG file of 4 rows and 7 columns with this orientation in an EXIF segment.
fn turned_jpeg(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let exif = [&b"Exif\0\0"[..], &tiff].concat();
    let mut plain = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut plain);
    image::ImageEncoder::write_image(encoder, &[90; 28], 7, 4, image::ExtendedColorType::L8).unwrap();
    [&plain[..2], b"\xff\xe1", &(exif.len() as u16 + 2).to_be_bytes(), &exif, &plain[2..]].concat()
}

#[test]
fn boxes_and_outlines_are_turned_as_the_image_is() {
    for orientation in 1..=8 {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path().join("a.jpg"), turned_jpeg(orientation));
        let json = r#"{"images":[{"id":1,"file_name":"a.jpg","width":7,"height":4}],"categories":[{"id":1,"name":"x"}],"annotations":
            [{"id":1,"image_id":1,"category_id":1,"bbox":[1,0,2,3],"segmentation":[[1,0,3,0,3,3,1,3]]}]}"#;
        put(dir.path().join("a.json"), json);
        let list = objects(dir.path()).unwrap();
        assert_eq!(list.issues.count(IssueKind::Size), 0);
        let [(_, bbox)] = &boxes(&list, "a.jpg")[..] else { panic!("one box") };
        let masks = ImageList::open_with(dir.path(), &options(TargetKind::Mask)).unwrap();
        let Target::Mask(mask) = &masks.entries[0].target else { panic!("a mask") };
        let mask = mask.classes().unwrap();
        assert_eq!([mask.height, mask.width], if orientation < 5 { [4, 7] } else { [7, 4] });
        let inside = |x: usize, y: usize| {
            let [left, top, right, bottom] = bbox.map(|v| v as usize);
            (left..right).contains(&x) && (top..bottom).contains(&y)
        };
        for y in 0..mask.height {
            for x in 0..mask.width {
                assert_eq!(mask.pixel(x, y), [u8::from(inside(x, y))], "orientation {orientation}: {x}, {y}, {bbox:?}");
            }
        }
        let all = Annotations::open(dir.path()).unwrap();
        for format in Format::ALL {
            let out = tempfile::tempdir().unwrap();
            convert(&all, format, out.path(), &ConvertOptions::default()).unwrap();
            let again = objects(out.path()).unwrap();
            let near = boxes(&again, "a.jpg")[0].1.iter().zip(bbox).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{format:?}, orientation {orientation}: {:?} {bbox:?}", boxes(&again, "a.jpg"));
        }
        // Annotations of the upright image stay as they are.
        if orientation > 4 {
            put(dir.path().join("a.json"), json.replace("\"width\":7,\"height\":4", "\"width\":4,\"height\":7"));
            assert_eq!(boxes(&objects(dir.path()).unwrap(), "a.jpg")[0].1, [1.0, 0.0, 3.0, 3.0]);
        }
    }
}
