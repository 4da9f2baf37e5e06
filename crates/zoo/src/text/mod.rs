//! Networks as text: `conv 32 3, relu, maxpool 2, flatten, linear`.
//!
//! [`Net::parse`] reads the text, [`Net::plan`] works out every shape for the images and classes at hand, and [`Plan::build`] makes
//! the network. The layers that can be written are the entries of [`WORDS`]; a new one is one entry there. The grammar stands in the
//! book (`docs/book`, "Networks as text").
//!
//! ```
//! use striate_nn::{Forward, Module, Pass};
//! use striate_tensor::{DType, Generator, Tensor};
//! use striate_zoo::text;
//!
//! let (net, plan) = text::read("conv2d 8 3x3, ReLU, maxpool 2, flatten, linear", [1, 28, 28], 10)?;
//! assert_eq!(net.to_string(), "conv 8 3, relu, maxpool 2, flatten, linear");
//! let network = plan.build(&mut Generator::new(0));
//! assert_eq!(network.named_parameters()[2].0, "4.weight");
//! let logits = network.forward(Tensor::zeros([2, 1, 28, 28], DType::F32), &Pass::eval());
//! assert_eq!(logits.shape(), [2, 10]);
//! # Ok::<(), text::TextError>(())
//! ```

mod build;
mod closest;
mod error;
mod grammar;
mod layers;
mod plan;
mod settings;
mod tokens;
mod words;

pub use build::{Plan, read};
pub use closest::closest;
pub(crate) use error::Fault;
pub use error::TextError;
pub use grammar::{Item, Layer, Net};
pub use plan::{Size, Value};
pub use settings::{Fallback, Kind, Setting};
pub use tokens::Span;
pub use words::{WORDS, Word};
