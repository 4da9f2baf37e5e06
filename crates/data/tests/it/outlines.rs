//! Outlines are filled as pycocotools fills them: `scripts/fixture_masks.py`.

use serde_json::Value;
use striate_data::annotations::{MaskShapes, Rle, Shape};

fn fixture() -> Value {
    serde_json::from_str(include_str!("../fixtures/coco_masks.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn size(value: &Value) -> [usize; 2] {
    [0, 1].map(|i| value["size"][i].as_u64().unwrap() as usize)
}

#[test]
fn polygons_are_filled_as_pycocotools_does_pixel_for_pixel() {
    let fixture = fixture();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() > 100);
    for case in cases {
        let size = size(case);
        let shape = Shape::Polygons(vec![numbers(&case["polygon"])]);
        let rle = Rle::of(&shape, size);
        let expected = Rle::from_text(size, case["text"].as_str().unwrap()).unwrap();
        assert_eq!(rle, expected, "{case}");
        let counts: Vec<u32> = numbers(&case["counts"]).into_iter().map(|v| v as u32).collect();
        assert_eq!(expected.counts, counts);
        assert_eq!(rle.text(), case["text"].as_str().unwrap());
        assert!(rle.is_whole());
        let area: u32 = rle.counts.iter().skip(1).step_by(2).sum();
        assert_eq!(u64::from(area), case["area"].as_u64().unwrap());
        let [x, y, w, h] = numbers(&case["bbox"])[..] else { panic!("four numbers") };
        let bounds = Shape::Rle(rle).bounds().map_or([0.0; 4], |b| b);
        if area > 0 {
            assert_eq!(bounds, [x, y, x + w, y + h], "{case}");
        }
    }
}

#[test]
fn several_polygons_of_an_object_are_united_and_later_objects_cover_earlier_ones() {
    let union = &fixture()["union"];
    let polygons: Vec<Vec<f64>> = union["polygons"].as_array().unwrap().iter().map(numbers).collect();
    let [height, width] = size(union);
    let draw = |shapes| MaskShapes { size: [height, width], orientation: 1, shapes }.draw();
    let drawn = draw(vec![(3, Shape::Polygons(polygons.clone()))]);
    let expected = numbers(&union["pixels"]);
    for x in 0..width {
        for y in 0..height {
            assert_eq!(drawn.pixel(x, y), [3 * expected[x * height + y] as u8]);
        }
    }
    let each = |class, i: usize| (class, Shape::Polygons(vec![polygons[i].clone()]));
    let (both, last) = (draw(vec![each(1, 0), each(255, 1)]), draw(vec![each(255, 1)]));
    let covered = both.data.iter().zip(&last.data).all(|(both, last)| *last == 0 || both == last);
    assert!(covered && both.data.contains(&1));
}

#[test]
fn far_corners_and_many_of_them_take_no_longer_than_the_image_is_large() {
    let start = std::time::Instant::now();
    let far = Shape::Polygons(vec![vec![-1e300, -1e300, 1e300, 0.0, 0.0, 1e300]]);
    assert!(Rle::of(&far, [480, 640]).is_whole());
    let zigzag: Vec<f64> = (0..100_000).flat_map(|i| [(i % 2 * 30) as f64, (i % 7) as f64]).collect();
    assert!(Rle::of(&Shape::Polygons(vec![zigzag]), [20, 30]).is_whole());
    assert!(Rle::of(&Shape::Polygons(vec![vec![], vec![1.0], vec![1.0, 2.0, 3.0, 4.0]]), [20, 30]).counts == [600]);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn damaged_runs_are_refused() {
    for text in ["o", "0\u{1f}", "0~", "oooooooooooooooooooooooo0", "0P", "é"] {
        assert!(Rle::from_text([2, 3], text).is_err(), "{text}");
    }
    assert!(!Rle { size: [2, 3], counts: vec![1, 2] }.is_whole());
    assert!(!Rle { size: [2, 3], counts: vec![u32::MAX; 9] }.is_whole());
    assert!(Rle::from_text([2, 3], "").unwrap().counts.is_empty());
}
