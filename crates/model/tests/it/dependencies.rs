use std::process::Command;

/// The crates that a program links which depends on `striate-model` with these features.
fn linked(features: &[&str]) -> Vec<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = ["tree", "--package", "striate-model", "--edges", "normal", "--prefix", "none", "--format", "{lib}"];
    let out = Command::new(cargo)
        .args(tree)
        .args(["--offline", "--locked"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_string).collect()
}

#[test]
fn a_program_that_uses_a_model_links_no_training_and_no_downloads() {
    let unwanted = ["ureq", "rustls", "ring", "tar", "zip", "striate_data", "striate_train", "striate_cli"];
    for features in [&["--all-features"][..], &["--no-default-features"]] {
        let linked = linked(features);
        assert!(linked.iter().any(|name| name == "striate_kernels"), "{linked:?}");
        for name in unwanted {
            assert!(!linked.iter().any(|other| other == name), "{name} is linked with {features:?}");
        }
    }
    assert!(!linked(&["--no-default-features"]).iter().any(|name| name == "striate_onnx" || name == "prost"));
}
