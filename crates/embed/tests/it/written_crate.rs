use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;
use striate_embed::{EmbedError, write_crate};
use striate_imaging::{Fit, Image, Preprocessing};
use striate_model::{Model, ModelCard, Predictor, Training, save};
use striate_nn::{Forward, Pass};
use striate_tensor::Generator;

/// The most that a stripped program with the network of the MNIST tutorial may take.
const LARGEST: u64 = 8_000_000;

fn digits(seed: u64) -> Image {
    let rng = &mut Generator::new(seed);
    Image::new(28, 28, 1, (0..28 * 28).map(|_| rng.below(256) as u8).collect())
}

/// The network of the MNIST tutorial with its initial weights.
fn model() -> Model {
    let network = striate_zoo::find("mnist-net").unwrap().build(10, &mut Generator::new(3));
    let preprocessing = Preprocessing { light_on_dark: false, ..Preprocessing::new(1, [28, 28], Fit::Digit) };
    let classes = (0..10).map(|i| format!("\"{i}\"\n")).collect();
    let training = Training { data: "secret/place".into(), ..Training::elsewhere("a file") };
    let card = ModelCard::new("mnist-net", classes, preprocessing, training, (&*network, &[digits(1), digits(2)]));
    Model { card, network }
}

fn cargo(directory: &Path, arguments: &[&str]) -> Output {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed");
    let mut command = Command::new(cargo);
    // What coverage and sanitizers set for this process is not for the crate.
    command.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", target).current_dir(directory);
    let out = command.args(arguments).args(["--release", "--offline"]).output().unwrap();
    assert!(out.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

#[test]
fn a_crate_builds_and_its_program_answers_as_the_model_does() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let directory = dir.path().join("digits");
    write_crate(&model, &directory, false).unwrap();
    cargo(&directory, &["build"]);
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed/release/digits");
    let program = dir.path().join("alone");
    fs::copy(&built, &program).unwrap();
    let size = fs::metadata(&program).unwrap().len();
    println!("{size} bytes");
    assert!(size < LARGEST, "{size} bytes");

    let file = dir.path().join("model.safetensors");
    save(&file, &model.card, &*model.network).unwrap();
    let predictor = Predictor::load(&file).unwrap();
    // No model file and no crate is left to be read.
    fs::remove_dir_all(&directory).unwrap();
    fs::remove_file(&file).unwrap();
    let rng = &mut Generator::new(9);
    let colours = Image::new(90, 61, 3, (0..90 * 61 * 3).map(|_| rng.below(256) as u8).collect());
    for picture in (0..4).map(digits).chain([colours]) {
        let image = dir.path().join("image.png");
        picture.write_png(&image).unwrap();
        let start = Instant::now();
        let out = Command::new(&program).arg(&image).output().unwrap();
        println!("{:?} from start to end", start.elapsed());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let want = predictor.classify(&fs::read(&image).unwrap(), "image").unwrap();
        let (class, percentage) = (&model.card.classes[want.class], 100.0 * want.probabilities[want.class]);
        let line = String::from_utf8(out.stdout).unwrap();
        let rest = line.strip_prefix(&format!("{}: {class} (", image.display())).unwrap_or_else(|| panic!("{line}"));
        let got: f32 = rest.strip_suffix("%)\n").unwrap().parse().unwrap();
        assert!((got - percentage).abs() < 0.06, "{line}: {percentage}");
    }
    let broken = dir.path().join("broken.png");
    fs::write(&broken, b"\x89PNG").unwrap();
    let out = Command::new(&program).arg(&broken).output().unwrap();
    assert_eq!(out.status.code(), Some(1));
    let line = String::from_utf8(out.stderr).unwrap();
    assert!(line.contains("broken.png") && line.lines().count() == 1, "{line}");
    assert_eq!(Command::new(&program).output().unwrap().status.code(), Some(2));
}

/// All files of a directory with what they hold.
fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(contents(&path)),
            false => all.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
    all
}

#[test]
fn a_crate_tells_nothing_of_the_data_and_replaces_nothing() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let directory = dir.path().join("empty");
    fs::create_dir(&directory).unwrap();
    write_crate(&model, &directory, false).unwrap();
    let before = contents(&directory);
    let told = |bytes: &[u8]| bytes.windows(12).any(|part| part == b"secret/place");
    assert!(before.iter().all(|(_, bytes)| !told(bytes)));
    assert!(before.iter().any(|(path, _)| path.ends_with("runtime/kernels/src/lib.rs")));

    let again = write_crate(&model, &directory, false).unwrap_err();
    assert!(matches!(again, EmbedError::Occupied { .. }), "{again}");
    assert_eq!(contents(&directory), before);
    let nowhere = write_crate(&model, &dir.path().join("no/where"), false).unwrap_err();
    assert!(matches!(nowhere, EmbedError::Io { .. }), "{nowhere}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left of what failed");
}

#[test]
fn exact_weights_give_the_models_own_bits() {
    let (dir, model) = (tempfile::tempdir().unwrap(), model());
    let bytes = |half| {
        let directory = dir.path().join(format!("half-{half}"));
        write_crate(&model, &directory, half).unwrap();
        fs::read(directory.join("model.safetensors")).unwrap()
    };
    let (exact, half) = (bytes(false), bytes(true));
    assert!(half.len() * 9 < exact.len() * 5, "{} and {} bytes", half.len(), exact.len());
    let logits = |bytes: &[u8]| {
        let predictor = Predictor::from_bytes(bytes, "embedded").unwrap();
        predictor.logits(model.card.preprocessing.apply(&digits(7)).0).to_vec::<f32>()
    };
    let want = model.network.forward(model.card.preprocessing.apply(&digits(7)).0, &Pass::eval()).to_vec::<f32>();
    let far = |got: Vec<f32>| got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far(logits(&exact)) < 1e-5);
    let rounded = far(logits(&half));
    assert!((1e-7..1e-2).contains(&rounded), "{rounded}");
}

#[test]
fn a_model_that_gives_other_outputs_is_not_written() {
    let (dir, mut model) = (tempfile::tempdir().unwrap(), model());
    model.card.self_test[1].output[3] += 1.0;
    let error = write_crate(&model, &dir.path().join("digits"), false).unwrap_err().to_string();
    assert!(error.contains("digits is not written: self-test 2 gives other outputs"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
