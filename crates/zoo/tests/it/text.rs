//! Networks as text: what is read, what is refused and how, and that printing and parsing agree.

use proptest::prelude::*;
use proptest::sample::select;
use striate_nn::{Forward, Module, Pass};
use striate_tensor::{DType, Generator, Tensor};
use striate_zoo::text::{Item, Kind, Layer, Net, Span, Value, WORDS, Word, read};

const MNIST: [usize; 3] = [1, 28, 28];

fn built(text: &str, input: [usize; 3], classes: usize) -> Box<dyn Forward> {
    read(text, input, classes).unwrap_or_else(|e| panic!("{}", e.screen())).1.build(&mut Generator::new(0))
}

fn names(net: &dyn Forward) -> Vec<String> {
    net.named_parameters().into_iter().map(|(n, p)| format!("{n} {:?}", p.value().shape())).collect()
}

fn screen(text: &str, input: [usize; 3]) -> String {
    read(text, input, 10).err().unwrap_or_else(|| panic!("'{text}' is accepted")).screen()
}

#[test]
fn the_tutorials_net_is_the_tutorials_net() {
    let text =
        "conv 32 3, relu, conv 64 3, relu, maxpool 2, dropout2d .25, flatten, linear 128, relu, dropout .5, linear";
    let net = built(text, MNIST, 10);
    assert_eq!(net.num_parameters(), 1_199_882);
    let expected = ["0", "2", "7", "10"].iter().flat_map(|l| [format!("{l}.weight"), format!("{l}.bias")]);
    let got: Vec<String> = net.named_parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(got, expected.collect::<Vec<_>>());

    // The same layers in the same order draw the same initial values, and compute the same.
    let ready = striate_zoo::MnistNet::new(10, &mut Generator::new(0));
    let x = Tensor::randn([2, 1, 28, 28], DType::F32, &mut Generator::new(1));
    let values = |net: &dyn Forward| net.forward(x.clone(), &Pass::train(3)).to_vec::<f32>();
    assert_eq!(values(&*net), values(&ready));
}

#[test]
fn texts_print_in_their_canonical_form() {
    for (text, canonical) in [
        ("Conv2d 32 3x3,ReLU", "conv 32 3, relu"),
        ("max_pool2d 2 stride=2 , dropout .25", "maxpool 2 stride 2, dropout 0.25"),
        (
            "conv 64 3 nobias padding same stride 1 groups 32 dilation 2x1",
            "conv 64 3 stride 1 padding same dilation 2x1 groups 32 nobias",
        ),
        ("conv kernel 3", "conv kernel 3"),
        ("conv kernel 3 channels 8", "conv 8 3"),
        ("((relu)), (tanh) x1, (relu, tanh) x2", "relu, tanh, (relu, tanh) x2"),
        ("residual(relu)x3, residual ( tanh , )", "residual(relu) x3, residual(tanh)"),
        ("# a net\n\nconv 8 3 # grey\r\nrelu,\n\tlinear\n", "conv 8 3, relu, linear"),
        ("Upsample scale 2 mode=BILINEAR align_corners", "upsample 2 mode bilinear aligncorners"),
        (
            "conv 4 3 padding 1 padding_mode reflect, SE 2",
            "conv 4 3 padding 1 paddingmode reflect, squeezeexcitation 2",
        ),
        ("leakyrelu 1e-1, batchnorm eps 1e-3 noaffine", "leakyrelu 0.1, batchnorm eps 0.001 noaffine"),
    ] {
        assert_eq!(Net::parse(text).unwrap_or_else(|e| panic!("{}", e.screen())).to_string(), canonical, "{text}");
    }
}

#[test]
fn repeated_layers_are_as_if_written_out() {
    let short = built("(conv 4 3 padding same, relu) x2, globalavgpool, linear", [3, 8, 8], 5);
    let long = built("conv 4 3 padding same, relu, conv 4 3 padding same, relu, globalavgpool, linear", [3, 8, 8], 5);
    assert_eq!(names(&*short), names(&*long));
    assert_eq!(names(&*short)[2], "2.weight [4, 4, 3, 3]");
}

#[test]
fn the_classes_go_to_the_last_layer_with_outputs() {
    for head in [
        "conv, globalavgpool",
        "conv kernel 3, adaptiveavgpool 1, flatten",
        "flatten, linear",
        "conv 7 1, globalavgpool",
    ] {
        let net = built(&format!("conv 6 3 stride 2, relu, {head}"), [2, 9, 9], 7);
        assert_eq!(net.forward(Tensor::zeros([3, 2, 9, 9], DType::F32), &Pass::eval()).shape(), [3, 7], "{head}");
    }
}

#[test]
fn a_residual_part_adds_its_input_or_a_projection() {
    let net = built(
        "residual(conv 3 3 padding same, relu), residual(conv 8 3 stride 2 padding 1 nobias, batchnorm), flatten, residual(linear 5), linear",
        [3, 7, 6],
        4,
    );
    let got: Vec<String> = names(&*net);
    assert_eq!(
        got,
        [
            "0.body.0.weight [3, 3, 3, 3]",
            "0.body.0.bias [3]",
            "1.body.0.weight [8, 3, 3, 3]",
            "1.body.1.weight [8]",
            "1.body.1.bias [8]",
            "1.shortcut.0.weight [8, 3, 1, 1]",
            "1.shortcut.1.weight [8]",
            "1.shortcut.1.bias [8]",
            "3.body.0.weight [5, 96]",
            "3.body.0.bias [5]",
            "3.shortcut.0.weight [5, 96]",
            "4.weight [4, 5]",
            "4.bias [4]",
        ]
    );
    // relu(x) + x, by hand.
    let net = built("residual(relu), globalavgpool, residual(linear 2), linear", [1, 1, 1], 2);
    let weight = |name: &str| {
        net.named_parameters().into_iter().find(|(n, _)| n == name).map(|(_, p)| p.value().to_vec::<f32>()).unwrap()
    };
    let y = net.forward(Tensor::full(3.0, [1, 1, 1, 1], DType::F32), &Pass::eval()).to_vec::<f32>();
    let (w, b, s) = (weight("2.body.0.weight"), weight("2.body.0.bias"), weight("2.shortcut.0.weight"));
    let h: Vec<f32> = (0..2).map(|i| 6.0 * w[i] + b[i] + 6.0 * s[i]).collect();
    let (w, b) = (weight("3.weight"), weight("3.bias"));
    for i in 0..2 {
        assert!((y[i] - (w[2 * i] * h[0] + w[2 * i + 1] * h[1] + b[i])).abs() < 1e-5);
    }
}

#[test]
fn mistakes_are_pointed_at() {
    let cases = [
        (
            "conv 32 3, relu, maxpol 2, flatten, linear",
            "unknown layer 'maxpol': did you mean maxpool?\n\
             \x20 conv 32 3, relu, maxpol 2, flatten, linear\n\
             \x20                  ^^^^^^\n\
             \x20 shapes so far: 1×28×28 → conv 32×26×26 → relu",
        ),
        (
            "conv 32 3, relu, linear",
            "linear needs a list of numbers, but gets 32×26×26 images: put flatten before it\n\
             \x20 conv 32 3, relu, linear\n\
             \x20                  ^^^^^^\n\
             \x20 shapes so far: 1×28×28 → conv 32×26×26 → relu",
        ),
        (
            "flatten, conv 3 3",
            "conv needs images (channels×height×width), but gets a list of 784 numbers: put it before flatten\n\
             \x20 flatten, conv 3 3\n\
             \x20          ^^^^\n\
             \x20 shapes so far: 1×28×28 → flatten 784",
        ),
        (
            "conv 8, flatten, linear",
            "conv needs its kernel, as in conv 32 3\n  conv 8, flatten, linear\n  ^^^^\n  shapes so far: 1×28×28",
        ),
        (
            "flatten, linear, relu, linear",
            "linear needs its features, as in linear 128: only the last linear or conv takes the number of classes without one\n\
             \x20 flatten, linear, relu, linear\n\
             \x20          ^^^^^^\n\
             \x20 shapes so far: 1×28×28 → flatten 784",
        ),
        (
            "maxpool 4, maxpool 4, conv 8 3, flatten, linear",
            "a window of 3×3 does not fit 1×1 images: give conv padding, or shrink the images less before it\n\
             \x20 maxpool 4, maxpool 4, conv 8 3, flatten, linear\n\
             \x20                       ^^^^\n\
             \x20 shapes so far: 1×28×28 → maxpool 1×7×7 → maxpool 1×1×1",
        ),
        (
            "flatten, dropout 5, linear",
            "p of dropout must be a number from 0 to 1\n\
             \x20 flatten, dropout 5, linear\n\
             \x20                  ^\n\
             \x20 shapes so far: 1×28×28 → flatten 784",
        ),
        (
            "conv 8 3 strid 2",
            "conv has no setting 'strid': did you mean stride?\n\
             \x20 conv 8 3 strid 2\n\
             \x20          ^^^^^\n\
             \x20 shapes so far: 1×28×28",
        ),
        (
            "conv 9 3 groups 2",
            "groups must divide the 1 channels that come in and the 9 that go out\n\
             \x20 conv 9 3 groups 2\n\
             \x20                 ^\n\
             \x20 shapes so far: 1×28×28",
        ),
        (
            "conv 9 3 stride 2 padding same",
            "padding same keeps the size, which takes stride 1: with a stride write padding 1\n\
             \x20 conv 9 3 stride 2 padding same\n\
             \x20                           ^^^^\n\
             \x20 shapes so far: 1×28×28",
        ),
        (
            "residual(conv 8 3, relu), flatten, linear",
            "residual adds its input, 1×28×28, to its output, 8×26×26, and no projection fits: keep the size with padding same, or halve it with stride 2\n\
             \x20 residual(conv 8 3, relu), flatten, linear\n\
             \x20 ^^^^^^^^\n\
             \x20 shapes so far: 1×28×28 → conv 8×26×26 → relu",
        ),
        (
            "conv 8 3, relu",
            "the network ends in 8×26×26, it must end in 10 numbers, one for each class: add flatten, linear\n\
             \x20 conv 8 3, relu\n\
             \x20           ^^^^\n\
             \x20 shapes so far: 1×28×28 → conv 8×26×26 → relu",
        ),
        (
            "flatten, linear, softmax",
            "softmax before the loss: cross-entropy takes logits and does the softmax itself, so leave it out here (predict gives probabilities all the same)\n\
             \x20 flatten, linear, softmax\n\
             \x20                  ^^^^^^^\n\
             \x20 shapes so far: 1×28×28 → flatten 784 → linear 10 → softmax",
        ),
        (
            "# lines\nconv 8 3\n(relu, conv(8, 3)) x2",
            "line 3: conv takes no parentheses: write conv 32 3\n\
             \x20 (relu, conv(8, 3)) x2\n\
             \x20            ^\n\
             \x20 shapes so far: 1×28×28 → conv 8×26×26 → relu",
        ),
        // What does not fit comes before what cannot be read, if it stands before it.
        (
            "linear 5, rleu",
            "linear needs a list of numbers, but gets 1×28×28 images: put flatten before it\n\
             \x20 linear 5, rleu\n\
             \x20 ^^^^^^\n\
             \x20 shapes so far: 1×28×28",
        ),
        ("", "the network has no layers\n  shapes so far: 1×28×28"),
    ];
    for (text, expected) in cases {
        assert_eq!(screen(text, MNIST), expected, "{text}");
    }
}

#[test]
fn mistakes_in_writing_are_told_in_a_line() {
    let cases = [
        ("relu 3", "relu takes no number"),
        ("dropout .5 .3", "dropout takes one number (p)"),
        ("conv 8 3 1", "conv takes 2 numbers (channels, kernel)"),
        ("conv 0 3", "channels of conv must be a whole number from 1 to 1000000"),
        ("conv 8 -3", "kernel of conv must be a whole number from 1 to 1000000, or two, such as 3x5"),
        (
            "conv 8 3 padding",
            "padding needs a value: it must be same, a whole number from 0 to 1000000, or two, such as 1x2",
        ),
        (
            "conv 8 3 padding full",
            "padding of conv must be same, a whole number from 0 to 1000000, or two, such as 1x2",
        ),
        ("conv 8 3 stride 2 2", "numbers without a word stand right after the layer's word"),
        ("conv 8 3 stride 2 stride 2", "stride is given twice"),
        ("conv 8 3 kernel 3", "kernel is given twice"),
        ("conv 8 3 bias=false", "conv has no setting 'bias': did you mean nobias?"),
        ("maxpool 2 colour 3", "maxpool has no setting 'colour': it has kernel, stride, padding, dilation, ceil"),
        ("relu inplace", "relu has no setting 'inplace': it has none"),
        ("relu tanh", "relu has no setting 'tanh': a comma is missing before it"),
        ("relu x3", "x3 repeats what is in parentheses: write (relu) x3"),
        ("relu, x3", "x3 repeats nothing: it stands right after parentheses, as in (conv 32 3, relu) x3"),
        ("relu, 3", "3 belongs to no layer: a layer's word must stand before it"),
        ("(relu) 3", "to repeat what is in parentheses write x3"),
        ("(relu) x 3", "x takes its number without a blank, such as x3"),
        ("(relu) x0", "the number of repetitions must be from 1 to 1000"),
        ("(relu) x99999999999999999999999", "the number of repetitions must be from 1 to 1000"),
        ("(relu) tanh", "a comma is missing before this"),
        ("(relu", "this ( is never closed"),
        ("relu)", "there is no ( before this )"),
        ("relu, ()", "there are no layers in these parentheses"),
        ("residual relu", "residual takes its layers in parentheses: residual(conv 32 3 padding same, relu)"),
        ("relu = 3", "a setting of relu must stand here"),
        ("= relu", "a layer's word must stand here"),
        (
            "transformer 8",
            "unknown layer 'transformer': known are conv, convtranspose, linear, batchnorm, groupnorm, layernorm, instancenorm, localresponsenorm, \
             maxpool, avgpool, adaptiveavgpool, adaptivemaxpool, globalavgpool, dropout, dropout2d, stochasticdepth, squeezeexcitation, \
             upsample, pixelshuffle, zeropad, reflectionpad, replicationpad, circularpad, flatten, identity, relu, leakyrelu, prelu, relu6, \
             elu, gelu, silu, mish, softplus, hardswish, hardsigmoid, hardtanh, tanh, sigmoid, softmax, logsoftmax, residual",
        ),
        ("maxpool 3 padding 2, flatten, linear", "padding must be at most half of the kernel, which is 3"),
        (
            "conv 4 3, adaptiveavgpool 5",
            "the network ends in 4×5×5, it must end in 10 numbers, one for each class: add flatten, linear",
        ),
        (
            "flatten, dropout2d, linear",
            "dropout2d zeroes whole channels of images, but gets a list of 784 numbers: use dropout",
        ),
        (
            "flatten, linear 5",
            "the network ends in 5 numbers, it must end in 10, one for each class: the last linear needs no number",
        ),
        ("conv 10 28", "the network ends in 10×1×1, it must end in 10 numbers, one for each class: add flatten"),
        ("conv", "the network ends in 10×28×28, it must end in 10 numbers, one for each class: add globalavgpool"),
        ("flatten, (linear 1000000) x2, linear", "with this layer the network has more than 1,000,000,000 parameters"),
        (
            "conv 1 1 padding 100000, globalavgpool, linear",
            "conv would make 1×200028×200028 of each image: that is too large",
        ),
        ("(((relu) x1000) x1000) x1000, flatten, linear", "the network has more than 10000 layers"),
        (
            "conv 8 3 padding 1 paddingmode mirror",
            "paddingmode of conv must be one of zeros, reflect, replicate, circular",
        ),
        (
            "conv 8 3 padding 28 paddingmode reflect",
            "28×28 images can fill a padding of at most 27 in this mode, not 28",
        ),
        ("circularpad 29", "28×28 images can fill a padding of at most 28 in this mode, not 29"),
        ("groupnorm 2", "groups must divide the 1 channels that come in"),
        (
            "adaptiveavgpool 1, instancenorm",
            "instancenorm normalizes over the pixels of each channel, but there is only one",
        ),
        ("pixelshuffle 2", "pixelshuffle 2 makes one channel of 4, and 1 come in"),
        ("upsample 2 aligncorners", "aligncorners goes with mode bilinear or bicubic"),
        ("upsample 100000, flatten, linear", "upsample would make 1×2800000×2800000 of each image: that is too large"),
        ("hardtanh min 2", "min must not be above max, which is 1"),
        ("softplus beta 0", "softplus divides by beta: it must not be 0"),
        ("convtranspose 3 2 outputpadding 1", "outputpadding must be below the stride or dilation, 1"),
        ("convtranspose 3 2 padding 15", "padding cuts off all that 28×28 images and this kernel give"),
        ("convtranspose 3 2 groups 3", "groups must divide the 1 channels that come in and the 3 that go out"),
        ("batchnorm eps -1, flatten, linear", "eps is added to a variance: it must not be negative"),
        (
            "residual(flatten), linear",
            "residual adds its input, 1×28×28, to its output, 784, and no projection fits: flatten outside of it",
        ),
    ];
    for (text, expected) in cases {
        let error = read(text, MNIST, 10).err().unwrap_or_else(|| panic!("'{text}' is accepted"));
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = "(".repeat(1000);
    assert_eq!(read(&deep, MNIST, 10).err().unwrap().to_string(), "parentheses are more than 32 deep here");
}

#[test]
fn a_long_line_is_shown_around_the_mistake() {
    let text = format!("{}rleu, {}flatten, linear", "conv 8 3 padding same, ".repeat(20), "relu, ".repeat(50));
    let screen = screen(&text, MNIST);
    let lines: Vec<&str> = screen.lines().collect();
    assert_eq!(
        lines,
        [
            "unknown layer 'rleu': did you mean relu?",
            "  …conv 8 3 padding same, conv 8 3 padding same, rleu, relu, relu, relu, relu, relu, relu, relu, re…",
            "                                                 ^^^^",
            "  shapes so far: … → conv → conv → conv → conv → conv → conv → conv",
        ]
    );
}

#[test]
fn a_logsoftmax_at_the_end_is_accepted() {
    assert!(read("flatten, linear, logsoftmax", MNIST, 10).is_ok());
}

#[test]
fn every_example_of_the_table_is_its_word() {
    for word in WORDS {
        let Item::Layer(layer) = Net::parse(word.example).unwrap().items.remove(0) else { panic!("{word:?}") };
        assert_eq!(layer.word, word);
        for alias in word.aliases {
            assert_eq!(Word::find(alias), Some(word));
        }
    }
}

/// The rows of a table in the book: the word, its numbers, its settings, what it does.
fn rows(book: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().replace('`', "")).collect::<Vec<_>>();
    book.lines().filter(|l| l.starts_with("| `")).map(cells).collect()
}

#[test]
fn the_books_tables_are_the_parsers() {
    let settings = |word: &Word, positional| {
        let all = word.settings.iter().filter(|s| s.positional == positional).map(|s| s.to_string());
        all.collect::<Vec<_>>().join(", ")
    };
    let words = |word: &Word| [word.word].iter().chain(word.aliases).copied().collect::<Vec<_>>().join(", ");
    let expected: Vec<Vec<String>> =
        WORDS.iter().map(|w| vec![words(w), settings(w, true), settings(w, false), w.about.replace('`', "")]).collect();
    let lines: Vec<String> = expected
        .iter()
        .map(|r| {
            let code = |c: &str| if c.is_empty() { String::new() } else { format!("`{c}`") };
            format!("| {} | {} | {} | {} |", code(&r[0]), code(&r[1]), code(&r[2]), r[3])
        })
        .collect();
    let book = |language: &str| {
        let path = format!("{}/../../docs/book/{language}/src/text-models.md", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
    };
    assert_eq!(rows(&book("en")), expected, "the table should be:\n{}", lines.join("\n"));
    let without_about = |rows: Vec<Vec<String>>| rows.into_iter().map(|r| r[..3].to_vec()).collect::<Vec<_>>();
    assert_eq!(without_about(rows(&book("zh"))), without_about(expected), "the Chinese table has other rows");
    for language in ["en", "zh"] {
        let text = book(language);
        let blocks = text.split("```").skip(1).step_by(2).filter_map(|b| b.strip_prefix("text-model\n"));
        let mut n = 0;
        for block in blocks {
            read(block, [3, 32, 32], 10).unwrap_or_else(|e| panic!("{language}: {}", e.screen()));
            n += 1;
        }
        assert!(n > 0, "the book shows networks");
    }
}

fn value(kind: Kind) -> BoxedStrategy<Value> {
    let count = || prop_oneof![1usize..9, Just(1_000_000)];
    let pair = |n: BoxedStrategy<usize>| (n.clone(), n).prop_map(|(a, b)| Value::Pair([a, b])).boxed();
    match kind {
        Kind::Count => count().prop_map(Value::Count).boxed(),
        Kind::Counts => pair(count().boxed()),
        Kind::Sizes => pair((0usize..9).boxed()),
        Kind::Padding => prop_oneof![pair((0usize..9).boxed()), Just(Value::Same)].boxed(),
        Kind::Fraction => (0.0f64..=1.0).prop_map(Value::Real).boxed(),
        Kind::Number => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::Real).boxed(),
        Kind::Choice(words) => select(words.to_vec()).prop_map(Value::Choice).boxed(),
        Kind::Flag => Just(Value::Flag(true)).boxed(),
    }
}

fn layer() -> impl Strategy<Value = Item> {
    select(WORDS.iter().collect::<Vec<_>>()).prop_flat_map(|word| {
        let values: Vec<_> = word
            .settings
            .iter()
            .map(|s| proptest::option::of(value(s.kind).prop_map(|v| (v, Span::default()))).boxed())
            .collect();
        values.prop_map(move |values| Item::Layer(Layer { word, values, span: Span::default() }))
    })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = layer().prop_recursive(4, 30, 4, |item| {
        let items = || proptest::collection::vec(item.clone(), 1..4);
        prop_oneof![
            (items(), 2usize..=1000).prop_map(|(items, times)| Item::Repeat { items, times }),
            (items(), 1usize..=1000).prop_map(|(items, times)| Item::Residual { items, times, span: Span::default() }),
        ]
    });
    proptest::collection::vec(item, 1..6)
}

/// Text of the grammar's tokens in any order.
fn soup() -> impl Strategy<Value = String> {
    let mut tokens: Vec<&str> = WORDS.iter().flat_map(|w| w.settings.iter().map(|s| s.name).chain([w.word])).collect();
    tokens.extend([
        "(",
        ")",
        ",",
        "\n",
        "#",
        "=",
        "x3",
        "x",
        "residual",
        "residual(",
        "same",
        "3",
        "3x5",
        ".5",
        "-1",
        "é",
        "same",
    ]);
    proptest::collection::vec(select(tokens), 0..30).prop_map(|t| t.join(" "))
}

/// Networks of which many fit.
fn likely() -> impl Strategy<Value = String> {
    let layers = [
        "conv 4 3",
        "conv 6 3x1 padding 1x0",
        "conv 4 2 stride 2 nobias",
        "conv 4 3 padding same dilation 2",
        "conv 4 1 groups 2",
        "maxpool 2",
        "maxpool 3 stride 2 padding 1 ceil",
        "maxpool 2 dilation 2",
        "avgpool 2 stride 1",
        "avgpool 3 padding 1 excludepad ceil",
        "batchnorm",
        "batchnorm noaffine",
        "relu",
        "leakyrelu",
        "tanh",
        "sigmoid",
        "softmax",
        "dropout",
        "dropout2d 0.2",
        "residual(conv 4 3 padding same, batchnorm, relu)",
        "residual(conv 8 3 stride 2 padding 1)",
        "residual(relu)",
        "(tanh) x2",
        "adaptiveavgpool 1",
        "conv 4 3 padding 1 paddingmode reflect",
        "conv 4 2 padding same paddingmode circular",
        "conv 4 5x1 padding 2x0 stride 2 paddingmode replicate",
        "convtranspose 4 2 stride 2",
        "convtranspose 4 3x1 stride 2x1 padding 1x0 outputpadding 1x0",
        "convtranspose 4 3 dilation 2 outputpadding 1 groups 4 nobias",
        "groupnorm 2",
        "layernorm",
        "layernorm noaffine",
        "instancenorm affine",
        "localresponsenorm 3",
        "adaptivemaxpool 3x2",
        "stochasticdepth 0.3",
        "residual(conv 4 3 padding same, stochasticdepth 0.3 batch)",
        "squeezeexcitation 2",
        "upsample 2",
        "upsample 2x1 mode bicubic aligncorners",
        "pixelshuffle 2",
        "zeropad 1x0",
        "reflectionpad 1x2",
        "replicationpad 0x3",
        "circularpad 2",
        "identity",
        "prelu",
        "prelu perchannel",
        "relu6",
        "elu 0.5",
        "gelu",
        "gelu tanh",
        "silu",
        "mish",
        "softplus beta 2",
        "hardswish",
        "hardsigmoid",
        "hardtanh",
    ];
    let flat = [
        "layernorm",
        "groupnorm 1",
        "prelu perchannel",
        "stochasticdepth 0.1",
        "relu",
        "linear 5",
        "linear 3 nobias",
        "dropout 0.1",
        "residual(linear 4, tanh)",
        "logsoftmax",
    ];
    let list = |layers: &[&'static str], most| proptest::collection::vec(select(layers.to_vec()), 0..most);
    (list(&layers, 6), select(vec!["flatten", "globalavgpool"]), list(&flat, 3))
        .prop_map(|(a, middle, b)| [a, vec![middle], b, vec!["linear"]].concat().join(", "))
}

fn agree(net: &Net) -> Result<(), TestCaseError> {
    let text = net.to_string();
    let again = Net::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}\n{}", e.screen())))?;
    prop_assert_eq!(&again, net, "{}", &text);
    prop_assert_eq!(again.to_string(), text);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_and_parsing_agree(items in items()) {
        let text = items.iter().map(Item::to_string).collect::<Vec<_>>().join(", ");
        let net = Net::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}\n{}", e.screen())))?;
        prop_assert_eq!(&net.items, &items, "{}", &text);
        agree(&net)?;
        let _ = net.plan(MNIST, 10);
    }

    #[test]
    fn no_text_panics(text in any::<String>(), soup in soup(), classes in 1usize..12) {
        for text in [text, soup] {
            match read(&text, MNIST, classes) {
                Ok((net, _)) => agree(&net)?,
                Err(e) => prop_assert!(!e.screen().is_empty()),
            }
            if let Ok(net) = Net::parse(&text) {
                agree(&net)?;
            }
        }
    }

    #[test]
    fn planned_shapes_are_the_real_ones(text in likely(), c in 1usize..5, h in 1usize..14, w in 1usize..14) {
        if let Ok((_, plan)) = read(&text, [c, h, w], 3) {
            let net = plan.build(&mut Generator::new(0));
            prop_assert_eq!(net.num_parameters(), plan.num_parameters());
            for pass in [Pass::eval(), Pass::train(1)] {
                let y = net.forward(Tensor::zeros([2, c, h, w], DType::F32), &pass);
                prop_assert_eq!(y.shape(), [2, 3]);
            }
        }
    }
}
