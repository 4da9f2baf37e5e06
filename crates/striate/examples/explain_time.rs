//! Times Grad-CAM, and prints a JSON line: Striate's side of `bench/vs-grad-cam`.
//!
//! `explain_time --net mobilenet-v2 --folder DIR --threads 2 --warmup 3 --steps 10`
//!
//! The folder holds `weights.safetensors`, a state dict, and `image.npy`, the bytes `[h, w, 3]` of an image. It writes the map to `map.npy`.

use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;
use striate::formats::{npy, safetensors};
use striate::imaging::{AnyImage, Fit, Image, Preprocessing};
use striate::model::{ModelCard, Training};
use striate::prelude::*;
use striate::report::{ExplainOptions, Explainer, Method};
use striate::{num_threads, set_num_threads, zoo};

const CLASSES: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.as_chunks::<2>().0.iter().map(|[k, v]| (&k[..], &v[..])).collect();
    let number = |key: &str, default: usize| {
        options.get(key).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{key} takes a number, got {v}")))
    };
    set_num_threads(number("--threads", num_threads()));
    let folder = Path::new(options.get("--folder").expect("--folder says where the network and the image are"));
    let name = options.get("--net").expect("--net names a network");

    let bytes = npy::read(&folder.join("image.npy")).expect("an image");
    let [h, w, c] = bytes.shape().try_into().expect("an image has three dimensions");
    let image = AnyImage::U8(Image::new(w, h, c, bytes.to_vec::<u8>()));
    let mut network =
        zoo::find(name).expect("a network of this name").build_for([c, h, w], CLASSES, &mut Generator::blank());
    let weights: StateDict =
        safetensors::read(&folder.join("weights.safetensors")).expect("weights").tensors.into_iter().collect();
    load_state_dict(&mut *network, &weights).expect("weights of this network");
    let classes = (0..CLASSES).map(|i| i.to_string()).collect();
    let preprocessing = Preprocessing::new(c, [h, w], Fit::Resize);
    let card = ModelCard::new(name, classes, preprocessing, Training::elsewhere("bench"), (&network, &[]));
    let explainer = Explainer::new(&Model { card, network: Box::new(network) });

    let options = ExplainOptions::default();
    let explain = || explainer.explain(&image, Method::GradCam, &options).expect("an explanation");
    npy::write(&folder.join("map.npy"), &Tensor::from_vec(explain().map, [h, w])).expect("a map");
    (0..number("--warmup", 3)).for_each(|_| _ = explain());
    let time = |_| {
        let start = Instant::now();
        explain();
        start.elapsed().as_secs_f64() * 1e3
    };
    let explain_ms: Vec<f64> = (0..number("--steps", 10)).map(time).collect();
    println!("{}", json!({ "explain_ms": explain_ms }));
}
