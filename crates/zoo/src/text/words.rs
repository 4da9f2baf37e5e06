//! The table of layers.

use super::layers;
use super::settings::{Fallback, Kind, Misfit, Setting, Value, Values};
use super::size::Size;
use std::fmt;
use striate_nn::Forward;
use striate_tensor::Generator;

/// Makes a layer with fresh weights.
pub(super) type Make = Box<dyn Fn(&mut Generator) -> Box<dyn Forward> + Send + Sync>;

/// A layer for an input of a known size.
pub struct Planned {
    /// The size of its output.
    pub output: Size,
    /// How many numbers of it training changes; the largest number if that overflows.
    pub parameters: usize,
    /// Makes it.
    pub make: Make,
}

/// A layer that can be written.
pub struct Word {
    /// Its word in the canonical text.
    pub word: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// What it does, in a line.
    pub about: &'static str,
    /// How it can be written.
    pub example: &'static str,
    /// The numbers and settings that can follow it.
    pub settings: &'static [Setting],
    pub(super) plan: fn(&Values, Size) -> Result<Planned, Misfit>,
}

impl Word {
    /// The entry with this word or alias.
    pub fn find(word: &str) -> Option<&'static Word> {
        WORDS.iter().find(|w| w.word == word || w.aliases.contains(&word))
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Word({})", self.word)
    }
}

const fn pair(n: usize) -> Fallback {
    Fallback::Is(Value::Pair([n, n]))
}

const fn real(x: f64) -> Fallback {
    Fallback::Is(Value::Real(x))
}

const KERNEL: Setting = Setting::number("kernel", Kind::Counts, Fallback::Needed);
const POOL_STRIDE: Setting = Setting::word("stride", Kind::Counts, Fallback::SameAs("kernel"));
const POOL_PADDING: Setting = Setting::word("padding", Kind::Sizes, pair(0));
const DILATION: Setting = Setting::word("dilation", Kind::Counts, pair(1));
const NOBIAS: Setting = Setting::flag("nobias");
const P: Setting = Setting::number("p", Kind::Share, real(0.5));

/// Every layer that can be written. A setting that another one falls back on stands before it.
pub const WORDS: &[Word] = &[
    Word {
        word: "conv",
        aliases: &["conv2d"],
        about: "2-D convolution; without numbers a 1×1 one to the classes",
        example: "conv 32 3",
        settings: &[
            Setting::number("channels", Kind::Count, Fallback::Classes),
            Setting::number("kernel", Kind::Counts, Fallback::NeededBeforeHead(Value::Pair([1, 1]))),
            Setting::word("stride", Kind::Counts, pair(1)),
            Setting::word("padding", Kind::Padding, pair(0)),
            DILATION,
            Setting::word("groups", Kind::Count, Fallback::Is(Value::Count(1))),
            NOBIAS,
        ],
        plan: layers::conv,
    },
    Word {
        word: "linear",
        aliases: &[],
        about: "fully connected layer on a list of numbers",
        example: "linear 128",
        settings: &[Setting::number("features", Kind::Count, Fallback::Classes), NOBIAS],
        plan: layers::linear,
    },
    Word {
        word: "batchnorm",
        aliases: &["batchnorm2d"],
        about: "batch normalization of each channel",
        example: "batchnorm",
        settings: &[
            Setting::word("eps", Kind::Number, real(1e-5)),
            Setting::word("momentum", Kind::Share, real(0.1)),
            Setting::flag("noaffine"),
        ],
        plan: layers::batchnorm,
    },
    Word {
        word: "maxpool",
        aliases: &["maxpool2d"],
        about: "maximum of each window; `ceil` counts windows that hang over the end",
        example: "maxpool 2",
        settings: &[KERNEL, POOL_STRIDE, POOL_PADDING, DILATION, Setting::flag("ceil")],
        plan: layers::maxpool,
    },
    Word {
        word: "avgpool",
        aliases: &["avgpool2d"],
        about: "mean of each window; `excludepad` leaves padding out of the mean",
        example: "avgpool 2",
        settings: &[KERNEL, POOL_STRIDE, POOL_PADDING, Setting::flag("ceil"), Setting::flag("excludepad")],
        plan: layers::avgpool,
    },
    Word {
        word: "adaptiveavgpool",
        aliases: &["adaptiveavgpool2d"],
        about: "mean of windows such that the output has this size",
        example: "adaptiveavgpool 1",
        settings: &[Setting::number("size", Kind::Counts, Fallback::Needed)],
        plan: layers::adaptiveavgpool,
    },
    Word {
        word: "globalavgpool",
        aliases: &["globalavgpool2d"],
        about: "mean of each channel, as a list of numbers",
        example: "globalavgpool",
        settings: &[],
        plan: layers::globalavgpool,
    },
    Word {
        word: "dropout",
        aliases: &[],
        about: "zeroes numbers with probability p in training",
        example: "dropout 0.5",
        settings: &[P],
        plan: layers::dropout,
    },
    Word {
        word: "dropout2d",
        aliases: &[],
        about: "zeroes whole channels with probability p in training",
        example: "dropout2d 0.25",
        settings: &[P],
        plan: layers::dropout2d,
    },
    Word {
        word: "flatten",
        aliases: &[],
        about: "an image as a list of numbers",
        example: "flatten",
        settings: &[],
        plan: layers::flatten,
    },
    Word { word: "relu", aliases: &[], about: "max(x, 0)", example: "relu", settings: &[], plan: layers::relu },
    Word {
        word: "leakyrelu",
        aliases: &[],
        about: "x where positive, else slope · x",
        example: "leakyrelu 0.1",
        settings: &[Setting::number("slope", Kind::Number, real(0.01))],
        plan: layers::leakyrelu,
    },
    Word {
        word: "tanh",
        aliases: &[],
        about: "hyperbolic tangent",
        example: "tanh",
        settings: &[],
        plan: layers::tanh,
    },
    Word {
        word: "sigmoid",
        aliases: &[],
        about: "1 / (1 + e⁻ˣ)",
        example: "sigmoid",
        settings: &[],
        plan: layers::sigmoid,
    },
    Word {
        word: "softmax",
        aliases: &[],
        about: "probabilities over the channels or numbers; not at the end, for the loss takes logits",
        example: "softmax",
        settings: &[],
        plan: layers::softmax,
    },
    Word {
        word: "logsoftmax",
        aliases: &[],
        about: "their logarithms",
        example: "logsoftmax",
        settings: &[],
        plan: layers::logsoftmax,
    },
];
