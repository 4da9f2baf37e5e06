//! Files that were made to harm, or that contradict themselves.

use super::files::{
    archive, dict, fixture, floats, inner_dict, legacy, number, one, read, refusal, tensor, text, view,
};
use super::files::{zip_of, zip_with};
use striate_formats::FormatError;
use striate_tensor::DType;
use zip::CompressionMethod;

#[test]
fn nothing_is_run_and_what_wanted_to_is_named() {
    for (pickle, name) in [
        (&b"cos\nsystem\n(S'echo harm'\ntR."[..], "os.system"),
        (b"\x80\x02cposix\nsystem\nX\x04\0\0\0harm\x85R.", "posix.system"),
        (b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.", "builtins.eval"),
        (b"\x80\x02c__builtin__\nexec\nX\x01\0\0\x001\x85R.", "__builtin__.exec"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04harm\x85R.", "os.system"),
        (b"\x80\x04\x8c\x0asubprocess\x94\x8c\x05Popen\x94\x93\x94)R.", "subprocess.Popen"),
        (b"\x80\x02cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"\x80\x02ctorch.hub\nload\n.", "torch.hub.load"),
        (b"\x80\x02ctorch\nload\n.", "torch.load"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\n.", "torch.storage._load_from_bytes"),
        (b"\x80\x02cnumpy\nload\n.", "numpy.load"),
        (b"\x80\x02ccollections\nnamedtuple\n.", "collections.namedtuple"),
        (b"\x80\x02ctorch\nEvilStorage\n.", "torch.EvilStorage"),
    ] {
        for bytes in [archive(pickle, &[]), legacy(pickle, &[])] {
            let error = read(&bytes).err().expect(name);
            assert!(matches!(&error, FormatError::Import { name: found, .. } if found == name), "{error}");
            let line = error.to_string();
            assert!(line.contains(&format!("'{name}'")) && line.contains("torch.save"), "{line}");
        }
    }
}

/// A name is refused where it is imported, wherever in the pickle that is.
#[test]
fn a_gadget_beside_good_weights_is_found() {
    let good = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let pickle = dict(&[("w", &good), ("zz", b"cos\nsystem\n)R")]);
    assert!(refusal(&archive(&pickle, &[&floats(1)])).contains("'os.system'"));
    let nested = dict(&[("model", &inner_dict(&[("w", &good)])), ("optimizer", b"](cos\nsystem\n)Re")]);
    assert!(refusal(&archive(&nested, &[&floats(1)])).contains("'os.system'"));
}

#[test]
fn objects_are_refused_by_their_class() {
    for (pickle, class) in [
        (&b"\x80\x02c__main__\nNet\nq\x00)\x81q\x01}b."[..], "__main__.Net"),
        (b"\x80\x02cargparse\nNamespace\n)\x81}b.", "argparse.Namespace"),
        (b"\x80\x04\x8c\x03net\x94\x8c\x03Net\x94\x93\x94)\x81.", "net.Net"),
        (b"\x80\x02(X\x06\0\0\0moduleq\x00cnet\nNet\nX\x00\0\0\0X\x00\0\0\0tQ.", "net.Net"),
        (b"(inet\nNet\n.", "net.Net"),
    ] {
        let error = read(&legacy(pickle, &[])).err().unwrap();
        assert!(matches!(&error, FormatError::PickledObject { class: found, .. } if found == class), "{error}");
    }
}

#[test]
fn a_good_file_made_by_hand_is_read() {
    let weights = read(&archive(&one(6, 1, &[2, 2], &[3, 1]), &[&floats(6)])).unwrap();
    assert_eq!(weights.tensors[0].1.to_vec::<f32>(), [1.0, 2.0, 4.0, 5.0]);
    let pickle = dict(&[("w", &tensor("CharStorage", "7", 2, 0, &[2], &[1]))]);
    let weights = read(&legacy(&pickle, &[("7", 2, &[0xff, 3])])).unwrap();
    assert_eq!(weights.tensors[0].1.to_vec::<i8>(), [-1, 3]);
}

#[test]
fn big_endian_files_are_read() {
    let pickle = one(2, 0, &[2], &[1]);
    let data: Vec<u8> = [1.5f32, -2.0].into_iter().flat_map(f32::to_be_bytes).collect();
    let entries = [("a/data.pkl", &pickle[..]), ("a/byteorder", b"big"), ("a/data/0", &data)];
    assert_eq!(read(&zip_of(&entries)).unwrap().tensors[0].1.to_vec::<f32>(), [1.5, -2.0]);
    let entries = [("a/data.pkl", &pickle[..]), ("a/byteorder", b"middle"), ("a/data/0", &data)];
    assert!(refusal(&zip_of(&entries)).contains("byte order"));
}

#[test]
fn views_of_storages_in_the_legacy_form() {
    let part =
        |first: i64, numel: i64| [b"(".to_vec(), text("9"), number(first), number(numel), b"t".to_vec()].concat();
    let file = |part: &[u8]| {
        let pickle = dict(&[("w", &view("FloatStorage", "0", 4, part, 0, &[2], &[1]))]);
        legacy(&pickle, &[("0", 4, &floats(4))])
    };
    assert_eq!(read(&file(&part(1, 2))).unwrap().tensors[0].1.to_vec::<f32>(), [1.0, 2.0]);
    for (first, numel) in [(1, 1), (3, 2), (-1, 2), (i64::MAX, i64::MAX), (1 << 62, 1)] {
        refusal(&file(&part(first, numel)));
    }
}

#[test]
fn shapes_that_lie_are_refused() {
    let huge = i64::MAX;
    for (numel, offset, sizes, strides) in [
        (4, 0, &[5][..], &[1][..]),
        (4, 1, &[4], &[1]),
        (4, 0, &[2, 2], &[3, 1]),
        (4, 0, &[2], &[-1]),
        (4, 3, &[4], &[-1]),
        (4, -1, &[1], &[1]),
        (4, 0, &[-1], &[1]),
        (4, 0, &[2, 2], &[1]),
        (4, 0, &[2], &[2, 1]),
        (4, 0, &[huge], &[0]),
        (4, 0, &[huge], &[1]),
        (4, 0, &[huge, huge], &[0, 0]),
        (4, 0, &[2, 2], &[huge, huge]),
        (4, huge, &[2], &[huge]),
        (4, huge, &[0, huge, huge], &[1, 1, 1]),
        (4, 0, &[1; 9], &[1; 9]),
        (4, 0, &[1; 65], &[1; 65]),
        (5, 0, &[2], &[1]),
        (huge, 0, &[2], &[1]),
        (-4, 0, &[2], &[1]),
    ] {
        let line = refusal(&archive(&one(numel, offset, sizes, strides), &[&floats(4)]));
        assert!(line.contains("damaged"), "{line}");
        refusal(&legacy(&one(numel, offset, sizes, strides), &[("0", 4, &floats(4))]));
    }
    let empty = read(&archive(&one(0, 0, &[0, 3], &[3, 1]), &[&[]])).unwrap();
    assert_eq!((empty.tensors[0].1.shape(), empty.tensors[0].1.dtype()), (&[0, 3][..], DType::F32));
}

#[test]
fn storages_that_are_not_there_or_wrong() {
    let pickle = one(4, 0, &[4], &[1]);
    assert!(refusal(&archive(&pickle, &[])).contains("data/0"));
    assert!(refusal(&archive(&pickle, &[&floats(3)])).contains("storage 0"));
    assert!(refusal(&legacy(&pickle, &[])).contains("storage 0"));
    assert!(refusal(&legacy(&pickle, &[("1", 4, &floats(4))])).contains("storage 1"));
    assert!(refusal(&legacy(&pickle, &[("0", u64::MAX, &floats(4))])).contains("cut short"));
    assert!(refusal(&legacy(&pickle, &[("0", 5, &floats(4))])).contains("cut short"));
    assert!(refusal(&legacy(&pickle, &[("0", 3, &floats(4))])).contains("4 bytes follow"));
    let (a, b) = (tensor("FloatStorage", "0", 1, 0, &[1], &[1]), tensor("DoubleStorage", "0", 1, 0, &[1], &[1]));
    assert!(refusal(&legacy(&dict(&[("a", &a), ("b", &b)]), &[("0", 1, &floats(2))])).contains("two types"));
}

#[test]
fn pickles_that_make_no_sense_are_refused() {
    for pickle in [
        &b""[..],
        b".",
        b"N",
        b"(.",
        b"(N.",
        b"0.",
        b"1.",
        b"t.",
        b"2.",
        b"\x85.",
        b"N\x87.",
        b"h\x07.",
        b"j\xff\xff\xff\xff.",
        b"g-1\n.",
        b"gx\n.",
        b"Nq\x00h\x01.",
        b"NNR.",
        b"N)R.",
        b"ccollections\nOrderedDict\nNR.",
        b"ccollections\nOrderedDict\nK\x01\x85R.",
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\0))tR.",
        b"ctorch._utils\n_rebuild_parameter\nK\x01\x85R.",
        b"ctorch._tensor\n_rebuild_from_type_v2\nq\0(h\0N)tR.",
        b"ccollections\nOrderedDict\n}b.",
        b"NQ.",
        b")Q.",
        b"Pstorage\n.",
        b"}K\x01s.",
        b"}(K\x01u.",
        b"NK\x01a.",
        b"\x80\x09N.",
        b"\x82\x01.",
        b"\x97.",
        b"\xff.",
        b"X\xff\xff\xff\xff.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"X\x01\0\0\0\xff.",
        b"\x8b\xff\xff\xff\xff.",
        b"I12x\n.",
        b"Fx\n.",
        b"cos",
    ] {
        refusal(&archive(pickle, &[]));
        refusal(&legacy(pickle, &[]));
    }
}

#[test]
fn what_is_no_state_dict_is_said() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let file = |pickle: &[u8]| archive(pickle, &[&floats(1)]);
    let of = |value: &[u8]| file(&[value, b"."].concat());
    for (bytes, part) in [
        (of(&w), "a single tensor"),
        (of(b"K\x01"), "a number"),
        (of(b"]"), "a list"),
        (of(b"N"), "None"),
        (of(b"}"), "no tensor"),
        (file(&dict(&[("epoch", b"K\x01")])), "no tensor"),
        (file(&dict(&[("a", &inner_dict(&[("w", &w)])), ("b", &inner_dict(&[("w", &w)]))])), "('a', 'b')"),
    ] {
        let line = refusal(&bytes);
        assert!(line.contains("no state dict") && line.contains(part), "{line}");
    }
}

#[test]
fn state_dicts_are_found_where_programs_put_them() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let state = inner_dict(&[("w", &w)]);
    let both = inner_dict(&[("state_dict", &state), ("epoch", b"K\x03")]);
    for (pickle, entry, ignored) in [
        (dict(&[("w", &w), ("_extra_state", b"N")]), "", "_extra_state"),
        (dict(&[("w", &w), ("fp8._extra_state", &state)]), "", "fp8._extra_state"),
        (dict(&[("best", &w), ("state_dict", &state)]), "state_dict", "best"),
        (dict(&[("model_state_dict", &state), ("model_ema", &state)]), "model_state_dict", "model_ema"),
        (dict(&[("net", &state)]), "net", ""),
        (dict(&[("model", &both), ("args", b"]")]), "model.state_dict", "args model.epoch"),
        (dict(&[("generator", &state), ("epoch", b"K\x03")]), "generator", "epoch"),
    ] {
        let weights = read(&archive(&pickle, &[&floats(1)])).unwrap();
        assert_eq!((weights.entry.join("."), weights.ignored.join(" ")), (entry.to_string(), ignored.to_string()));
        assert_eq!(weights.tensors[0].0, "w");
    }
}

#[test]
fn wrappers_leave_names() {
    let w = tensor("FloatStorage", "0", 1, 0, &[1], &[1]);
    let read = |names: &[&str]| {
        let entries: Vec<(&str, &[u8])> = names.iter().map(|&name| (name, &w[..])).collect();
        read(&archive(&dict(&entries), &[&floats(1)]))
    };
    for (names, bare, stripped) in [
        (&["module.a", "module.b"][..], "a b", "module."),
        (&["_orig_mod.a.w"], "a.w", "_orig_mod."),
        (&["_orig_mod.module.a"], "a", "_orig_mod. module."),
        (&["module._orig_mod.module.a"], "a", "_orig_mod. module."),
        (&["a._orig_mod.w", "b"], "a.w b", "_orig_mod."),
        (&["n_averaged", "module.a"], "a", "module."),
        (&["module.a", "b"], "module.a b", ""),
        (&["a_orig_mod.w", "b._orig_mod"], "a_orig_mod.w b._orig_mod", ""),
        (&["module.module.a", "module.b"], "module.a b", "module."),
        (&["n_averaged"], "n_averaged", ""),
    ] {
        let weights = read(names).unwrap();
        let got: Vec<&str> = weights.tensors.iter().map(|(name, _)| &name[..]).collect();
        assert_eq!((got.join(" "), weights.stripped.join(" ")), (bare.to_string(), stripped.to_string()));
    }
    assert!(read(&["a._orig_mod.w", "a.w"]).err().unwrap().to_string().contains("'a.w'"));
}

#[test]
fn of_a_name_that_comes_twice_the_last_counts() {
    let at = |offset| tensor("FloatStorage", "0", 3, offset, &[1], &[1]);
    let pickle = dict(&[("a", &at(0)), ("b", &at(1)), ("a", &at(2))]);
    let weights = read(&archive(&pickle, &[&floats(3)])).unwrap();
    let got: Vec<_> = weights.tensors.iter().map(|(name, t)| (&name[..], t.item::<f32>())).collect();
    assert_eq!(got, [("a", 2.0), ("b", 1.0)]);
}

#[test]
fn odd_archives() {
    let pickle = one(1, 0, &[1], &[1]);
    let data = floats(1);
    let good = [("a/data.pkl", &pickle[..]), ("a/data/0", &data)];
    assert!(read(&zip_of(&good)).is_ok());
    // Names that climb out of a directory mean nothing: nothing is unpacked.
    let climbing = [good[0], good[1], ("../../etc/passwd", b"x"), ("/abs", b"x"), ("a/../data.pkl", b"x")];
    assert!(read(&zip_of(&climbing)).is_ok());
    let climbing = dict(&[("w", &tensor("FloatStorage", "../../x", 1, 0, &[1], &[1]))]);
    assert!(refusal(&archive(&climbing, &[&data])).contains("lacks the storage"));
    let two = [good[0], good[1], ("b/data.pkl", &pickle[..])];
    assert!(refusal(&zip_of(&two)).contains("more than one data.pkl"));
    for name in ["a/code/__torch__.py", "a/constants.pkl"] {
        let script = [good[0], (name, b"")];
        let error = read(&zip_of(&script)).err().unwrap();
        assert!(matches!(error, FormatError::TorchScript { .. }) && error.to_string().contains("torch.jit.load"));
    }
    assert!(refusal(&zip_of(&[("data.pkl", &pickle)])).contains("without a data.pkl"));
    assert!(refusal(&zip_of(&[])).contains("without a data.pkl"));
    let zipped = zip_with(&[good[0], ("a/data/0", &[0; 4000])], CompressionMethod::Deflated);
    assert!(refusal(&zipped).contains("compressed"));
}

/// The name `a/data/1` becomes a second `a/data/0`, in both places where it stands.
#[test]
fn two_entries_of_one_name_are_refused() {
    let mut bytes = archive(&one(1, 0, &[1], &[1]), &[&floats(1), &floats(1)]);
    let name = b"a/data/1";
    while let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
        bytes[at + name.len() - 1] = b'0';
    }
    assert!(refusal(&bytes).contains("same name"));
}

#[test]
fn a_changed_storage_is_noticed_by_its_checksum() {
    let mut bytes = archive(&one(4, 0, &[4], &[1]), &[&floats(4)]);
    let data = floats(4);
    let at = bytes.windows(data.len()).position(|window| window == data).unwrap();
    bytes[at + 5] ^= 1;
    assert!(refusal(&bytes).contains("data/0"));
}

#[test]
fn every_length_that_is_too_short_is_refused() {
    for file in ["views.pth", "views_legacy.pth", "checkpoint.pth"] {
        let bytes = std::fs::read(fixture(file)).unwrap();
        for length in 0..bytes.len() {
            refusal(&bytes[..length]);
        }
    }
}
