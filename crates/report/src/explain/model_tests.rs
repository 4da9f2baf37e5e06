//! Explanations of models of every task and kind of network.

use super::*;
use striate_graph::{GraphModule, capture};
use striate_imaging::{Fit, Image, Preprocessing};
use striate_model::{Suppression, Training};
use striate_nn::{Conv2d, Flatten, Forward, Linear, Pass, ReLU, Sequential};
use striate_tensor::{DType, Generator};
use striate_zoo::Description;

fn model(network: Box<dyn Forward>, shape: [usize; 3], classes: usize, task: TaskCard) -> Model {
    let [channels, height, width] = shape;
    let preprocessing = Preprocessing::new(channels, [height, width], Fit::Resize);
    let names = (0..classes).map(|i| format!("class {i}")).collect();
    let empty = Sequential::new();
    let card = ModelCard::new("graph", names, preprocessing, Training::elsewhere("test"), (&empty, &[])).for_task(task);
    Model { card, network }
}

fn described(text: &str, shape: [usize; 3], classes: usize, task: TaskCard) -> Model {
    let blueprint = Description::of(text).unwrap().blueprint(shape, classes).unwrap();
    model(blueprint.build(&mut Generator::new(3)), shape, classes, task)
}

fn photo(width: usize, height: usize, channels: usize) -> AnyImage {
    let rng = &mut Generator::new(5);
    let data = (0..width * height * channels).map(|_| rng.below(256) as u8).collect();
    AnyImage::U8(Image::new(width, height, channels, data))
}

/// The gradient by the network itself, op by op, without a graph.
fn own_gradient(model: &Model, explainer: &Explainer, question: &Question) -> Vec<f32> {
    assert_eq!(explainer.card.classes, model.card.classes);
    let x = question.input.clone().requires_grad();
    let value = question.aim.values(model.network.forward(x.clone(), &Pass::eval())).sum_all();
    value.backward().get(&x).unwrap().to_vec()
}

/// Within five thousandths of their length: where a ReLU is at its bend, rounding decides about single numbers.
fn close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let length = |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let scale = length(&mut expected.iter().copied());
    let off = length(&mut got.iter().zip(expected).map(|(a, b)| a - b));
    assert!(scale > 0.0 && off <= 5e-3 * scale, "{what}: off by {off} of {scale}");
}

#[test]
fn gradients_by_the_graph_are_those_of_the_network() {
    let palette = vec![[0; 3]; 3];
    let strides = vec![8, 16, 32];
    let suppression = Suppression { score_threshold: 0.0, ..Suppression::default() };
    let detection = TaskCard::Detection { strides, suppression, thresholds: vec![0.0; 3] };
    let regression = TaskCard::Regression { mean: vec![5.0; 3], std: vec![2.0; 3] };
    for (text, shape, task) in [
        ("resnet18", [3, 64, 64], TaskCard::Classification),
        ("mobilenet-v2", [3, 64, 96], TaskCard::MultiLabel { thresholds: vec![0.5; 3] }),
        ("squeezenet1-1", [3, 64, 64], regression),
        ("densenet121", [3, 64, 64], TaskCard::Classification),
        ("unet 8 2", [3, 32, 48], TaskCard::Segmentation { palette: palette.clone() }),
        ("resnet18 + unet 8", [3, 64, 64], TaskCard::Segmentation { palette }),
        ("resnet18 + fpn 16 3 + fcos 1", [3, 64, 64], detection),
        ("conv 4 3, relu, maxpool 2, flatten, linear", [1, 9, 12], TaskCard::Classification),
    ] {
        let model = described(text, shape, 3, task);
        let explainer = Explainer::new(&model);
        let image = photo(shape[2] + 5, shape[1], if shape[0] == 1 { 3 } else { 1 });
        let question = explainer.ask(&image, &Options::default()).unwrap_or_else(|e| panic!("{text}: {e}"));
        let own = own_gradient(&model, &explainer, &question);
        let found = explainer.answer(&question, Method::Saliency, &Options::default()).unwrap();
        let absolute: Vec<f32> = own.iter().map(|x| x.abs()).collect();
        close(found.attributions.as_deref().unwrap(), &absolute, text);
        // What is asked in one pass is what is asked first and answered then.
        let layer = explainer.default_layer().unwrap_or_else(|| panic!("{text} has no map")).clone();
        let [map, asked] = [
            explainer.explain(&image, Method::GradCam, &Options::default()).unwrap(),
            explainer.answer(&question, Method::GradCam, &Options::default()).unwrap(),
        ];
        assert_eq!(map.map, asked.map, "{text}");
        assert!((map.target.value - question.target.value).abs() <= 1e-3 * map.target.value.abs().max(1.0), "{text}");
        assert_eq!((map.layer.as_deref(), map.size), (Some(layer.name.as_str()), [shape[1], shape[2]]), "{text}");
        assert!(!map.is_empty || text.contains("fcos"), "{text}: {}", layer.name);
        // Every layer can be explained by, whatever it is.
        for layer in explainer.layers().iter().filter(|layer| layer.shape.len() == 3).step_by(7) {
            let options = Options { layer: Some(layer.name.clone()), ..Options::default() };
            let found = explainer.explain(&image, Method::LayerCam, &options);
            assert_eq!(found.unwrap_or_else(|e| panic!("{text} {}: {e}", layer.name)).map.len(), shape[1] * shape[2]);
        }
        let drawn = overlay(&map, &image, &explainer.card.preprocessing);
        assert_eq!((drawn.width % image.width(), drawn.height % image.height()), (0, 0), "{text}");
    }
}

#[test]
fn layers_have_the_names_of_pytorch() {
    let model = described("resnet18", [3, 64, 64], 3, TaskCard::Classification);
    let explainer = Explainer::new(&model);
    let shape = |name: &str| explainer.layer(name).unwrap_or_else(|e| panic!("{e}")).shape.clone();
    assert_eq!(shape("layer4"), [512, 2, 2]);
    assert_eq!(shape("layer4.1"), shape("layer4"));
    assert_eq!((shape("layer1.0.conv2"), shape("fc"), shape("conv1")), (vec![64, 16, 16], vec![3], vec![64, 32, 32]));
    assert_eq!(explainer.default_layer().unwrap().name, "layer4");
    let mut names: Vec<&str> = explainer.layers().iter().map(|layer| layer.name.as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "no two layers have one name");
    let error = explainer.layer("layer5").unwrap_err().to_string();
    assert!(error.starts_with("the network has no layer 'layer5'; the nearest names first, it has layer"), "{error}");
    // The layers of a backbone are there in a detector, too, and its end is the default.
    let task = TaskCard::Segmentation { palette: vec![[0; 3]; 3] };
    let explainer = Explainer::new(&described("resnet18 + unet 8", [3, 64, 64], 3, task));
    assert!(explainer.default_layer().unwrap().name.ends_with("layer4"), "{:?}", explainer.default_layer());
}

#[test]
fn a_network_and_its_graph_are_explained_alike() {
    let own = described("mobilenet-v2", [3, 64, 64], 5, TaskCard::Classification);
    let graph = capture(&*own.network, &[1, 3, 64, 64]);
    let stored = Model { card: own.card.clone(), network: Box::new(GraphModule::new(graph)) };
    let (own, stored, image) = (Explainer::new(&own), Explainer::new(&stored), photo(64, 64, 3));
    assert_eq!(stored.default_layer().map(|layer| layer.shape.clone()), Some(vec![1280, 2, 2]));
    assert_eq!(stored.layer("features.3.conv.2").unwrap().shape, own.layer("features.3.conv.2").unwrap().shape);
    for method in [Method::GradCam, Method::GuidedBackprop, Method::Occlusion] {
        let [a, b] = [&own, &stored].map(|e| e.explain(&image, method, &Options::default()).unwrap());
        close(&a.map, &b.map, method.name());
    }
}

#[test]
fn the_best_object_is_explained_and_every_other_can_be() {
    let strides = vec![8, 16, 32];
    let suppression = Suppression { score_threshold: 0.0, ..Suppression::default() };
    let task = TaskCard::Detection { strides, suppression, thresholds: vec![0.0; 3] };
    let explainer = Explainer::new(&described("resnet18 + fpn 16 3 + fcos 1", [3, 64, 64], 3, task));
    let (image, options) = (photo(64, 64, 3), Options::default());
    let outputs = explainer.run(&explainer.ask(&image, &options).unwrap().input).unwrap();
    let found = explainer.card.task.detections(&outputs, [64, 64]).swap_remove(0);
    for object in [0, 1, found.len() - 1] {
        let question = explainer.ask(&image, &Options { object, ..Options::default() }).unwrap();
        let (target, wanted) = (&question.target, &found[object]);
        assert!((target.value - f64::from(wanted.score)).abs() < 1e-5, "{object}: {target:?} {wanted:?}");
        assert!(matches!(target.kind, TargetKind::Score { bbox } if bbox == wanted.bbox), "{target:?} {wanted:?}");
    }
    let none = explainer.ask(&image, &Options { object: found.len(), ..Options::default() }).err().unwrap().to_string();
    assert!(none.contains(&format!("finds {} objects", found.len())), "{none}");
}

/// A network that says how bright the left upper quarter of the image is.
fn corner() -> Model {
    let mut network = Sequential::new()
        .add(Conv2d::new(1, 1, 1, &mut Generator::new(0)))
        .add(ReLU)
        .add(Flatten::default())
        .add(Linear::new(256, 2, &mut Generator::new(0)));
    let weight = (0..512).map(|i| if i < 256 && i / 16 < 8 && i % 16 < 8 { 0.2f32 } else { 0.0 }).collect();
    let state = striate_nn::StateDict::from([
        ("0.weight".to_string(), Tensor::ones([1, 1, 1, 1], DType::F32)),
        ("0.bias".to_string(), Tensor::zeros([1], DType::F32)),
        ("3.weight".to_string(), Tensor::from_vec(weight, [2, 256])),
        ("3.bias".to_string(), Tensor::from_vec(vec![-3.0f32, 0.0], [2])),
    ]);
    striate_nn::load_state_dict(&mut network, &state).unwrap();
    let mut model = model(Box::new(network), [1, 16, 16], 2, TaskCard::Classification);
    model.card.preprocessing.light_on_dark = false;
    model
}

#[test]
fn good_maps_pass_and_bad_ones_are_called_so() {
    let explainer = Explainer::new(&corner());
    let image = AnyImage::U8(Image::new(16, 16, 1, vec![200; 256]));
    let options = Options { class: Some(0), ..Options::default() };
    let question = explainer.ask(&image, &options).unwrap();
    let good = explainer.answer(&question, Method::IntegratedGradients, &options).unwrap();
    assert!(good.completeness.as_ref().unwrap().complete);
    let with = |map: fn(usize) -> f32| Explanation {
        map: (0..256).map(map).collect(),
        is_empty: (0..256).all(|i| map(i) == 0.0),
        ..good.clone()
    };
    let wrong = with(|i| if i / 16 < 8 && i % 16 < 8 { 0.0 } else { 1.0 });
    let scores = explainer.score(&question, &[good.clone(), wrong, with(|_| 0.0)], &options).unwrap();
    let [of_good, of_wrong, of_empty] = &scores[..] else { unreachable!() };
    assert_eq!(of_good.verdict, Verdict::Passed, "{of_good:?}");
    let faithful = of_good.faithfulness.as_ref().unwrap();
    assert!(faithful.p_value == 0.05 && faithful.difference > faithful.random_mean, "{faithful:?}");
    assert_eq!((faithful.deletion.fractions[0], *faithful.deletion.fractions.last().unwrap()), (0.0, 1.0));
    assert!((faithful.deletion.values[0] - question.target.probability.unwrap()).abs() < 1e-6);
    assert_eq!(of_wrong.verdict, Verdict::NoBetterThanRandom, "{of_wrong:?}");
    assert_eq!(of_empty.verdict, Verdict::Empty);
    assert_eq!(of_empty.randomization.all, None);
    // The same numbers again.
    assert_eq!(explainer.score(&question, &[good], &options).unwrap()[0], scores[0]);
}

#[test]
fn a_map_of_the_image_alone_is_called_so() {
    let explainer = Explainer::new(&corner());
    let options = Options { class: Some(0), ..Options::default() };
    let question = explainer.ask(&photo(16, 16, 1), &options).unwrap();
    let found = explainer.answer(&question, Method::Saliency, &options).unwrap();
    let randomization = |all: f64, top: f64| Randomization {
        top_layer: None,
        top: Some(top),
        all: Some(all),
        limit: 0.5,
        depends_on_weights: Some(all < 0.5),
        top_limit: 0.9,
        depends_on_class: Some(top < 0.9),
    };
    let faithful =
        explainer.score(&question, std::slice::from_ref(&found), &options).unwrap().swap_remove(0).faithfulness;
    let faithful = faithful.map(|f| Faithfulness { better_than_random: true, ..f });
    let verdict = |all, top| score::verdict(&found, faithful.as_ref(), &randomization(all, top));
    assert_eq!(verdict(0.8, 0.1), Verdict::IndependentOfWeights);
    assert_eq!(verdict(0.1, 0.95), Verdict::IndependentOfClass);
    assert_eq!(verdict(0.1, 0.2), Verdict::Passed);
}

/// The brightness of the image for the first class, and against the second: the weights in any order tell the same pixels apart.
fn brightness() -> Model {
    let mut network = Sequential::new().add(Flatten::default()).add(Linear::new(256, 2, &mut Generator::new(0)));
    let weight = (0..512).map(|i| if i < 256 { 0.02f32 } else { -0.02 }).collect();
    let state = striate_nn::StateDict::from([
        ("1.weight".to_string(), Tensor::from_vec(weight, [2, 256])),
        ("1.bias".to_string(), Tensor::zeros([2], DType::F32)),
    ]);
    striate_nn::load_state_dict(&mut network, &state).unwrap();
    let mut model = model(Box::new(network), [1, 16, 16], 2, TaskCard::Classification);
    model.card.preprocessing.light_on_dark = false;
    model
}

#[test]
fn a_map_that_other_weights_give_too_is_called_so() {
    let explainer = Explainer::new(&brightness());
    let options = Options { class: Some(0), ..Options::default() };
    let question = explainer.ask(&photo(16, 16, 1), &options).unwrap();
    let map = explainer.answer(&question, Method::IntegratedGradients, &options).unwrap();
    let scores = explainer.score(&question, &[map], &options).unwrap();
    let found = &scores[0].randomization;
    assert!(found.all.unwrap() > 0.999, "the map is the image, whatever the weights: {found:?}");
    assert_eq!(found.depends_on_weights, Some(false));
    assert_eq!(scores[0].verdict, Verdict::IndependentOfWeights);
}

#[test]
fn numbers_that_are_none_are_an_error() {
    let network = Sequential::new().add(Flatten::default()).add(Linear::new(4, 2, &mut Generator::new(0)));
    let mut broken = model(Box::new(network), [1, 2, 2], 2, TaskCard::Classification);
    broken.network.visit_mut("", &mut |_, entry| {
        if let striate_nn::EntryMut::Parameter(p) = entry {
            let shape = p.value().shape_value();
            p.set(Tensor::full(f64::NAN, shape, DType::F32));
        }
    });
    let explainer = Explainer::new(&broken);
    let image = photo(2, 2, 1);
    assert_eq!(explainer.explain(&image, Method::Saliency, &Options::default()), Err(ExplainError::NotFinite));
    assert_eq!(explainer.explain(&image, Method::GradCam, &Options::default()), Err(ExplainError::NoMaps));
    for options in [
        Options { steps: 0, ..Options::default() },
        Options { max_steps: 1, ..Options::default() },
        Options { tolerance: f64::NAN, ..Options::default() },
        Options { samples: 0, ..Options::default() },
        Options { noise: -1.0, ..Options::default() },
        Options { stride: Some(0), ..Options::default() },
    ] {
        let error = explainer.explain(&image, Method::Saliency, &options);
        assert!(matches!(error, Err(ExplainError::Option(_))), "{options:?}");
    }
}

#[test]
fn filters_maps_and_features_are_those_of_the_network() {
    let model = described("resnet18", [3, 64, 64], 3, TaskCard::Classification);
    let explainer = Explainer::new(&model);
    let filters = explainer.filters().unwrap();
    assert_eq!((filters.layer.as_str(), filters.count, filters.drawn, filters.size), ("conv1", 64, 64, [7, 7]));
    let image = photo(80, 64, 3);
    let maps = explainer.feature_maps(&image, Some("layer1")).unwrap();
    assert_eq!((maps.count, maps.drawn, maps.size), (64, 64, [16, 16]));
    assert_eq!(maps.image.width, 8 * (32 + 2) + 2);
    let (x, pass) =
        (explainer.card.preprocessing.apply_image(&image).0, Pass::eval().tap(&*model.network, &["layer4"]));
    model.network.forward(x, &pass);
    let own = pass.output("layer4").unwrap().mean(&[2, 3]).to_vec::<f32>();
    close(&explainer.features(&image).unwrap(), &own, "features");
    assert!(explainer.feature_maps(&image, Some("fc")).is_err());
}
