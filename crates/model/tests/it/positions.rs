//! Networks that pick by positions that they compute, as networks of other programs can.

use std::fs;
use striate_graph::{RunError, capture};
use striate_imaging::{Fit, Image, Preprocessing};
use striate_model::{Model, ModelCard, ModelError, Predictor, Training, save_graph};
use striate_nn::{Forward, Module, Parameter, Pass};
use striate_tensor::{DType, Generator, Tensor};

/// Gives a row of its table: the one that the brightest value, from 0 to 1, picks of nine.
#[derive(Module)]
struct Picks {
    table: Parameter,
}

impl Forward for Picks {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let place = (x.flatten(1, -1).max(&[1]) * 9.0).to_dtype(DType::I64);
        pass.parameter(&self.table).index_select(0, &place)
    }
}

const SIDE: usize = 4;

fn image(value: u8) -> Image {
    Image::new(SIDE, SIDE, 1, vec![value; SIDE * SIDE])
}

#[test]
fn a_position_out_of_range_is_an_error_that_names_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let network = Picks { table: Parameter::new(Tensor::randn([4, 2], DType::F32, &mut Generator::new(0))) };
    let preprocessing = Preprocessing { light_on_dark: false, ..Preprocessing::new(1, [SIDE, SIDE], Fit::Resize) };
    let classes = vec!["a".to_string(), "b".to_string()];
    let mut card =
        ModelCard::new("", classes, preprocessing.clone(), Training::elsewhere("test"), (&network, &[image(10)]));
    let graph = capture(&network, &[1, 1, SIDE, SIDE]);
    save_graph(&path, &card, &graph).unwrap();
    let predictor = Predictor::load(&path).unwrap();
    let classified = |value: u8| {
        let file = dir.path().join("x.png");
        image(value).write_png(&file).unwrap();
        predictor.classify(&fs::read(file).unwrap(), "photo.png")
    };
    assert!(classified(100).is_ok());
    let e = classified(255).unwrap_err();
    assert!(matches!(&e, ModelError::Run { cause: RunError::Index { index: 9, size: 4, .. }, .. }), "{e:?}");
    assert!(e.to_string().starts_with("photo.png: the model cannot be run on it: node '"), "{e}");
    let wrong = predictor.try_logits(Tensor::zeros([1, 3, SIDE, SIDE], DType::F32)).unwrap_err();
    assert!(matches!(&wrong, RunError::Inputs(reason) if reason.contains("[1, 3, 4, 4]")), "{wrong}");

    // A damaged file may have any image to test itself.
    card.self_test[0].pixels.fill(255);
    save_graph(&path, &card, &graph).unwrap();
    let loaded = [Predictor::load(&path).map(drop), Model::load(&path).map(drop)];
    for e in loaded.map(|loaded| loaded.unwrap_err().to_string()) {
        assert!(e.contains("m.safetensors: self-test 1 cannot be run: ") && e.contains("out of range"), "{e}");
    }
}

#[cfg(feature = "onnx")]
#[test]
fn a_file_that_cannot_be_run_is_not_imported() {
    use striate_model::{OnnxImport, Prepared, import_onnx};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    let network = Picks { table: Parameter::new(Tensor::zeros([4, 2], DType::F32)) };
    let graph = capture(&network, &[1, 1, SIDE, SIDE]);
    striate_onnx::Model::of_graph(&graph, &Default::default()).unwrap().write(&path).unwrap();
    let preprocessing = Preprocessing::new(1, [SIDE, SIDE], Fit::Resize);
    let asked = OnnxImport { preprocessing: Some(Prepared::Whole(preprocessing)), classes: None };
    let e = import_onnx(&path, &asked).map(drop).unwrap_err().to_string();
    assert!(e.contains("m.onnx cannot be run on noise: ") && e.contains("index 8 is out of range"), "{e}");
}
