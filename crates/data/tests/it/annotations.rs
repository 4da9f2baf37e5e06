//! Annotations: what the field's formats are read as, that a run's list keeps them, and what damaged files give.

use std::fs;
use std::path::{Path, PathBuf};
use striate_data::annotations::IssueKind;
use striate_data::images::{
    CheckReport, ImageList, ListOptions, SplitOptions, read_moved_run_list, read_run_list, split, survey,
    write_manifest, write_run_list,
};
use striate_data::{DataError, Target, TargetKind};
use striate_imaging::{Image, Split};

/// Writes a PNG of this size with pixels of its own for each `n`.
pub fn image(path: PathBuf, [height, width]: [usize; 2], n: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let data = (0..height * width * 3).map(|i| ((i * (n + 3) * 7) % 251 + n * 31) as u8).collect();
    Image::new(width, height, 3, data).write_png(&path).unwrap();
}

pub fn put(path: PathBuf, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn options(target: TargetKind) -> ListOptions {
    ListOptions { target, ..ListOptions::default() }
}

pub fn objects(path: &Path) -> Result<ImageList, DataError> {
    ImageList::open_with(path, &options(TargetKind::Objects))
}

pub fn refused(result: Result<ImageList, DataError>, parts: &[&str]) {
    let line = result.expect_err("it must be refused").to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
}

pub fn boxes(list: &ImageList, name: &str) -> Vec<(String, [f32; 4])> {
    let entry = list.entries.iter().find(|e| e.name.ends_with(name)).unwrap_or_else(|| panic!("no {name}"));
    let Target::Objects(objects) = &entry.target else { panic!("objects") };
    objects.iter().map(|o| (list.classes[o.class].clone(), o.bbox)).collect()
}

pub fn owned(list: &[(&str, [f32; 4])]) -> Vec<(String, [f32; 4])> {
    list.iter().map(|(class, bbox)| (class.to_string(), *bbox)).collect()
}

pub fn splits(list: &ImageList) -> Vec<(&str, Option<Split>)> {
    list.entries.iter().map(|e| (e.name.rsplit('/').next().unwrap(), e.split)).collect()
}

pub fn object(class: &str, [a, b, c, d]: [&str; 4], more: &str) -> String {
    format!(
        "<object><name>{class}</name>{more}<bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>\n"
    )
}

pub fn xml(objects: &[String]) -> String {
    format!("<annotation>\n<size><width>20</width><height>10</height></size>\n{}</annotation>", objects.concat())
}

/// Three images in Pascal VOC's layout, with splits.
pub fn voc(root: &Path) {
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        image(root.join(format!("JPEGImages/{name}.png")), [10, 20], n);
    }
    let cat =
        object("cat", ["1", "2", "11", "9.5"], "<difficult>1</difficult><truncated>1</truncated><pose>Left</pose>");
    put(root.join("Annotations/a.xml"), xml(&[cat, object("dog", ["-3", "0", "25", "4"], "")]));
    put(root.join("Annotations/b.xml"), xml(&[object("dog &amp; co", ["0", "0", "20", "10"], "")]));
    put(root.join("Annotations/c.xml"), xml(&[]));
    for (set, ids) in [("train", "a\n"), ("val", "b\n"), ("test", "c\n"), ("trainval", "a\nb\n")] {
        put(root.join(format!("ImageSets/Main/{set}.txt")), ids);
    }
}

#[test]
fn pascal_voc_with_its_splits() {
    let dir = tempfile::tempdir().unwrap();
    voc(&dir.path().join("VOC2007"));
    let list = objects(dir.path()).unwrap();
    assert_eq!(list.classes, ["cat", "dog", "dog & co"]);
    assert_eq!(boxes(&list, "a.png"), owned(&[("cat", [1.0, 2.0, 11.0, 9.5]), ("dog", [0.0, 0.0, 20.0, 4.0])]));
    assert_eq!(boxes(&list, "c.png"), []);
    let expected = [("a.png", Split::Train), ("b.png", Split::Val), ("c.png", Split::Test)];
    assert_eq!(splits(&list), expected.map(|(name, split)| (name, Some(split))));
    let Target::Objects(first) = &list.entries[0].target else { panic!("objects") };
    assert!(first[0].difficult && !first[1].difficult && !first[0].crowd);
    let issue = |kind| list.issues.iter().find(|issue| issue.kind == kind).unwrap();
    assert!(issue(IssueKind::Outside).line().contains("a.xml line 4: dog"), "{}", issue(IssueKind::Outside).line());
    assert!(issue(IssueKind::Empty).line().contains("c.xml"));
    assert!(list.notes.iter().any(|n| n.contains("1 box outside the image: clipped")), "{:?}", list.notes);

    // The same of an archive.
    let file = tempfile::NamedTempFile::with_suffix(".tar").unwrap();
    let mut tar = tar::Builder::new(file.reopen().unwrap());
    tar.append_dir_all("data", dir.path()).unwrap();
    tar.finish().unwrap();
    let inside = objects(file.path()).unwrap();
    let targets = |list: &ImageList| list.entries.iter().map(|e| e.target.clone()).collect::<Vec<_>>();
    assert_eq!((targets(&inside), &inside.classes), (targets(&list), &list.classes));

    // What is of no format, or of another one, changes nothing.
    put(dir.path().join("notes.json"), "{ broken");
    put(dir.path().join("VOC2007/table.csv"), "a,b\n1,2\n");
    put(dir.path().join("VOC2007/coco.json"), COCO);
    let other = objects(dir.path()).unwrap();
    assert_eq!(targets(&other), targets(&list));
    assert!(other.notes.iter().any(|n| n.contains("read from Pascal VOC XML; COCO is there too")), "{:?}", other.notes);
    fs::remove_file(dir.path().join("VOC2007/coco.json")).unwrap();

    // What a run's list and a manifest keep.
    let run = dir.path().join("list.csv");
    fs::write(&run, write_run_list(&list)).unwrap();
    let again = read_run_list(&run, dir.path()).unwrap();
    assert_eq!((&again.entries, &again.classes, again.kind), (&list.entries, &list.classes, list.kind));
    fs::remove_file(&run).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    voc(&elsewhere.path().join("VOC2007"));
    let run = elsewhere.path().join("list.csv");
    fs::write(&run, write_run_list(&list)).unwrap();
    let moved = read_moved_run_list(&run, elsewhere.path(), dir.path()).unwrap();
    assert_eq!(targets(&moved), targets(&list));
    assert!(moved.entries.iter().all(|e| e.source.path().starts_with(elsewhere.path())));
    let manifest = elsewhere.path().join("manifest.csv");
    fs::write(&manifest, write_manifest(&list)).unwrap();
    let read = objects(&manifest).unwrap();
    assert_eq!((targets(&read), &read.classes), (targets(&list), &list.classes));
    assert_eq!(splits(&read), splits(&list));
}

#[test]
fn xml_beside_images_and_what_belongs_together() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (n, name) in ["train/a.png", "train/b.png", "valid/c.png", "valid/d.png"].into_iter().enumerate() {
        image(root.join(name), [10, 20], n);
    }
    put(root.join("train/a.xml"), xml(&[object("x", ["0", "0", "5", "5"], "")]));
    put(
        root.join("train/odd.xml"),
        xml(&[object("X", ["0", "0", "5", "5"], "")]).replace("<size>", "<filename>C:\\b.png</filename><size>"),
    );
    put(
        root.join("valid/c.xml"),
        xml(&[object("x", ["0", "0", "5", "5"], ""), object("x", ["0", "0", "5", "5"], "")])
            .replace("<width>20", "<width>30"),
    );
    put(root.join("valid/gone.xml"), xml(&[]));
    put(root.join("valid/note.xml"), "<note/>");
    let list = objects(root).unwrap();
    let expected = [("a.png", Split::Train), ("b.png", Split::Train), ("c.png", Split::Val)];
    assert_eq!(splits(&list), expected.map(|(name, split)| (name, Some(split))));
    for (kind, n) in [
        (IssueKind::Case, 1),
        (IssueKind::NoImage, 1),
        (IssueKind::Unannotated, 1),
        (IssueKind::Twice, 1),
        (IssueKind::Size, 1),
    ] {
        assert_eq!(list.issues.count(kind), n, "{kind:?}: {:?}", list.notes);
    }
    assert_eq!(boxes(&list, "c.png").len(), 2);
    // A stem of two images, which the file's name tells apart.
    fs::copy(root.join("train/a.png"), root.join("train/a.bmp")).unwrap();
    refused(objects(root), &["a.xml", "could be any of train/a.bmp, train/a.png"]);
}

#[test]
fn an_image_in_two_sets_stays_out_of_training() {
    let dir = tempfile::tempdir().unwrap();
    voc(dir.path());
    put(dir.path().join("ImageSets/Main/train.txt"), "a\nb\nnowhere\n");
    let list = objects(dir.path()).unwrap();
    assert_eq!(splits(&list)[1], ("b.png", Some(Split::Val)));
    assert_eq!((list.issues.count(IssueKind::TwoSplits), list.issues.count(IssueKind::NoImage)), (1, 1));
    put(dir.path().join("ImageSets/Main/val.txt"), "");
    put(dir.path().join("ImageSets/Main/train.txt"), "a\n");
    let list = objects(dir.path()).unwrap();
    assert_eq!(splits(&list).len(), 2, "b is in no set");
    assert_eq!(list.classes, ["cat", "dog"], "and so is its class");
}

pub const COCO: &str = r#"{
 "images": [
  {"id": 7, "file_name": "a.png", "width": 20, "height": 10},
  {"id": 3, "file_name": "b.png", "width": 20, "height": 10}
 ],
 "annotations": [
  {"id": 1, "image_id": 7, "category_id": 90, "bbox": [1, 2, 10, 7.5], "area": 33.5, "iscrowd": 0,
   "segmentation": [[1, 2, 11, 2, 11, 9.5, 1, 9.5]]},
  {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 20, 10], "iscrowd": 1, "segmentation": {"size": [10, 20], "counts": [0, 200]}},
  {"id": 2, "image_id": 99, "category_id": 5, "bbox": [0, 0, 1, 1]}
 ],
 "categories": [{"id": 90, "name": "zebra"}, {"id": 5, "name": "ape"}]
}"#;

#[test]
fn coco_with_folders_of_splits() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (n, name) in ["train2017/a.png", "train2017/b.png", "val2017/a.png", "val2017/z.png"].into_iter().enumerate() {
        image(root.join(name), [10, 20], n);
    }
    put(root.join("annotations/instances_train2017.json"), COCO);
    let val = r#"{"images":[{"id":1,"file_name":"a.png"},{"id":2,"file_name":"gone.png"}],"categories":[{"id":1,"name":"ape"},{"id":2,"name":"Ape"}],
        "annotations":[{"id":9,"image_id":1,"category_id":1,"segmentation":[[2,2,8,2,8,8]]},{"id":10,"image_id":2,"category_id":1,"bbox":[0,0,1,1]}]}"#;
    put(root.join("annotations/instances_val2017.json"), val);
    put(root.join("annotations/captions_val2017.json"), "{}");
    let list = objects(root).unwrap();
    assert_eq!(list.classes, ["ape", "zebra", "Ape"]);
    assert_eq!(
        boxes(&list, "train2017/a.png"),
        owned(&[("zebra", [1.0, 2.0, 11.0, 9.5]), ("ape", [0.0, 0.0, 20.0, 10.0])])
    );
    assert_eq!(boxes(&list, "val2017/a.png"), owned(&[("ape", [2.0, 2.0, 8.0, 8.0])]));
    assert_eq!(boxes(&list, "train2017/b.png"), []);
    let Target::Objects(first) = &list.entries[0].target else { panic!("objects") };
    assert!(first[1].crowd && !first[0].crowd);
    for (kind, n) in
        [(IssueKind::Case, 1), (IssueKind::NoImage, 2), (IssueKind::SameId, 1), (IssueKind::Unannotated, 1)]
    {
        assert_eq!(list.issues.count(kind), n, "{kind:?}: {:?}", list.notes);
    }
    let same = list.issues.iter().find(|i| i.kind == IssueKind::SameId).unwrap().line();
    assert!(same.contains("line 10 (annotations[2])"), "{same}");

    let only = objects(&root.join("annotations/instances_train2017.json")).unwrap();
    assert_eq!((only.entries.len(), &only.classes[..]), (2, &["ape".to_string(), "zebra".into()][..]));

    // As masks: the crowd is void, the zebra under it.
    let masks =
        ImageList::open_with(&root.join("annotations/instances_train2017.json"), &options(TargetKind::Mask)).unwrap();
    assert_eq!(masks.classes, ["background", "ape", "zebra"]);
    let Target::Mask(mask) = &masks.entries[0].target else { panic!("a mask") };
    assert!(mask.classes().unwrap().data.iter().all(|&v| v == 255));
    let Target::Mask(empty) = &masks.entries[1].target else { panic!("a mask") };
    assert_eq!(empty.classes().unwrap().data, [0; 200]);
    let run = root.join("list.csv");
    fs::write(&run, write_run_list(&masks)).unwrap();
    assert_eq!(
        read_run_list(&run, root).unwrap().entries.iter().map(|e| &e.target).collect::<Vec<_>>(),
        masks.entries.iter().map(|e| &e.target).collect::<Vec<_>>()
    );
}

#[test]
fn yolo_with_and_without_its_yaml() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("set");
    for (n, name) in ["images/train/a.png", "images/train/b.png", "images/val/c.png"].into_iter().enumerate() {
        image(root.join(name), [10, 20], n);
    }
    put(root.join("labels/train/a.txt"), "1 0.5 0.5 0.5 0.4\n\n0 0.1 0.1 0.9 0.1 0.5 0.9\r\n");
    put(root.join("labels/val/c.txt"), "");
    put(root.join("labels/val/gone.txt"), "0 0.5 0.5 0.1 0.1\n");
    for yaml in [
        "path: ../set # root\ntrain: images/train\nval: images/val\nnc: 2\nnames: ['cat', \"dog\"]\n",
        "train: ../images/train\nval: [images/val]\nnames:\n  0: cat\n  1: dog\n",
        "train: train.txt\nval: /somewhere/set/images/val\nnames:\n- cat\n- dog\n",
    ] {
        put(root.join("train.txt"), "./images/train/a.png\nimages/train/b.png\n");
        put(root.join("data.yaml"), yaml);
        for path in [root.clone(), root.join("data.yaml")] {
            let list = objects(&path).unwrap_or_else(|e| panic!("{yaml}: {e}"));
            assert_eq!(list.classes, ["cat", "dog"]);
            let expected = [("a.png", Split::Train), ("b.png", Split::Train), ("c.png", Split::Val)];
            assert_eq!(splits(&list), expected.map(|(name, split)| (name, Some(split))));
            let found = boxes(&list, "a.png");
            for ((class, bbox), (expected, edges)) in
                found.iter().zip(owned(&[("dog", [5.0, 3.0, 15.0, 7.0]), ("cat", [2.0, 1.0, 18.0, 9.0])]))
            {
                assert!(*class == expected && bbox.iter().zip(edges).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
            }
            assert_eq!(
                (
                    list.issues.count(IssueKind::Unannotated),
                    list.issues.count(IssueKind::Empty),
                    list.issues.count(IssueKind::NoImage)
                ),
                (1, 1, 1)
            );
        }
    }
    fs::remove_file(root.join("data.yaml")).unwrap();
    assert_eq!(objects(&root).unwrap().classes, ["0", "1"]);
    put(root.join("classes.txt"), "cat\ndog\n");
    assert_eq!(objects(&root).unwrap().classes, ["cat", "dog"]);
    for (line, parts) in [
        ("2 0.5 0.5 0.1 0.1", &["line 1", "the class is 2, and 2 are named"][..]),
        ("0 0.5 0.5 0.1 0.1 0.9", &["line 1", "5 numbers after the class"]),
        ("0 0.5 0.5", &["line 1", "2 numbers after the class"]),
        ("cat 0.5 0.5 0.1 0.1", &["line 1", "'cat' is no number of a class"]),
        ("-1 0.5 0.5 0.1 0.1", &["'-1' is no number of a class"]),
        ("0 0.5 x 0.1 0.1", &["'x' is no number"]),
        ("0 300 200 10 10", &["300 is no fraction"]),
        ("0 1e300 0.5 0.1 0.1", &["no fraction"]),
    ] {
        put(root.join("labels/val/c.txt"), line);
        refused(objects(&root), &[&["c.txt"], parts].concat());
    }
    put(root.join("labels/val/c.txt"), "0 nan 0.5 0.1 0.1\n0 -0.5 0.5 0.1 0.1\n1 1.0 1.0 0.5 0.5");
    let list = objects(&root).unwrap();
    assert_eq!(boxes(&list, "c.png"), owned(&[("dog", [15.0, 7.5, 20.0, 10.0])]));
    put(root.join("data.yaml"), "train: nowhere\nnames: [a]\n");
    refused(objects(&root), &["data.yaml", "no images in 'nowhere'"]);
    put(root.join("data.yaml"), "train: images\nnames: [a, a]\n");
    refused(objects(&root), &["data.yaml", "'a' stands twice"]);
}

#[test]
fn tables_of_boxes() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    for (n, name) in ["images/a.png", "images/b.png"].into_iter().enumerate() {
        image(root.join(name), [10, 20], n);
    }
    let table = root.join("boxes.csv");
    for text in [
        "path,label,xmin,ymin,xmax,ymax\nimages/a.png,cat,1,2,11,9.5\nimages/a.png,dog,0,0,20,4\nimages/b.png,,,,,\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,20,10,cat,1,2,11,9.5\na.png,20,10,dog,0,0,20,4\nb.png,20,10,,,,,\n",
        "image_name,x,y,w,h,species\na.png,1,2,10,7.5,cat\na.png,0,0,20,4,dog\nb.png,,,,,\n",
        "image_id;x;y;w;h;label;split\na;1;2;10;7.5;cat;train\na;0;0;20;4;dog;train\nb;;;;;;val\n",
    ] {
        put(table.clone(), text);
        let list = objects(&table).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(boxes(&list, "a.png"), owned(&[("cat", [1.0, 2.0, 11.0, 9.5]), ("dog", [0.0, 0.0, 20.0, 4.0])]));
        assert_eq!(boxes(&list, "b.png"), []);
        assert_eq!(objects(root).unwrap().entries.len(), 2, "found in the folder");
    }
    for (text, parts) in [
        ("path,label,xmin,ymin,xmax,ymax\nimages/a.png,cat,1,2,11\n", &["line 2", "5 fields"][..]),
        ("path,label,xmin,ymin,xmax,ymax\nimages/a.png,cat,1,2,x,4\n", &["line 2", "'x'"]),
        ("path,label,xmin,ymin,xmax,ymax\nimages/a.png,,1,2,3,4\n", &["line 2", "the label is empty"]),
        ("path,label,xmin,ymin,xmax,ymax\ngone.png,cat,1,2,3,4\n", &["1 of its files not found", "line 2"]),
        ("path,label,xmin,ymin,xmax,ymax,split\na.png,cat,1,2,3,4,dev\n", &["line 2", "'dev'"]),
        ("path,label\na.png,cat\n", &["no columns xmin"]),
        ("", &["empty"]),
    ] {
        put(table.clone(), text);
        refused(objects(&table), parts);
    }
}

#[test]
fn reports_and_splits_of_objects() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let mut text = String::from("path,label,xmin,ymin,xmax,ymax,crowd\n");
    for n in 0..24 {
        image(root.join(format!("{n}.png")), [40, 200], n * 5);
        text += &format!("{n}.png,cat,0,0,{},40,0\n{n}.png,cat,0,0,10,10,1\n", 30 + n);
    }
    image(root.join("empty.png"), [40, 200], 200);
    text += "empty.png,,,,,,\n5.png,rare,0,0,200,40,0\n";
    put(root.join("boxes.csv"), text);
    let mut list = objects(root).unwrap();
    list.for_training().unwrap();
    let survey = survey(&list, &Default::default(), 2, &|_| ());
    let report = CheckReport::new(&list, &survey, 2);
    let cat = &report.objects[0];
    assert_eq!((cat.objects, cat.small, cat.medium, cat.large, cat.crowd), (48, 24, 24, 0, 24));
    assert_eq!((report.objects[1].objects, report.classes[1].images), (1, 1));
    let options = SplitOptions { near_duplicates: false, ..SplitOptions::default() };
    let notes = split(&mut list, &survey, &options, &|_| None, 1).unwrap();
    assert!(notes.iter().any(|n| n.contains("has no images of rare")), "{notes:?}");
    assert_eq!(list.splits(), [Split::Train, Split::Val]);
    let text = serde_json::to_string(&report).unwrap();
    assert!(text.contains("\"objects\":[{\"class\":\"cat\""), "{text}");
}

#[test]
fn findings_name_files_and_lines() {
    let dir = tempfile::tempdir().unwrap();
    voc(dir.path());
    let list = objects(dir.path()).unwrap();
    let survey = survey(&list, &Default::default(), 1, &|_| ());
    let report = CheckReport::new(&list, &survey, 1);
    let finding = report.findings.iter().find(|f| f.kind == "box outside").unwrap();
    assert_eq!((finding.places.clone(), finding.problem), (vec![vec![0]], false));
    assert!(finding.details[0].contains("a.xml line 4"), "{finding:?}");
    assert!(finding.groups[0][0].ends_with("a.png"));
    assert!(!report.notes.iter().any(|note| note.contains("outside")), "said once: {:?}", report.notes);
    let page = striate_data::images::page(&report, &list);
    assert!(page.contains("<h2>Objects</h2>") && page.contains("a.xml line 4: dog"));
}

#[test]
fn polygons_of_yolo_become_masks() {
    let dir = tempfile::tempdir().unwrap();
    image(dir.path().join("images/a.png"), [10, 20], 0);
    put(dir.path().join("labels/a.txt"), "0 0 0 1 0 1 1 0 1\n1 0 0 0.5 0 0.5 0.5 0 0.5\n");
    put(dir.path().join("classes.txt"), "cat\ndog\n");
    let list = ImageList::open_with(dir.path(), &options(TargetKind::Mask)).unwrap();
    assert_eq!(list.classes, ["background", "cat", "dog"]);
    let Target::Mask(mask) = &list.entries[0].target else { panic!("a mask") };
    let mask = mask.classes().unwrap();
    assert_eq!([(0, 0), (9, 4), (10, 4), (9, 5), (19, 9)].map(|(x, y)| mask.pixel(x, y)[0]), [2, 2, 1, 1, 1]);
    put(dir.path().join("labels/a.txt"), "0 0.5 0.5 0.1 0.1\n");
    refused(ImageList::open_with(dir.path(), &options(TargetKind::Mask)), &["a.txt line 1", "no outline"]);
    // An image whose size is not known.
    put(dir.path().join("images/a.png"), "nonsense");
    put(dir.path().join("labels/a.txt"), "0 0 0 1 0 1 1 0 1\n");
    let list = ImageList::open_with(dir.path(), &options(TargetKind::Mask)).unwrap();
    assert_eq!(list.issues.count(IssueKind::Unread), 1);
    let run = dir.path().join("list.csv");
    fs::write(&run, write_run_list(&list)).unwrap();
    assert_eq!(read_run_list(&run, dir.path()).unwrap().entries, list.entries);
    let huge = fs::read_to_string(&run).unwrap().replace("shapes 0 0 1", "shapes 99999999999 99999999999 1");
    fs::write(&run, huge).unwrap();
    assert!(read_run_list(&run, dir.path()).unwrap_err().to_string().contains("its mask"));
}
