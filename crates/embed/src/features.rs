//! Which features of the runtime a network needs.

use std::collections::BTreeSet;
use striate_graph::{Graph, passes};
use striate_imaging::{Fit, Preprocessing};
use striate_model::ModelCard;
use striate_tensor::{Family, Op};

/// What the manifest says of the features that a program needs for the graph that it stores and the optimized one that it runs, by the places where it stands.
pub fn features(card: &ModelCard, graph: &Graph, half: bool) -> [(&'static str, String); 2] {
    let optimized = passes::optimize(graph.clone());
    let ops = || graph.nodes.iter().chain(&optimized.nodes).map(|node| &node.op);
    let mut families: BTreeSet<Family> = ops().map(Op::family).collect();
    if half {
        families.insert(Family::Conversion);
    }
    // One temperature for each of several labels.
    if card.calibration.as_ref().is_some_and(|calibration| calibration.temperatures.len() > 1) {
        families.insert(Family::Elementwise);
    }
    let mut tensor: BTreeSet<_> =
        families.into_iter().filter_map(|family| family.feature()).map(|(name, _)| name).collect();
    if ops().any(has_groups) {
        tensor.insert("depthwise");
    }
    let Preprocessing { channels, fit, .. } = card.preprocessing;
    let imaging = [("colour", channels > 1), ("deep", fit != Fit::Digit)];
    let imaging = imaging.into_iter().filter(|(_, needed)| *needed).map(|(name, _)| name).collect();
    [("{tensor}", list(&tensor)), ("{imaging}", list(&imaging))]
}

fn list(names: &BTreeSet<&str>) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Whether it has a convolution that may be depthwise.
fn has_groups(op: &Op) -> bool {
    match op {
        Op::Conv2d { options, .. } => options.groups > 1,
        Op::FusedConv2d(fused) => fused.options.groups > 1,
        Op::ConvChain(chain) => chain.iter().any(|fused| fused.options.groups > 1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stored;
    use striate_imaging::Image;
    use striate_model::{Model, Predictor, Training, save_graph};
    use striate_tensor::{Generator, profile};

    fn model(network: &str, channels: usize, side: usize, fit: Fit) -> Model {
        let network = striate_zoo::find(network).unwrap().build(10, &mut Generator::new(1));
        let preprocessing = Preprocessing::new(channels, [side; 2], fit);
        let classes = (0..10).map(|i| i.to_string()).collect();
        let images = [Image::filled(side, side, &vec![90; channels])];
        let card = ModelCard::new("a", classes, preprocessing, Training::elsewhere("a file"), (&*network, &images));
        Model { card, network }
    }

    fn names(model: &Model, half: bool) -> [String; 2] {
        features(&model.card, &stored(model), half).map(|(_, names)| names)
    }

    #[test]
    fn a_network_brings_the_families_of_its_ops() {
        assert_eq!(names(&model("mnist-net", 1, 28, Fit::Digit), false), ["", ""]);
        assert_eq!(names(&model("mnist-net", 1, 28, Fit::Resize), true), ["\"conversion\"", "\"deep\""]);
        let [tensor, imaging] = names(&model("mobilenet-v2", 3, 64, Fit::Resize), false);
        assert_eq!(
            (&tensor[..], &imaging[..]),
            ("\"adaptive-pooling\", \"depthwise\", \"elementwise\"", "\"colour\", \"deep\"")
        );
    }

    #[test]
    fn what_runs_is_what_the_features_were_chosen_by() {
        for name in
            ["mnist-net", "mobilenet-v3-small", "shufflenet-v2-x1-0", "convnext-tiny", "densenet121", "regnet-y-400mf"]
        {
            let (channels, side) = if name == "mnist-net" { (1, 28) } else { (3, 64) };
            let model = model(name, channels, side, Fit::Resize);
            let graph = stored(&model);
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("model.safetensors");
            save_graph(&file, &model.card, &graph).unwrap();
            let bytes = std::fs::read(&file).unwrap();
            let optimized = passes::optimize(graph.clone());
            let mut known: BTreeSet<&str> =
                graph.nodes.iter().chain(&optimized.nodes).map(|node| node.op.name()).collect();
            // Of families that every program has.
            known.extend(["reshape", "narrow", "permute", "expand", "softmax", "is_finite"]);

            profile::start();
            let predictor = Predictor::from_bytes(&bytes, name).unwrap();
            let image = dir.path().join("image.png");
            Image::filled(100, 70, &vec![90; channels]).write_png(&image).unwrap();
            predictor.classify(&std::fs::read(&image).unwrap(), "image").unwrap();
            let ran = profile::stop().ops;
            assert!(!ran.is_empty());
            for op in ran {
                assert!(known.contains(op.op), "{name}: {}", op.op);
            }
        }
    }
}
