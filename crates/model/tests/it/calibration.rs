//! Model files that hold a calibration.

use std::fs;
use std::path::Path;
use striate_imaging::{Fit, Image, Preprocessing};
use striate_model::{
    Calibration, ConformalMethod, ConformalScores, EvalSplit, Fingerprints, FittedOn, Model, ModelCard, Predictor,
    TaskCard, Training, save, save_calibration,
};
use striate_nn::{Flatten, Linear, Sequential};
use striate_tensor::{Generator, Tensor};

const CLASSES: usize = 3;

fn calibration(temperatures: &[f64]) -> Calibration {
    let scores = |method| ConformalScores::of(method, (0..40).map(|i| f64::from(i) / 40.0).collect());
    Calibration {
        temperatures: temperatures.to_vec(),
        conformal: ConformalMethod::ALL.map(scores).to_vec(),
        fitted_on: FittedOn {
            data: "photos".into(),
            images: 40,
            split: EvalSplit::Test,
            fingerprints: Fingerprints::of([1, 2, 3]),
        },
    }
}

/// A file of a small network that a text describes.
fn write(path: &Path) {
    let network = Sequential::new().add(Flatten::default()).add(Linear::new(64, CLASSES, &mut Generator::new(1)));
    let preprocessing = Preprocessing { light_on_dark: false, ..Preprocessing::new(1, [8, 8], Fit::Resize) };
    let image = Image { width: 8, height: 8, channels: 1, data: (0..64).map(|i| i * 4).collect() };
    let classes = (0..CLASSES).map(|c| format!("class {c}")).collect();
    let training = Training::elsewhere("a test");
    let card = ModelCard::new("flatten, linear", classes, preprocessing, training, (&network, &[image]));
    save(path, &card, &network).unwrap();
}

/// The bytes after the header.
fn weights(path: &Path) -> Vec<u8> {
    let file = fs::read(path).unwrap();
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    file[8 + header..].to_vec()
}

fn images() -> Tensor {
    Tensor::from_vec((0..128).map(|i| (i % 17) as f32 / 8.0 - 1.0).collect(), [2, 1, 8, 8])
}

#[test]
fn a_calibration_changes_probabilities_and_no_weight() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, calibrated) = (dir.path().join("plain.safetensors"), dir.path().join("calibrated.safetensors"));
    write(&plain);
    let before = fs::read(&plain).unwrap();
    save_calibration(&plain, &calibrated, Some(&calibration(&[2.5]))).unwrap();
    assert_eq!(fs::read(&plain).unwrap(), before);
    assert_eq!(weights(&plain), weights(&calibrated));
    let (a, b) = (Predictor::load(&plain).unwrap(), Predictor::load(&calibrated).unwrap());
    assert_eq!(b.card.calibration, Some(calibration(&[2.5])));
    assert_eq!(ModelCard { calibration: None, ..b.card.clone() }, a.card);
    assert_eq!(a.logits(images()).to_vec::<f32>(), b.logits(images()).to_vec::<f32>());
    let want = (a.logits(images()) * (1.0 / 2.5)).softmax(1).to_vec::<f32>();
    let got = b.answers(images()).unwrap().to_vec::<f32>();
    assert!(want.iter().zip(&got).all(|(a, b)| (a - b).abs() < 1e-6), "{want:?} {got:?}");
    assert_ne!(got, a.answers(images()).unwrap().to_vec::<f32>());
    // Over itself, and away again.
    save_calibration(&calibrated, &calibrated, Some(&calibration(&[0.5]))).unwrap();
    assert_eq!(Model::load(&calibrated).unwrap().card.calibration.unwrap().temperatures, [0.5]);
    save_calibration(&calibrated, &calibrated, None).unwrap();
    assert_eq!(Model::load(&calibrated).unwrap().card, a.card);
    assert_eq!(weights(&plain), weights(&calibrated));
}

#[test]
fn a_calibration_that_does_not_fit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(&path);
    let before = fs::read(&path).unwrap();
    for temperatures in [&[][..], &[1.0, 2.0], &[-1.0], &[f64::INFINITY]] {
        let error = save_calibration(&path, &path, Some(&calibration(temperatures))).unwrap_err().to_string();
        assert!(error.contains("model.safetensors") && error.contains("calibration"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    let none = dir.path().join("none.safetensors");
    assert!(save_calibration(&none, &none, None).is_err() && !none.exists());
}

#[test]
fn the_features_are_what_the_last_layer_takes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(&path);
    let model = Predictor::load_with_features(&path).unwrap();
    let (logits, features) = model.try_logits_and_features(images()).unwrap();
    assert_eq!(features.unwrap().to_vec::<f32>(), images().to_vec::<f32>());
    let plain = Predictor::load(&path).unwrap();
    let (same, none) = plain.try_logits_and_features(images()).unwrap();
    assert!(none.is_none() && same.to_vec::<f32>() == logits.to_vec::<f32>());
    assert_eq!(model.logits(images()).to_vec::<f32>(), logits.to_vec::<f32>());
}

#[test]
fn labels_have_a_temperature_each() {
    let card = |temperatures: &[f64]| {
        let mut card = {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("model.safetensors");
            write(&path);
            Model::load(&path).unwrap().card
        };
        card.task = TaskCard::MultiLabel { thresholds: vec![0.5; CLASSES] };
        card.calibration = Some(Calibration { conformal: Vec::new(), ..calibration(temperatures) });
        card
    };
    let logits = Tensor::from_vec(vec![2.0f32, 2.0, -3.0], [1, 3]);
    let got = card(&[1.0, 4.0, 0.5]).answers(logits).to_vec::<f32>();
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    for (got, want) in got.iter().zip([sigmoid(2.0), sigmoid(0.5), sigmoid(-6.0)]) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}

#[cfg(feature = "onnx")]
#[test]
fn onnx_files_carry_the_calibration() {
    use striate_model::{OnnxImport, export_onnx, import_onnx};
    use striate_nn::Pass;
    use striate_onnx::{ExportOptions, Network};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    write(&path);
    save_calibration(&path, &path, Some(&calibration(&[2.5]))).unwrap();
    let model = Model::load(&path).unwrap();
    for softmax in [false, true] {
        let file = dir.path().join(format!("{softmax}.onnx"));
        export_onnx(&model, &file, &ExportOptions { softmax, ..ExportOptions::default() }).unwrap();
        assert_eq!(striate_onnx::Model::read(&file).unwrap().metadata("temperature"), Some("2.5"));
        let got = Network::read(&file).unwrap().run(vec![images()], &Pass::eval()).unwrap().swap_remove(0);
        let logits = model.network.forward(images(), &Pass::eval());
        let want = if softmax { (logits * (1.0 / 2.5)).softmax(1) } else { logits };
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(got.to_vec::<f32>().iter().zip(&want.to_vec::<f32>()).all(near), "{softmax}");
        let back = import_onnx(&file, &OnnxImport::default()).unwrap().card.calibration.unwrap();
        // The scores before a softmax are divided already.
        assert_eq!(back.temperatures, [if softmax { 1.0 } else { 2.5 }]);
        assert_eq!(back.conformal, calibration(&[2.5]).conformal);
        assert!(back.fitted_on.fingerprints.is_empty() && back.fitted_on.data.is_empty());
    }
}
