//! The loss of a detector, and which places learn which object, against a reference in PyTorch that was written from the papers.

use super::fixtures::{Tolerance, for_each_case};
use super::losses::number;
use super::nets::hashed;
use striate::prelude::*;
use striate::train::{Detection, Task};

#[test]
fn detection_losses() {
    for_each_case("detection_loss", |case| {
        let shape = case.sizes("output");
        let [n, _, values] = shape[..] else { panic!("{}: not the shape of outputs", case.name) };
        let [height, width] = case.pair("size", [0, 0]);
        let task = Detection::new(values - striate::zoo::BOX_VALUES, &case.sizes("strides"));
        let batch = Batch {
            images: Tensor::zeros([n, 3, height, width], DType::F32),
            targets: case.tensor("targets"),
            soft_labels: None,
            indices: (0..n).collect(),
        };
        let outputs = Tensor::from_vec(hashed(1, &shape), shape) * number(case, "scale");
        let outputs = outputs.requires_grad();
        let loss = Task::<Linear>::loss(&task, outputs.clone(), &batch);
        case.compare("loss", &loss, Tolerance { relative: 1e-5, of_largest: 0.0 })?;
        let grad = loss.backward().get(&outputs).ok_or("the outputs have no gradient")?;
        case.compare("grad", &grad, Tolerance { relative: 1e-5, of_largest: 2e-6 })
    });
}
