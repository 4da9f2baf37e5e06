//! Settings of some parameters' own.

use crate::module::Module;
use striate_tensor::Tensor;

/// Settings that some parameters have of their own. What is not set stays as the optimizer has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ParamGroup {
    /// What the learning rate is multiplied with.
    pub lr_scale: Option<f64>,
    /// The weight decay.
    pub weight_decay: Option<f64>,
    /// Whether the parameters stay as they are. Their gradients are computed all the same.
    pub frozen: Option<bool>,
}

impl ParamGroup {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this times the learning rate.
    pub fn lr_scale(mut self, lr_scale: f64) -> Self {
        self.lr_scale = Some(lr_scale);
        self
    }

    /// With another weight decay.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = Some(weight_decay);
        self
    }

    /// Frozen, or not.
    pub fn frozen(mut self, frozen: bool) -> Self {
        self.frozen = Some(frozen);
        self
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Which {
    Named(String),
    BiasesAndNorms,
}

impl Which {
    fn holds(&self, name: &str, value: &Tensor) -> bool {
        match self {
            Which::Named(pattern) => matches(pattern, name),
            Which::BiasesAndNorms => value.rank() <= 1 || name == "bias" || name.ends_with(".bias"),
        }
    }
}

/// Which parameters have settings of their own, by rules. Where several rules hold for a parameter, each setting is the last rule's that
/// has it.
///
/// ```
/// use striate_nn::optim::{ParamGroup, ParamGroups};
/// let groups = ParamGroups::new()
///     .no_decay_on_biases_and_norms()
///     .add("backbone.*", ParamGroup::new().lr_scale(0.1))
///     .add("backbone.conv1.*", ParamGroup::new().frozen(true));
/// # let _ = groups;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParamGroups {
    rules: Vec<(Which, ParamGroup)>,
}

impl ParamGroups {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a rule for the parameters whose name matches `pattern`, where `*` stands for any characters, `?` for one.
    pub fn add(mut self, pattern: &str, group: ParamGroup) -> Self {
        self.rules.push((Which::Named(pattern.to_string()), group));
        self
    }

    /// Without weight decay of biases and of the scales of normalization layers: of what has one dimension or is called `bias`.
    pub fn no_decay_on_biases_and_norms(mut self) -> Self {
        self.rules.push((Which::BiasesAndNorms, ParamGroup::new().weight_decay(0.0)));
        self
    }

    /// The settings of a parameter's own.
    pub fn settings(&self, name: &str, value: &Tensor) -> ParamGroup {
        let mut own = ParamGroup::new();
        for (_, group) in self.rules.iter().filter(|(which, _)| which.holds(name, value)) {
            own.lr_scale = group.lr_scale.or(own.lr_scale);
            own.weight_decay = group.weight_decay.or(own.weight_decay);
            own.frozen = group.frozen.or(own.frozen);
        }
        own
    }

    /// The patterns that match no parameter of `model`, which are hardly meant.
    pub fn unmatched(&self, model: &dyn Module) -> Vec<&str> {
        let parameters = model.named_parameters();
        let named = self.rules.iter().filter_map(|(which, _)| match which {
            Which::Named(pattern) => Some(pattern.as_str()),
            Which::BiasesAndNorms => None,
        });
        named.filter(|pattern| !parameters.iter().any(|(name, _)| matches(pattern, name))).collect()
    }
}

/// Whether all of `name` matches `pattern`, where `*` stands for any characters, `?` for one.
fn matches(pattern: &str, name: &str) -> bool {
    // Most patterns are the beginning of a name, and every step asks for each of them.
    if let Some(start) = pattern.strip_suffix('*')
        && !start.contains(['*', '?'])
    {
        return name.starts_with(start);
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star turns out not to match.
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n + 1));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => (p, n) = (p + 1, n + 1),
            _ => match retry {
                Some((after, next)) => {
                    retry = Some((after, next + 1));
                    (p, n) = (after, next);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::DType;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("conv1.weight", "conv1.weight", true),
            ("conv1", "conv1.weight", false),
            ("conv1.*", "conv1.weight", true),
            ("conv1.*", "conv10.weight", false),
            ("*.bias", "layer1.0.bias", true),
            ("*.bias", "bias", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("l?yer*.0.*s", "layer12.0.bias", true),
            ("*a*b", "xaxxbxab", true),
            ("*a*b", "xaxxbxac", false),
            ("**", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_rule_that_has_a_setting_counts() {
        let (matrix, vector) = (Tensor::zeros([2, 3], DType::F32), Tensor::zeros([3], DType::F32));
        let groups = ParamGroups::new()
            .add("*", ParamGroup::new().lr_scale(0.5).weight_decay(0.1))
            .no_decay_on_biases_and_norms()
            .add("head.*", ParamGroup::new().lr_scale(2.0));
        let plain = ParamGroup::new().lr_scale(0.5).weight_decay(0.1);
        assert_eq!(groups.settings("conv.weight", &matrix), plain);
        assert_eq!(groups.settings("norm.weight", &vector), plain.weight_decay(0.0));
        assert_eq!(groups.settings("norm.bias", &matrix), plain.weight_decay(0.0));
        assert_eq!(groups.settings("head.weight", &matrix), plain.lr_scale(2.0));
        assert_eq!(ParamGroups::new().settings("bias", &vector), ParamGroup::new());
    }
}
