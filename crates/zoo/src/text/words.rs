//! The table of layers.

use super::layers::{activation, conv, norm, pool, shape};
use super::plan::{Misfit, Planned, Size, Value, Values};
use super::settings::{Fallback, Kind, Setting};
use std::fmt;

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

/// A layer without settings.
const fn bare(
    word: &'static str,
    aliases: &'static [&'static str],
    about: &'static str,
    plan: fn(&Values, Size) -> Result<Planned, Misfit>,
) -> Word {
    Word { word, aliases, about, example: word, settings: &[], plan }
}

const fn pair(n: usize) -> Fallback {
    Fallback::Is(Value::Pair([n, n]))
}

const fn real(x: f64) -> Fallback {
    Fallback::Is(Value::Real(x))
}

const KERNEL: Setting = Setting::number("kernel", Kind::Counts, Fallback::Needed);
const POOL_STRIDE: Setting = Setting::word("stride", Kind::Counts, Fallback::SameAs("kernel"));
const PADDING: Setting = Setting::word("padding", Kind::Sizes, pair(0));
const DILATION: Setting = Setting::word("dilation", Kind::Counts, pair(1));
const NOBIAS: Setting = Setting::flag("nobias");
const EPS: Setting = Setting::word("eps", Kind::Number, real(1e-5));
const NOAFFINE: Setting = Setting::flag("noaffine");
const PADDING_MODES: &[&str] = &["zeros", "reflect", "replicate", "circular"];
const AROUND: &[Setting] = &[Setting::number("padding", Kind::Sizes, Fallback::Needed)];
const SIZE: &[Setting] = &[Setting::number("size", Kind::Counts, Fallback::Needed)];
const P: Setting = Setting::number("p", Kind::Fraction, real(0.5));

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
            Setting::word("paddingmode", Kind::Choice(PADDING_MODES), Fallback::Is(Value::Choice("zeros"))),
        ],
        plan: conv::conv,
    },
    Word {
        word: "convtranspose",
        aliases: &["convtranspose2d"],
        about: "transposed convolution, which enlarges with a stride",
        example: "convtranspose 32 2 stride 2",
        settings: &[
            Setting::number("channels", Kind::Count, Fallback::Needed),
            KERNEL,
            Setting::word("stride", Kind::Counts, pair(1)),
            PADDING,
            Setting::word("outputpadding", Kind::Sizes, pair(0)),
            DILATION,
            Setting::word("groups", Kind::Count, Fallback::Is(Value::Count(1))),
            NOBIAS,
        ],
        plan: conv::convtranspose,
    },
    Word {
        word: "linear",
        aliases: &[],
        about: "fully connected layer on a list of numbers",
        example: "linear 128",
        settings: &[Setting::number("features", Kind::Count, Fallback::Classes), NOBIAS],
        plan: conv::linear,
    },
    Word {
        word: "batchnorm",
        aliases: &["batchnorm1d", "batchnorm2d"],
        about: "batch normalization of each channel",
        example: "batchnorm",
        settings: &[EPS, Setting::word("momentum", Kind::Fraction, real(0.1)), NOAFFINE],
        plan: norm::batchnorm,
    },
    Word {
        word: "groupnorm",
        aliases: &[],
        about: "normalization of each sample's groups of channels",
        example: "groupnorm 8",
        settings: &[Setting::number("groups", Kind::Count, Fallback::Needed), EPS, NOAFFINE],
        plan: norm::groupnorm,
    },
    Word {
        word: "layernorm",
        aliases: &[],
        about: "normalization of each whole sample",
        example: "layernorm",
        settings: &[EPS, NOAFFINE],
        plan: norm::layernorm,
    },
    Word {
        word: "instancenorm",
        aliases: &["instancenorm2d"],
        about: "normalization of each sample's channels",
        example: "instancenorm",
        settings: &[EPS, Setting::flag("affine")],
        plan: norm::instancenorm,
    },
    Word {
        word: "localresponsenorm",
        aliases: &["lrn"],
        about: "division by a power of the neighbouring channels' squares",
        example: "localresponsenorm 5",
        settings: &[
            Setting::number("size", Kind::Count, Fallback::Needed),
            Setting::word("alpha", Kind::Number, real(1e-4)),
            Setting::word("beta", Kind::Number, real(0.75)),
            Setting::word("k", Kind::Number, real(1.0)),
        ],
        plan: norm::localresponsenorm,
    },
    Word {
        word: "maxpool",
        aliases: &["maxpool2d"],
        about: "maximum of each window; `ceil` counts windows that hang over the end",
        example: "maxpool 2",
        settings: &[KERNEL, POOL_STRIDE, PADDING, DILATION, Setting::flag("ceil")],
        plan: pool::maxpool,
    },
    Word {
        word: "avgpool",
        aliases: &["avgpool2d"],
        about: "mean of each window; `excludepad` leaves padding out of the mean",
        example: "avgpool 2",
        settings: &[KERNEL, POOL_STRIDE, PADDING, Setting::flag("ceil"), Setting::flag("excludepad")],
        plan: pool::avgpool,
    },
    Word {
        word: "adaptiveavgpool",
        aliases: &["adaptiveavgpool2d"],
        about: "mean of windows such that the output has this size",
        example: "adaptiveavgpool 1",
        settings: SIZE,
        plan: pool::adaptiveavgpool,
    },
    Word {
        word: "adaptivemaxpool",
        aliases: &["adaptivemaxpool2d"],
        about: "maximum of windows such that the output has this size",
        example: "adaptivemaxpool 1",
        settings: SIZE,
        plan: pool::adaptivemaxpool,
    },
    bare("globalavgpool", &["globalavgpool2d"], "mean of each channel, as a list of numbers", pool::globalavgpool),
    Word {
        word: "dropout",
        aliases: &[],
        about: "zeroes numbers with probability p in training",
        example: "dropout 0.5",
        settings: &[P],
        plan: shape::dropout,
    },
    Word {
        word: "dropout2d",
        aliases: &[],
        about: "zeroes whole channels with probability p in training",
        example: "dropout2d 0.25",
        settings: &[P],
        plan: shape::dropout2d,
    },
    Word {
        word: "stochasticdepth",
        aliases: &["droppath"],
        about: "zeroes whole samples with probability p in training (`batch`: all at once); at the end of a residual part",
        example: "stochasticdepth 0.1",
        settings: &[Setting::number("p", Kind::Fraction, Fallback::Needed), Setting::flag("batch")],
        plan: shape::stochasticdepth,
    },
    Word {
        word: "squeezeexcitation",
        aliases: &["squeezeexcite", "se"],
        about: "scales each channel by what two 1×1 convolutions, with so many channels between, make of all means",
        example: "squeezeexcitation 8",
        settings: &[Setting::number("channels", Kind::Count, Fallback::Needed)],
        plan: shape::squeezeexcitation,
    },
    Word {
        word: "upsample",
        aliases: &[],
        about: "images scale times as large",
        example: "upsample 2 mode bilinear",
        settings: &[
            Setting::number("scale", Kind::Counts, Fallback::Needed),
            Setting::word(
                "mode",
                Kind::Choice(&["nearest", "bilinear", "bicubic"]),
                Fallback::Is(Value::Choice("nearest")),
            ),
            Setting::flag("aligncorners"),
        ],
        plan: shape::upsample,
    },
    Word {
        word: "pixelshuffle",
        aliases: &[],
        about: "channels as pixels: factor² channels become one whose sides are factor times as long",
        example: "pixelshuffle 2",
        settings: &[Setting::number("factor", Kind::Count, Fallback::Needed)],
        plan: shape::pixelshuffle,
    },
    Word {
        word: "zeropad",
        aliases: &["zeropad2d"],
        about: "zeros around the image",
        example: "zeropad 1",
        settings: AROUND,
        plan: shape::zeropad,
    },
    Word {
        word: "reflectionpad",
        aliases: &["reflectionpad2d"],
        about: "the image mirrored at its outermost pixels",
        example: "reflectionpad 1",
        settings: AROUND,
        plan: shape::reflectionpad,
    },
    Word {
        word: "replicationpad",
        aliases: &["replicationpad2d"],
        about: "the outermost pixels repeated",
        example: "replicationpad 1",
        settings: AROUND,
        plan: shape::replicationpad,
    },
    Word {
        word: "circularpad",
        aliases: &["circularpad2d"],
        about: "the image again, from its other side",
        example: "circularpad 1",
        settings: AROUND,
        plan: shape::circularpad,
    },
    bare("flatten", &[], "an image as a list of numbers", shape::flatten),
    bare("identity", &[], "nothing", shape::identity),
    bare("relu", &[], "max(x, 0)", activation::relu),
    Word {
        word: "leakyrelu",
        aliases: &[],
        about: "x where positive, else slope · x",
        example: "leakyrelu 0.1",
        settings: &[Setting::number("slope", Kind::Number, real(0.01))],
        plan: activation::leakyrelu,
    },
    Word {
        word: "prelu",
        aliases: &[],
        about: "x where positive, else a learned multiple of it (`perchannel`: one for each channel)",
        example: "prelu",
        settings: &[Setting::flag("perchannel")],
        plan: activation::prelu,
    },
    bare("relu6", &[], "min(max(x, 0), 6)", activation::relu6),
    Word {
        word: "elu",
        aliases: &[],
        about: "x where positive, else alpha · (eˣ − 1)",
        example: "elu",
        settings: &[Setting::number("alpha", Kind::Number, real(1.0))],
        plan: activation::elu,
    },
    Word {
        word: "gelu",
        aliases: &[],
        about: "x · Φ(x) with the normal distribution Φ, or `tanh` in its place",
        example: "gelu",
        settings: &[Setting::flag("tanh")],
        plan: activation::gelu,
    },
    bare("silu", &["swish"], "x / (1 + e⁻ˣ)", activation::silu),
    bare("mish", &[], "x · tanh(ln(1 + eˣ))", activation::mish),
    Word {
        word: "softplus",
        aliases: &[],
        about: "ln(1 + e^(beta · x)) / beta, and x itself where beta · x is above the threshold",
        example: "softplus",
        settings: &[
            Setting::word("beta", Kind::Number, real(1.0)),
            Setting::word("threshold", Kind::Number, real(20.0)),
        ],
        plan: activation::softplus,
    },
    bare("hardswish", &[], "x · min(max(x + 3, 0), 6) / 6", activation::hardswish),
    bare("hardsigmoid", &[], "min(max(x + 3, 0), 6) / 6", activation::hardsigmoid),
    Word {
        word: "hardtanh",
        aliases: &[],
        about: "the nearest number from min to max",
        example: "hardtanh",
        settings: &[Setting::word("min", Kind::Number, real(-1.0)), Setting::word("max", Kind::Number, real(1.0))],
        plan: activation::hardtanh,
    },
    bare("tanh", &[], "hyperbolic tangent", activation::tanh),
    bare("sigmoid", &[], "1 / (1 + e⁻ˣ)", activation::sigmoid),
    bare(
        "softmax",
        &[],
        "probabilities over the channels or numbers; not at the end, for the loss takes logits",
        activation::softmax,
    ),
    bare("logsoftmax", &[], "their logarithms", activation::logsoftmax),
];
