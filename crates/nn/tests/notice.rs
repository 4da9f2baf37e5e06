//! What a loss notes of its input.
//!
//! A process of its own, because the listener, and what has been noted once, belong to the process.

use std::sync::Mutex;
use striate_nn::{BCEWithLogitsLoss, CrossEntropyLoss, notice};
use striate_tensor::{DType, Tensor};

fn z(shape: &[usize]) -> Tensor {
    Tensor::zeros(shape, DType::F32)
}

#[test]
fn what_is_normalized_already_is_noted_once() {
    static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    notice::listen(|note| HEARD.lock().unwrap().push(note.to_string()));
    let heard = || std::mem::take(&mut *HEARD.lock().unwrap());
    let target = Tensor::from_vec(vec![0i64, 2], [2]);
    let logits = z(&[2, 3]).requires_grad();
    let loss = CrossEntropyLoss::new();
    loss.forward(logits.clone(), &target);
    assert_eq!(heard(), Vec::<String>::new());
    for _ in 0..3 {
        loss.forward(logits.clone().log_softmax(1), &target);
    }
    let notes = heard();
    assert!(notes.len() == 1 && notes[0].contains("log_softmax") && notes[0].contains("redundant"), "{notes:?}");
    loss.forward(logits.clone().softmax(1), &target);
    let notes = heard();
    assert!(notes.len() == 1 && notes[0].contains("leave softmax out"), "{notes:?}");
    BCEWithLogitsLoss::new().forward(logits.sigmoid(), &z(&[2, 3]));
    assert_eq!(heard().len(), 1);
}
