//! Published weights give the published answers. They are large, so they lie beside the project or nowhere.

use std::path::{Path, PathBuf};
use striate::formats::{npy, read_weights};
use striate::nn::load_matching;
use striate::prelude::*;
use striate::zoo::EfficientNetLiteOptions;

/// `STRIATE_DATA` can name the folder.
fn outside(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("STRIATE_DATA").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("skipped: {} is not there; STRIATE_DATA can name the folder", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn efficientnet_lite0_sees_what_its_makers_version_sees() {
    let Some(file) = outside("weights/efficientnet-lite0-57934424.pth") else { return };
    let mut net = EfficientNetLiteOptions::lite0().build(1000, &mut Generator::new(0));
    let matched = load_matching(&mut net, &read_weights(&file).unwrap().into_map());
    assert!(matched.missing.is_empty() && matched.unexpected.is_empty() && matched.reshaped.is_empty(), "{matched:?}");
    for (image, class) in [("chelsea", 282), ("coffee", 967)] {
        let Some(input) = outside(&format!("golden/efflite0_{image}_in.npy")) else { return };
        let Some(logits) = outside(&format!("golden/efflite0_{image}_logits.npy")) else { return };
        let got = net.forward(npy::read(&input).unwrap(), &Pass::eval());
        assert_eq!(got.clone().argmax(1, false).to_vec::<i64>(), [class], "{image}");
        let (got, want) = (got.to_vec::<f32>(), npy::read(&logits).unwrap().to_vec::<f32>());
        let largest = want.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        let error = got.iter().zip(&want).fold(0.0f32, |m, (a, b)| m.max((a - b).abs()));
        assert!(got.len() == want.len() && error < 1e-4 * largest, "{image}: {error} of {largest}");
    }
}
