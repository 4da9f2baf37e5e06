//! Runs every example, on little data.

// The examples' `main`s are not called here.
#![allow(dead_code)]

#[path = "../../examples/feature_maps.rs"]
mod feature_maps;
#[path = "../../examples/own_dataset.rs"]
mod own_dataset;
#[path = "../../examples/own_detector.rs"]
pub mod own_detector;
#[path = "../../examples/own_layer.rs"]
pub mod own_layer;
#[path = "../../examples/own_module.rs"]
pub mod own_module;
#[path = "../../examples/own_segmenter.rs"]
pub mod own_segmenter;
#[path = "../../examples/training_loop.rs"]
mod training_loop;
#[path = "../../examples/unet/main.rs"]
pub mod unet;

#[test]
fn the_hand_written_loop_learns() {
    let accuracy = training_loop::train(1, 30).unwrap();
    assert!(accuracy > 0.8, "{accuracy}");
}

#[test]
fn a_module_of_ones_own_learns() {
    let accuracy = own_module::run(80).unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
}

#[test]
fn a_data_set_of_ones_own_is_learnt() {
    let accuracy = own_dataset::run(1500).unwrap();
    assert!(accuracy > 0.9, "{accuracy}");
}

#[test]
fn a_layer_of_ones_own_is_trained() {
    let (loss, beta) = own_layer::run(60).unwrap();
    assert!(loss < 1.0 && beta != 1.0, "{loss} {beta}");
}

#[test]
fn a_u_net_finds_bright_pixels() {
    let losses = unet::run(2, 16, 30);
    assert!(losses[0] > 0.5 && losses[29] < 0.3, "{losses:?}");
}

#[test]
fn feature_maps_become_images() {
    let dir = tempfile::tempdir().unwrap();
    feature_maps::run(dir.path(), None, 3).unwrap();
    for name in ["by-hand", "conv1-kernels", "conv1", "conv1-relu", "conv2-relu", "pool"] {
        let image = image::open(dir.path().join(name).with_extension("png")).unwrap();
        assert!(image.width() > 100, "{name}");
    }
    let missing = feature_maps::run(dir.path(), Some(&dir.path().join("none.safetensors")), 1).unwrap_err();
    assert!(missing.to_string().contains("none.safetensors"), "{missing}");
}
