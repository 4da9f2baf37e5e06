//! The English pages of the book, so that their code is compiled and run. `tests/it/book.rs` compares the Chinese ones with them.

macro_rules! pages {
    ($($name:ident: $file:literal),* $(,)?) => {
        $(
            #[doc = include_str!(concat!("../../../docs/book/en/src/", $file))]
            struct $name;
        )*
    };
}

pages! {
    Introduction: "introduction.md",
    Convolution: "convolution.md",
    Pooling: "pooling.md",
    Activations: "activations.md",
    Networks: "networks.md",
    Data: "data.md",
    LossAndOptimizer: "loss-and-optimizer.md",
    TrainingLoop: "training-loop.md",
    Trainer: "trainer.md",
    Evaluation: "evaluation.md",
    Questions: "questions.md",
    ComingFromPyTorch: "coming-from-pytorch.md",
    FineTuning: "finetuning.md",
    Detection: "detection.md",
    Segmentation: "segmentation.md",
    Report: "report.md",
    Explanations: "explanations.md",
    Calibration: "calibration.md",
    Robustness: "robustness.md",
    Groups: "groups.md",
    Compare: "compare.md",
}
