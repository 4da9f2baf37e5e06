//! Checkpoints as training programs save them: weights beside settings, counters, optimizers and other weights.

use super::files::{archive, dict, fixture, floats, inner_dict, legacy, read, refusal, tensor, text, zip_of};
use std::path::Path;
use striate_formats::{FormatError, Weights, npy, read_weights, read_weights_entry, weights_from_bytes};
use striate_tensor::Tensor;

const NAMES: [&str; 3] = ["conv.weight", "conv.bias", "bn.num_batches_tracked"];

fn names(weights: &Weights) -> Vec<&str> {
    weights.tensors.iter().map(|(name, _)| name.as_str()).collect()
}

/// The first number of the first tensor: fixtures count from another number in each set of weights.
fn first(weights: &Weights) -> f32 {
    weights.tensors[0].1.to_vec::<f32>()[0]
}

#[test]
fn strangers_beside_the_weights_are_left_out() {
    for form in ["2", "3", "4", "5", "legacy"] {
        let weights = read_weights(&fixture(&format!("checkpoint_strangers_{form}.pth"))).unwrap();
        assert_eq!((weights.entry.join("."), names(&weights)), ("model".to_string(), NAMES.to_vec()), "{form}");
        assert_eq!(weights.tensors[0].1.to_vec::<f32>(), [0.0, 1.0, 2.0, 3.0], "{form}");
        assert_eq!(weights.tensors[2].1.to_vec::<i64>(), [7], "{form}");
        for entry in ["args", "counts", "nested", "config", "schedule", "random", "optimizer"] {
            assert!(weights.ignored.iter().any(|i| i == entry), "{form} lacks {entry}");
        }
        assert!(weights.others.is_empty());
    }
}

/// Each stranger alone, so that one that is refused has a name.
#[test]
fn each_way_to_make_an_object_is_a_way_to_be_left_out() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let model = inner_dict(&[("w", &w)]);
    for stranger in [
        &b"cargparse\nNamespace\n)\x81}b"[..],
        b"cargparse\nNamespace\n)\x81}(X\x02\0\0\0lrK\x01ub",
        b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R",
        b"ccollections\ndefaultdict\ncproject\nfactory\n\x85RK\x01K\x02s",
        b"cdatetime\ndatetime\nU\x0a0123456789\x85R",
        b"cpathlib\nPosixPath\nX\x01\0\0\0/\x85R",
        b"cproject\nMode\nK\x01\x85R",
        b"c__builtin__\ngetattr\ncproject\nOuter\nX\x05\0\0\0Inner\x86R",
        b"c__builtin__\ngetattr\ncproject\nOuter\nX\x05\0\0\0Inner\x86RK\x01\x85R",
        b"c__builtin__\nset\n]K\x01a\x85R",
        b"cproject\nfunction\n",
        b"comegaconf.dictconfig\nDictConfig\n)\x81}X\x08\0\0\0_contentX\x01\0\0\0asb",
        b"cproject\nAttributeDict\n)\x81(X\x02\0\0\0lrK\x01u}b",
        b"cproject\nMyList\n)\x81(K\x01K\x02e",
        b"ccopy_reg\n_reconstructor\n(cproject\nOld\nc__builtin__\nobject\nNtR}b",
        b"(iproject\nOld\nq\x07}b",
        b"(cproject\nOld\nK\x01o}b",
        b"cproject\nNew\n)}\x92",
        b"\x82\x07",
        b"X\x03\0\0\0a\xff\xffq\x09",
        b"Vcaf\xe9\n",
        b"L123456789012345678901234567890L\n",
        b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0f8K\0K\x01\x87RU\x0801234567\x86R",
        b"cnumpy.random._pickle\n__randomstate_ctor\nX\x01\0\0\0M\x85R}b",
        b"ctorch\nFloatTensor\n",
        b"ctorch\nfloat6_new\n",
        b"ctorch._utils\n_rebuild_sparse_csr_tensor\n)R",
        b"ctorch.storage\n_load_from_bytes\nU\x01x\x85R",
        b"cposix\nstat_result\n(K\x01t}\x86R",
        b"csubprocess\nCompletedProcess\n)\x81}b",
        b"cos\ngetcwd\n",
    ] {
        for place in [dict(&[("model", &model), ("zz", stranger)]), dict(&[("aa", stranger), ("model", &model)])] {
            for bytes in [archive(&place, &[&floats(1)]), legacy(&place, &[("0", 1, &floats(1))])] {
                let weights = read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", stranger.escape_ascii()));
                assert_eq!(names(&weights), ["w"], "{}", stranger.escape_ascii());
            }
        }
        // In the place of the weights it is refused, and where it is is said.
        let line = refusal(&archive(&dict(&[("model", stranger), ("epoch", b"K\x01")]), &[]));
        assert!(line.contains("state dict") || line.contains("'model' is unknown"), "{line}");
    }
}

#[test]
fn a_dictionary_by_another_name_holds_weights_too() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let filled = |class: &[u8]| [class, b"(", &text("w"), &w, b"u"].concat();
    for class in [
        &b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R"[..],
        b"c__builtin__\ndict\n)R",
        b"cproject\nStateDict\n)\x81",
        b"ccollections\nOrderedDict\n)R",
    ] {
        let root = [&b"\x80\x02"[..], &filled(class), b"."].concat();
        let nested = dict(&[("state_dict", &filled(class)), ("epoch", b"K\x01")]);
        for pickle in [root, nested] {
            assert_eq!(names(&read(&archive(&pickle, &[&floats(1)])).unwrap()), ["w"]);
        }
    }
}

#[test]
fn what_would_have_to_run_is_refused_where_it_is() {
    let error = read_weights(&fixture("refused_object.pth")).err().unwrap();
    let FormatError::PickledObject { entry, class, .. } = &error else { panic!("{error}") };
    assert_eq!((entry.as_str(), class.as_str()), ("model", "models.yolo.DetectionModel"));
    let line = error.to_string();
    assert!(line.contains("in its entry 'model'") && line.contains("state_dict()"), "{line}");
    let line = refusal(&archive(&dict(&[("epoch", b"K\x01"), ("net", b"czoo\nfetch\n)R")]), &[]));
    assert!(line.contains("'zoo.fetch'") && line.contains("entry 'net'"), "{line}");
    let inner = inner_dict(&[("net", b"cnet\nNet\n)\x81}b"), ("epoch", b"K\x01")]);
    let line = refusal(&archive(&dict(&[("run", &inner)]), &[]));
    assert!(line.contains("entry 'run.net'") && line.contains("'net.Net'"), "{line}");
    // The same beside weights that need it not is left out.
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let state = inner_dict(&[("w", &w)]);
    let both = dict(&[("model", b"cnet\nNet\n)\x81}b"), ("state_dict", &state)]);
    assert_eq!(read(&archive(&both, &[&floats(1)])).unwrap().entry, ["state_dict"]);
    // Asked for by name it is refused.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.pth");
    std::fs::write(&path, archive(&both, &[&floats(1)])).unwrap();
    let line = read_weights_entry(&path, "model").err().unwrap().to_string();
    assert!(line.contains("entry 'model'") && line.contains("net.Net"), "{line}");
}

#[test]
fn of_several_sets_of_weights_one_is_taken_and_the_others_are_named() {
    for (file, entry, other) in
        [("checkpoint_timm.pth", "state_dict", "state_dict_ema"), ("checkpoint_deit.pth", "model", "model_ema")]
    {
        let path = fixture(file);
        let weights = read_weights(&path).unwrap();
        assert_eq!((weights.entry.join("."), names(&weights), first(&weights)), (entry.into(), NAMES.to_vec(), 0.0));
        assert_eq!(weights.others, [other]);
        let notes = weights.notes().join("\n");
        assert!(notes.contains(&format!("to be chosen by name (weights_entry): {other}")), "{notes}");
        let left = notes.lines().find(|line| line.starts_with("left out")).unwrap();
        assert!(left.contains("optimizer") && left.contains("args") && !left.contains(other), "{notes}");
        let average = read_weights_entry(&path, other).unwrap();
        assert_eq!((names(&average), first(&average)), (NAMES.to_vec(), 100.0));
        assert_eq!((average.entry.join("."), average.others.join(" ")), (other.to_string(), entry.to_string()));
    }
}

#[test]
fn where_none_is_the_likeliest_a_name_is_asked_for() {
    let path = fixture("checkpoint_dino.pth");
    let error = read_weights(&path).err().unwrap();
    let FormatError::SeveralSets { names: sets, .. } = &error else { panic!("{error}") };
    assert_eq!(sets, &["student", "teacher"]);
    let line = error.to_string();
    assert!(line.contains("('student', 'teacher')") && line.contains("weights_entry"), "{line}");
    for (entry, value, expected) in [
        ("student", 0.0, "backbone.conv.weight"),
        ("teacher", 100.0, "backbone.conv.weight"),
        ("teacher.backbone", 100.0, "conv.weight"),
        ("student.backbone", 0.0, "conv.weight"),
        ("dino_loss", 0.0, "center"),
    ] {
        let weights = read_weights_entry(&path, entry).unwrap();
        assert_eq!((weights.tensors[0].0.as_str(), first(&weights)), (expected, value), "{entry}");
    }
    for wrong in ["studen", "student.head", "args", "optimizer.param_groups", "epoch"] {
        let line = read_weights_entry(&path, wrong).err().expect(wrong).to_string();
        assert!(line.contains("checkpoint_dino.pth"), "{line}");
    }
    let line = read_weights_entry(&path, "studen").err().unwrap().to_string();
    assert!(line.contains("no weights 'studen': it has 'student', 'teacher'"), "{line}");
}

#[test]
fn lightning_keeps_its_weights_among_much_else() {
    let line = read_weights_entry(&fixture("checkpoint_timm.pth"), "nope").err().unwrap().to_string();
    assert!(line.ends_with("no weights 'nope': it has 'state_dict', 'state_dict_ema'"), "{line}");
    let path = fixture("checkpoint_lightning.ckpt");
    let weights = read_weights(&path).unwrap();
    assert_eq!((weights.entry.join("."), weights.others.len()), ("state_dict".into(), 0));
    assert_eq!(
        names(&weights),
        ["model.conv.weight", "model.conv.bias", "model.bn.num_batches_tracked", "loss.weight"]
    );
    for entry in ["model", "state_dict.model"] {
        let part = read_weights_entry(&path, entry).unwrap();
        assert_eq!((names(&part), part.prefix.as_deref()), (NAMES.to_vec(), Some("model.")), "{entry}");
        assert!(part.ignored.contains(&"state_dict.loss.weight".to_string()), "{:?}", part.ignored);
    }
}

#[test]
fn names_begin_with_what_was_asked_for_in_files_without_entries_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("flat");
    let tensors = [("module.encoder_q.w", 1.0f32), ("module.encoder_k.w", 2.0), ("module.queue", 3.0)]
        .map(|(name, value)| (name.to_string(), Tensor::from_vec(vec![value], [1])));
    striate_formats::safetensors::write(&path, &tensors.clone().into(), &Default::default()).unwrap();
    for (entry, value) in [("encoder_q", 1.0), ("encoder_k", 2.0), ("encoder_k.", 2.0)] {
        let weights = read_weights_entry(&path, entry).unwrap();
        assert_eq!((names(&weights), first(&weights)), (vec!["w"], value));
        assert_eq!(weights.ignored.len(), 2);
    }
    let line = read_weights_entry(&path, "encoder").err().unwrap().to_string();
    assert!(line.contains("no weights 'encoder': it has 'encoder_k', 'encoder_q'"), "{line}");
}

#[test]
fn what_no_tensor_holds_refuses_no_file_that_has_others() {
    let good = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let odd = tensor("ComplexFloatStorage", "1", 1, 0, &[1], &[1]);
    let newer = tensor("FutureStorage", "1", 1, 0, &[1], &[1]);
    for odd in [odd, newer, b"ctorch._utils\n_rebuild_sparse_tensor\n)R".to_vec()] {
        let weights = read(&archive(&dict(&[("a", &good), ("b", &odd)]), &[&floats(1), &floats(2)])).unwrap();
        assert_eq!((names(&weights), weights.unreadable.len()), (vec!["a"], 1));
        assert_eq!(weights.unreadable[0].name, "b");
    }
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F8_E4M3","shape":[2,1],"data_offsets":[4,6]}}"#;
    let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 6]].concat();
    let weights = weights_from_bytes(&file, Path::new("x")).unwrap();
    assert_eq!((names(&weights), weights.unreadable[0].dtype.as_str()), (vec!["a"], "F8_E4M3"));
    assert_eq!(weights.unreadable[0].shape, Some(vec![2, 1]));
    let array = npy::to_bytes(&Tensor::from_vec(vec![1.0f32], [1]));
    let complex = npy::to_bytes(&Tensor::from_vec(vec![1i64], [1]));
    let complex: Vec<u8> = String::from_utf8_lossy(&complex[10..]).replace("<i8", "<c8").into_bytes();
    let complex = [&npy::to_bytes(&Tensor::from_vec(vec![1i64], [1]))[..10], &complex].concat();
    let weights = weights_from_bytes(&zip_of(&[("a.npy", &array), ("b.npy", &complex)]), Path::new("x")).unwrap();
    assert_eq!((names(&weights), weights.unreadable.len()), (vec!["a"], 1));
}

#[test]
fn a_state_dict_with_a_few_odd_entries_is_one() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let state = inner_dict(&[("a", &w), ("b", &w), ("c", &w), ("d", &w), ("e", &w)]);
    let meta = inner_dict(&[("mean", &w)]);
    let read = |pickle: &[u8]| read(&archive(pickle, &[&floats(1)])).unwrap();
    // Statistics beside a network are none of its weights.
    assert_eq!(read(&dict(&[("generator", &state), ("stats", &meta)])).entry, ["generator"]);
    let flat = dict(&[("a", &w), ("b", &w), ("stats", &meta)]);
    assert_eq!((read(&flat).entry.len(), names(&read(&flat)).len()), (0, 2));
    let nested = dict(&[("state_dict", &inner_dict(&[("model", &state), ("n", b"K\x01")]))]);
    assert_eq!(read(&nested).entry, ["state_dict", "model"]);
    let deep = dict(&[("trainer", &inner_dict(&[("best", &inner_dict(&[("net", &state)]))]))]);
    assert_eq!(read(&deep).entry, ["trainer", "best", "net"]);
    let by_name = inner_dict(&[("conv", &inner_dict(&[("exp_avg", &w)]))]);
    let optimizers = dict(&[("net", &state), ("optimizer_state", &by_name), ("optim", &by_name)]);
    assert!(read(&optimizers).others.is_empty());
}
