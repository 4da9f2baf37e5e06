//! Learning rates by depth.

use striate_nn::{Module, ParamGroup, ParamGroups};

/// Rules that give the first part of `network` the fraction `first` of the learning rate, the last one all of it, and those between fractions
/// that grow by the same factor from part to part (discriminative fine-tuning; Howard and Ruder, 2018).
pub(crate) fn by_depth(groups: ParamGroups, network: &dyn Module, first: f64) -> ParamGroups {
    let mut parts: Vec<String> = Vec::new();
    for (name, _) in network.named_parameters() {
        let part = part(&name);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let last = parts.len().saturating_sub(1).max(1) as f64;
    parts.iter().enumerate().fold(groups, |groups, (i, part)| {
        let scale = first.powf(1.0 - i as f64 / last);
        groups.add(&format!("{part}.*"), ParamGroup::new().lr_scale(scale))
    })
}

/// The part of a network that a parameter is in: its name up to the first component with a number in it, or without its last component.
fn part(name: &str) -> String {
    let components: Vec<&str> = name.split('.').collect();
    let numbered = components.iter().position(|c| c.contains(|c: char| c.is_ascii_digit()));
    let end = numbered.map_or(components.len() - 1, |at| at + 1).min(components.len() - 1);
    components[..end.max(1)].join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    #[test]
    fn parts_are_blocks_and_layers() {
        for (name, expected) in [
            ("conv1.weight", "conv1"),
            ("layer1.0.bn1.weight", "layer1"),
            ("_blocks.12._bn0.bias", "_blocks.12"),
            ("features.denseblock2.denselayer1.conv1.weight", "features.denseblock2"),
            ("_conv_stem.weight", "_conv_stem"),
            ("fc.bias", "fc"),
            ("3.body.0.weight", "3"),
            ("weight", "weight"),
        ] {
            assert_eq!(part(name), expected, "{name}");
        }
    }

    #[test]
    fn rates_grow_from_the_first_layer_to_the_head() {
        for name in ["resnet18", "efficientnet-lite0", "mobilenet-v2", "lenet"] {
            let network = striate_zoo::find(name).unwrap().build(5, &mut Generator::blank());
            let groups = by_depth(ParamGroups::new(), &network, 0.01);
            let scales: Vec<f64> = network
                .named_parameters()
                .iter()
                .map(|(name, p)| groups.settings(name, p.value()).lr_scale.unwrap_or_else(|| panic!("{name}")))
                .collect();
            assert!(scales.is_sorted() && (scales[0] - 0.01).abs() < 1e-12, "{name}: {scales:?}");
            assert!((scales[scales.len() - 1] - 1.0).abs() < 1e-12, "{name}");
        }
    }
}
