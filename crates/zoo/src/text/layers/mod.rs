//! What each layer of the table makes of an input of a known size.

pub(super) mod activation;
pub(super) mod conv;
pub(super) mod norm;
pub(super) mod pool;
pub(super) mod shape;

use super::plan::{Make, Misfit, Planned, Size};
use striate_nn::Forward;

type Result = std::result::Result<Planned, Misfit>;

/// A layer without parameters that can be copied.
fn plain(output: Size, layer: impl Forward + Clone + 'static) -> Result {
    let make: Make = Box::new(move |_| Box::new(layer.clone()));
    Ok(Planned { output, parameters: 0, make })
}

fn image(word: &str, input: Size) -> std::result::Result<[usize; 3], Misfit> {
    match input {
        Size::Image(sizes) => Ok(sizes),
        Size::Flat(n) => Err(format!(
            "{word} needs images (channels×height×width), but gets a list of {n} numbers: put it before flatten"
        )
        .into()),
    }
}

fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |n, &s| n.saturating_mul(s))
}

fn too_large(word: &str, window: [usize; 2], [_, h, w]: [usize; 3], padded: bool) -> Misfit {
    let [a, b] = window;
    let with = if padded { " with this padding" } else { "" };
    format!("a window of {a}×{b} does not fit {h}×{w} images{with}: give {word} padding, or shrink the images less before it").into()
}
