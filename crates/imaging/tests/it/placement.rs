//! Where `Preprocessing::placement` says that a point goes, there its pixels go.

use striate_imaging::{Filter, Fit, Image, Preprocessing};

/// The middle of what is light, weighed, in pixels from the top left corner.
fn middle(image: &Image) -> Option<[f64; 2]> {
    let (mut sum, mut x, mut y) = (0.0, 0.0, 0.0);
    for (i, &v) in image.data.iter().enumerate() {
        let v = f64::from(v);
        sum += v;
        x += v * ((i % image.width) as f64 + 0.5);
        y += v * ((i / image.width) as f64 + 0.5);
    }
    (sum > 500.0).then(|| [x / sum, y / sum])
}

#[test]
fn a_marker_is_where_its_placement_says() {
    let letterbox = Fit::Letterbox { fill: Some([0; 3]) };
    let fits =
        [letterbox, Fit::Resize, Fit::Crop { shorter: 40 }, Fit::Crop { shorter: 25 }, Fit::Crop { shorter: 60 }];
    let mut seen = 0;
    for fit in fits {
        for (w, h) in [(90, 61), (61, 90), (48, 32), (32, 48), (200, 30), (20, 20), (33, 21), (600, 9), (17, 400)] {
            for (filter, pad) in [(Filter::Bilinear, 0), (Filter::Bicubic, 3)] {
                let p = Preprocessing { pad, filter, light_on_dark: false, ..Preprocessing::new(1, [32, 48], fit) };
                let placement = p.placement([w, h]);
                for (x, y) in [(w / 2, h / 2), (w / 4, h / 3), (2, 2), (w - 5, h - 5), (0, h / 2), (w / 3, h - 3)] {
                    let mut image = Image::filled(w, h, &[0u8]);
                    image.paste(&Image::filled(3, 3, &[255]), x, y);
                    let out = p.fit(&image).0.padded(pad);
                    assert_eq!((out.width, out.height), (48 + 2 * pad, 32 + 2 * pad));
                    let to = placement.to_input([x as f64 + 1.5, y as f64 + 1.5]);
                    // At an edge only a part of it is seen.
                    let half = [0, 1].map(|i| 2.5 * placement.scale[i].max(1.0) + pad as f64);
                    if to[0] < half[0]
                        || to[1] < half[1]
                        || to[0] > 48.0 + 2.0 * pad as f64 - half[0]
                        || to[1] > 32.0 + 2.0 * pad as f64 - half[1]
                    {
                        continue;
                    }
                    let Some(found) = middle(&out) else { continue };
                    seen += 1;
                    let near = (0..2).all(|i| (found[i] - to[i]).abs() < 0.6);
                    assert!(near, "{fit:?} {w}×{h} ({x}, {y}): {to:?}, found {found:?}");
                    let back = placement.to_image(to);
                    assert!((back[0] - x as f64 - 1.5).abs() < 1e-9 && (back[1] - y as f64 - 1.5).abs() < 1e-9);
                }
            }
        }
    }
    assert!(seen > 150, "{seen} markers were seen");
}

#[test]
fn letterbox_keeps_the_aspect_and_all_of_the_image() {
    let p =
        |fill| Preprocessing { mean: vec![0.5, 0.25, 1.0], ..Preprocessing::new(3, [32, 48], Fit::Letterbox { fill }) };
    // Wide, tall, of the size, and thinner than a pixel.
    for (w, h, inner) in
        [(96, 32, [48, 16]), (10, 20, [16, 32]), (48, 32, [48, 32]), (640, 3, [48, 1]), (1, 1, [32, 32])]
    {
        for image in [Image::filled(w, h, &[200u8, 0, 100]), Image::filled(w, h, &[9u8])] {
            for fill in [None, Some([1, 2, 3])] {
                let p = p(fill);
                assert_eq!(p.scaled_size([w, h]), inner);
                let out = p.fit(&image).0;
                let border = if fill.is_some() { [1, 2, 3] } else { [128, 64, 255] };
                let inside = |x: usize, y: usize| {
                    let (left, top) = ((48 - inner[0]) / 2, (32 - inner[1]) / 2);
                    (left..left + inner[0]).contains(&x) && (top..top + inner[1]).contains(&y)
                };
                let colour = if image.channels == 3 { [200, 0, 100] } else { [9; 3] };
                for (i, pixel) in out.data.as_chunks::<3>().0.iter().enumerate() {
                    let want = if inside(i % 48, i / 48) { colour } else { border };
                    assert!(pixel.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 1), "{w}×{h} at {i}: {pixel:?}");
                }
            }
        }
    }
}

#[test]
fn letterbox_is_written_and_old_files_are_read() {
    for fill in [None, Some([114, 114, 114])] {
        let p = Preprocessing::new(3, [32, 48], Fit::Letterbox { fill });
        let json = serde_json::to_string(&p).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&json).unwrap(), p);
        let words = p.describe();
        assert!(words.contains(if fill.is_some() { "the colour 114 114 114" } else { "the mean" }), "{words}");
    }
    let old = r#"{"channels":3,"size":[8,8],"fit":{"crop":{"shorter":9}},"pad":0,"mean":[0,0,0],"std":[1,1,1]}"#;
    assert_eq!(serde_json::from_str::<Preprocessing>(old).unwrap().fit, Fit::Crop { shorter: 9 });
    for fit in [r#""resize""#, r#""digit""#, r#"{"letterbox":{}}"#] {
        assert!(serde_json::from_str::<Preprocessing>(&old.replace(r#"{"crop":{"shorter":9}}"#, fit)).is_ok(), "{fit}");
    }
    for fit in [r#"{"letterbox":{"fill":[1,2]}}"#, r#"{"letterbox":{"fill":[1,2,300]}}"#] {
        assert!(
            serde_json::from_str::<Preprocessing>(&old.replace(r#"{"crop":{"shorter":9}}"#, fit)).is_err(),
            "{fit}"
        );
    }
}

#[test]
fn an_image_that_is_kept_is_prepared_as_the_file_is() {
    let value = |i: usize| (i * 31 % 251) as u8;
    for fit in [Fit::Letterbox { fill: None }, Fit::Resize, Fit::Crop { shorter: 40 }, Fit::Crop { shorter: 26 }] {
        let p = Preprocessing::new(3, [20, 24], fit);
        for (w, h) in [(24, 20), (50, 31), (9, 70), (24, 90), (7, 20)] {
            let image = Image::new(w, h, 3, (0..w * h * 3).map(value).collect());
            let kept = p.kept(striate_imaging::AnyImage::U8(image.clone())).into_bytes();
            assert_eq!(p.scaled(&kept), p.scaled(&image), "{fit:?} {w}×{h}");
            let (a, b) = (p.placement([w, h]), p.placement([kept.width, kept.height]));
            let corner = a.to_input([w as f64, h as f64]);
            let same = b.to_input([kept.width as f64, kept.height as f64]);
            assert!((0..2).all(|i| (corner[i] - same[i]).abs() < 1e-9), "{fit:?} {w}×{h}: {corner:?} {same:?}");
        }
    }
}
