//! `--ui` where there is no terminal, or one that takes no full screen.

use crate::common::*;

#[test]
fn without_a_terminal_plain_lines_are_printed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let train = ["train", "squares", "--model", "lenet", "--epochs", "1", "--batch-size", "20", "--ui"];
    let said = succeed(d, &train);
    assert!(said.contains("note: there is no --ui here, for standard output is no terminal: plain lines"), "{said}");
    assert!(said.contains("Epoch: [1/1], Test Loss") && said.contains("Done in") && !said.contains('\x1b'), "{said}");
    succeed(d, &[&train[..8], &["--folds", "2", "--quiet", "--tensorboard", "--out", "cv"]].concat());
    assert!(d.join("cv/fold-2/tensorboard").is_dir());
    fail(d, &["train", "--resume", "cv", "--ui"], 1, &["--ui shows one training, and cv holds several"]);
    for other in [&["--log", "json"][..], &["--quiet"], &["--folds", "3"]] {
        fail(d, &[&train[..], other].concat(), 2, &["--ui", other[0]]);
    }
}
