//! Corruptions against numpy, SciPy and Pillow.

use crate::{numbers, places, read};
use striate_imaging::Image;
use striate_report::robustness::{Corruption, Draw, STRENGTHS};
use striate_tensor::Generator;

/// Random numbers that were drawn before.
struct Drawn {
    normal: std::vec::IntoIter<f64>,
    uniform: std::vec::IntoIter<f64>,
}

impl Draw for Drawn {
    fn uniform(&mut self) -> f64 {
        self.uniform.next().expect("there is a number for each value")
    }
    fn normal(&mut self) -> f64 {
        self.normal.next().expect("there is a number for each value")
    }
}

const MEAN: [u8; 3] = [124, 116, 104];

/// The largest and the mean difference of two images, in grey levels.
fn differences(a: &Image, b: &[u8]) -> (u8, f64) {
    assert_eq!(a.data.len(), b.len());
    let all: Vec<u8> = a.data.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).collect();
    (all.iter().copied().max().unwrap(), all.iter().map(|&d| f64::from(d)).sum::<f64>() / all.len() as f64)
}

#[test]
fn corruptions_are_those_of_their_formulas() {
    for case in read("corruptions.json").as_array().unwrap() {
        let [h, w, c] = places(&case["size"])[..] else { panic!("three sizes") };
        let bytes = |value: &serde_json::Value| numbers(value).into_iter().map(|x| x as u8).collect::<Vec<_>>();
        let image = Image::new(w, h, c, bytes(&case["image"]));
        let mut seen = 0;
        for result in case["results"].as_array().unwrap() {
            let name = result["corruption"].as_str().unwrap();
            let strength = result["strength"].as_u64().unwrap() as usize;
            let corruption = Corruption::ALL.into_iter().find(|c| c.name() == name).unwrap();
            assert_eq!(corruption.parameters()[strength - 1], result["parameter"].as_f64().unwrap(), "{name}");
            let draw = &mut Drawn {
                normal: numbers(&case["normal"]).into_iter(),
                uniform: numbers(&case["uniform"]).into_iter(),
            };
            let found = corruption.apply(&image, strength, &MEAN[..c], draw);
            let (largest, mean) = differences(&found, &bytes(&result["image"]));
            let what = format!("{name} {strength} of {h}×{w}×{c}: {largest} grey levels, {mean} in the mean");
            match corruption {
                // Another encoder and decoder: tables and transforms round otherwise.
                Corruption::Jpeg => assert!(mean < 1.0, "{what}"),
                // Pillow rounds after the rows, and again after the columns.
                Corruption::Pixelation => assert!(largest <= 1, "{what}"),
                Corruption::Occlusion => assert_eq!(largest, 0, "{what}"),
                _ => assert!(largest <= 1 && mean < 0.05, "{what}"),
            }
            seen += 1;
        }
        assert!(seen >= 2 * Corruption::ALL.len());
    }
}

#[test]
fn odd_sizes_and_every_strength() {
    let sizes = [(1, 1), (1, 9), (9, 1), (2, 3), (13, 40)];
    for (n, corruption) in Corruption::ALL.into_iter().enumerate() {
        for ((w, h), c) in sizes.into_iter().flat_map(|size| [(size, 1), (size, 3)]) {
            let image = Image::new(w, h, c, (0..w * h * c).map(|i| (i * 89 % 256) as u8).collect());
            for strength in 1..=STRENGTHS {
                let apply = |seed| {
                    corruption.apply(&image, strength, &MEAN[..c], &mut Generator::keyed([seed, n as u64, 0, 0]))
                };
                let found = apply(1);
                assert_eq!((found.width, found.height, found.channels), (w, h, c), "{corruption:?}");
                assert_eq!(found, apply(1), "{corruption:?}");
            }
        }
    }
    let flat = Image::filled(20, 30, &[77, 77, 77]);
    for corruption in [
        Corruption::GaussianBlur,
        Corruption::MotionBlur,
        Corruption::Contrast,
        Corruption::Rotation,
        Corruption::Scale,
        Corruption::Pixelation,
    ] {
        assert_eq!(corruption.apply(&flat, 5, &MEAN, &mut Generator::new(0)), flat, "{corruption:?} of one colour");
    }
}

#[test]
fn stronger_means_further_from_the_image() {
    let value = |i: usize| {
        let (x, y, c) = (i / 3 % 64, i / 192, i % 3);
        let wave = (x as f64 / 3.1 + c as f64).sin() * (y as f64 / 2.3).cos();
        (110.0 + 80.0 * wave + ((x * 7 + y * 13) % 5 * 8) as f64) as u8
    };
    let image = Image::new(64, 64, 3, (0..64 * 64 * 3).map(value).collect());
    for corruption in Corruption::ALL {
        let mean_of = |strength| {
            let found = corruption.apply(&image, strength, &MEAN, &mut Generator::new(4));
            differences(&found, &image.data).1
        };
        let all: Vec<f64> = (1..=STRENGTHS).map(mean_of).collect();
        assert!(all[0] > 0.5 && all[4] > all[0], "{corruption:?}: {all:?}");
    }
}

/// Lengths are parts of the image: twice as large an image blurs to twice as large a blurred image.
#[test]
fn strengths_are_relative_to_the_size() {
    let at = |side: usize, corruption: Corruption| {
        let value = |i: usize| {
            let (x, y) = ((i % side) as f64 / side as f64, (i / side) as f64 / side as f64);
            (127.0 + 100.0 * (12.0 * x).sin() * (9.0 * y).cos()) as u8
        };
        let image = Image::new(side, side, 1, (0..side * side).map(value).collect());
        let found = corruption.apply(&image, 5, &[127], &mut Generator::new(2));
        differences(&found, &image.data).1
    };
    for corruption in [Corruption::GaussianBlur, Corruption::MotionBlur, Corruption::Pixelation, Corruption::Occlusion]
    {
        let (small, large) = (at(56, corruption), at(448, corruption));
        assert!((small / large - 1.0).abs() < 0.2, "{corruption:?}: {small} {large}");
    }
}
