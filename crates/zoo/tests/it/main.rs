//! Ready networks and networks as text, as a user of the crate sees them.

mod parts;
mod taps;
mod text;
mod text_layers;
mod weights;
