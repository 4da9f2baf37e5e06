//! Explanations against Captum and pytorch-grad-cam: fixture by `scripts/make_explanations.py`.

use super::gradients::{self, Between};
use super::*;
use std::collections::BTreeMap;
use std::path::Path;
use striate_formats::safetensors;
use striate_imaging::{Fit, Preprocessing};
use striate_model::{Suppression, Training};
use striate_nn::{
    AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Flatten, Forward, Linear, MaxPool2d, Module, Pass, ReLU,
    Sequential, Sigmoid, StateDict, load_state_dict,
};
use striate_tensor::Generator;

type Tensors = BTreeMap<String, Tensor>;

const CLASSES: usize = 4;

fn fixture() -> Tensors {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/explanations.safetensors");
    safetensors::read(&path).unwrap().tensors.into_iter().collect()
}

pub(crate) fn card(task: TaskCard) -> ModelCard {
    let classes = (0..CLASSES).map(|i| format!("class {i}")).collect();
    let preprocessing = Preprocessing::new(3, [19, 22], Fit::Resize);
    let empty = Sequential::new();
    ModelCard::new("graph", classes, preprocessing, Training::elsewhere("test"), (&empty, &[])).for_task(task)
}

fn explainer(mut network: Sequential, prefix: &str, task: TaskCard, tensors: &Tensors) -> Explainer {
    let own = tensors.iter().filter_map(|(name, t)| Some((name.strip_prefix(prefix)?.to_string(), t.clone())));
    load_state_dict(&mut network, &own.collect::<StateDict>()).unwrap();
    Explainer::new(&Model { card: card(task), network: Box::new(network) })
}

fn classifier(tensors: &Tensors) -> Explainer {
    classifier_with(MaxPool2d::new(2), tensors)
}

fn classifier_with(pool: impl Forward + 'static, tensors: &Tensors) -> Explainer {
    let rng = &mut Generator::new(0);
    let network = Sequential::new()
        .add(Conv2d::options(3, 6, 3).padding(1).build(rng))
        .add(BatchNorm2d::new(6))
        .add(ReLU)
        .add(pool)
        .add(Conv2d::options(6, 8, 3).padding(1).build(rng))
        .add(Sigmoid)
        .add(Conv2d::new(8, 10, 3, rng))
        .add(ReLU)
        .add(AdaptiveAvgPool2d::new([2, 3]))
        .add(Flatten::default())
        .add(Linear::new(60, 16, rng))
        .add(ReLU)
        .add(Linear::new(16, CLASSES, rng));
    explainer(network, "classifier/", TaskCard::Classification, tensors)
}

fn segmenter(tensors: &Tensors) -> Explainer {
    let rng = &mut Generator::new(0);
    let network = Sequential::new()
        .add(Conv2d::options(3, 8, 3).padding(1).build(rng))
        .add(ReLU)
        .add(Conv2d::options(8, 8, 3).padding(1).build(rng))
        .add(ReLU)
        .add(Conv2d::new(8, CLASSES, 1, rng));
    let palette = vec![[0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]];
    explainer(network, "segmenter/", TaskCard::Segmentation { palette }, tensors)
}

/// `[n, values, h, w]` as `[n, places, values]`, row by row.
#[derive(Module)]
struct Rows {}

impl Forward for Rows {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.flatten(2, -1).transpose(1, 2)
    }
}

fn detector(tensors: &Tensors) -> Explainer {
    let rng = &mut Generator::new(0);
    let network = Sequential::new()
        .add(Conv2d::options(3, 8, 3).padding(1).build(rng))
        .add(ReLU)
        .add(Conv2d::options(8, 8, 3).stride(2).padding(1).build(rng))
        .add(ReLU)
        .add(Conv2d::new(8, CLASSES + 5, 1, rng))
        .add(Rows {});
    let thresholds = vec![0.05; CLASSES];
    let task = TaskCard::Detection { strides: vec![2], suppression: Suppression::default(), thresholds };
    explainer(network, "detector/", task, tensors)
}

fn ask(explainer: &Explainer, x: &Tensor, class: Option<usize>) -> Question {
    let outputs = explainer.run(x).unwrap();
    let aim = target::aim(&explainer.card, &outputs, class, 0).unwrap();
    Question { target: aim.described(&explainer.card, &outputs).unwrap(), input: x.clone(), aim }
}

/// Within rounding of the largest number.
#[track_caller]
fn close(got: &[f32], expected: &Tensor, what: &str) {
    close_by(2e-5, got, expected, what);
}

#[track_caller]
fn close_by(tolerance: f32, got: &[f32], expected: &Tensor, what: &str) {
    let expected = expected.to_vec::<f32>();
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let worst = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0f32, f32::max);
    assert!(scale > 0.0 && worst <= tolerance * scale, "{what}: off by {worst} of {scale}");
}

#[test]
fn maps_of_layers_are_those_of_pytorch_grad_cam() {
    let fixture = fixture();
    let (explainer, x) = (classifier(&fixture), &fixture["input"]);
    close(&explainer.run(x).unwrap().to_vec::<f32>(), &fixture["output"], "output");
    for class in 0..CLASSES {
        let question = ask(&explainer, x, Some(class));
        for method in [Method::GradCam, Method::GradCamPlusPlus, Method::ScoreCam, Method::LayerCam] {
            for (layer, number) in [("4", 4), ("relu_2", 7)] {
                let options = Options { layer: Some(layer.into()), ..Options::default() };
                let found = explainer.answer(&question, method, &options).unwrap();
                let expected = &fixture[&format!("{method}/{number}/{class}")];
                assert_eq!((found.layer.as_deref(), found.size), (Some(layer), [19, 22]));
                if expected.to_vec::<f32>().iter().all(|&x| x == 0.0) {
                    assert!(found.is_empty, "{method} {layer} {class}");
                } else {
                    close(&found.map, expected, &format!("{method} {layer} {class}"));
                }
            }
        }
    }
}

#[test]
fn attributions_are_those_of_captum() {
    let fixture = fixture();
    let (explainer, x, baseline) = (classifier(&fixture), &fixture["input"], &fixture["baseline"]);
    let network = &explainer.network;
    for class in 0..CLASSES {
        let question = ask(&explainer, x, Some(class));
        for method in [Method::Saliency, Method::GuidedBackprop] {
            let found = explainer.answer(&question, method, &Options::default()).unwrap();
            close(found.attributions.as_deref().unwrap(), &fixture[&format!("{method}/{class}")], method.name());
        }
        let found = gradients::integrated(network, x, baseline, &question.aim, 20);
        close(&found, &fixture[&format!("integrated-gradients/{class}")], "integrated gradients");
        for square in [[5, 3], [7, 7]] {
            let aim = &question.aim;
            let found = occlusion::occlusion(network, explainer.whole(), x, baseline, aim, square).unwrap();
            let [window, stride] = square;
            close(&found, &fixture[&format!("occlusion/{window}/{stride}/{class}")], "occlusion");
        }
    }
}

#[test]
fn deep_lift_is_that_of_captum_and_complete() {
    let fixture = fixture();
    let (x, baseline) = (&fixture["input"], &fixture["baseline"]);
    let explainer = classifier_with(AvgPool2d::new(2), &fixture);
    let found = deep_lift::deep_lift(&explainer.network, x, baseline, &ask(&explainer, x, Some(1)).aim);
    // Quotients of small differences carry their rounding along.
    close_by(1e-4, &found, &fixture["deep-lift/1"], "DeepLIFT");
    for explainer in [explainer, classifier(&fixture)] {
        for class in 0..CLASSES {
            let question = ask(&explainer, x, Some(class));
            let found = explainer.answer(&question, Method::DeepLift, &Options::default()).unwrap();
            let complete = found.completeness.unwrap();
            assert!(complete.error < 1e-3 && complete.steps == 1, "{complete:?}");
        }
    }
}

#[test]
fn random_methods_are_those_of_captum_where_the_noise_is_given() {
    let fixture = fixture();
    let (explainer, x) = (classifier(&fixture), &fixture["input"]);
    let noise = &fixture["smooth-grad/noise"];
    let each = (0..noise.size(0)).map(|i| noise.clone().narrow(0, i, 1));
    let found = gradients::smooth_grad(&explainer.network, x, &ask(&explainer, x, Some(2)).aim, each);
    close(&found, &fixture["smooth-grad/2"], "SmoothGrad");
    let (baselines, alphas) = (&fixture["gradient-shap/baselines"], fixture["gradient-shap/alphas"].to_vec::<f32>());
    let point =
        |(i, &alpha): (usize, &f32)| Between { baseline: baselines.clone().narrow(0, i, 1), alpha: alpha.into() };
    let points: Vec<Between> = alphas.iter().enumerate().map(point).collect();
    let found = gradients::gradient_shap(&explainer.network, x, &ask(&explainer, x, Some(1)).aim, &points);
    close(&found, &fixture["gradient-shap/1"], "gradient SHAP");
}

#[test]
fn the_best_object_of_a_class_is_explained_as_pytorch_grad_cam_does() {
    let fixture = fixture();
    let (explainer, x) = (detector(&fixture), &fixture["input"]);
    for class in 0..CLASSES {
        let question = ask(&explainer, x, Some(class));
        assert!(matches!(question.target.kind, TargetKind::Score { .. }));
        close(&[question.target.value as f32], &fixture[&format!("detection/score/{class}")], "score");
        for method in [Method::GradCam, Method::GradCamPlusPlus, Method::ScoreCam, Method::LayerCam] {
            let options = Options { layer: Some("2".into()), ..Options::default() };
            let found = explainer.answer(&question, method, &options).unwrap();
            close(&found.map, &fixture[&format!("detection/{method}/{class}")], &format!("{method} {class}"));
        }
    }
}

#[test]
fn pixels_of_a_class_are_explained_as_pytorch_grad_cam_does() {
    let fixture = fixture();
    let (explainer, x) = (segmenter(&fixture), &fixture["input"]);
    let mut checked = 0;
    for class in 0..CLASSES {
        for method in [Method::GradCam, Method::GradCamPlusPlus, Method::ScoreCam, Method::LayerCam] {
            let Some(expected) = fixture.get(&format!("segmentation/{method}/{class}")) else { continue };
            let question = ask(&explainer, x, Some(class));
            assert!(matches!(question.target.kind, TargetKind::Pixels { count } if count > 0));
            let options = Options { layer: Some("2".into()), ..Options::default() };
            let found = explainer.answer(&question, method, &options).unwrap();
            close(&found.map, expected, &format!("{method} {class}"));
            checked += 1;
        }
    }
    assert!(checked >= 8, "{checked}");
}
