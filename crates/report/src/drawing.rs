//! Images with what there is in them drawn over.

use striate_imaging::{AnyImage, Image, class_colour};
use striate_model::TaskCard;

/// How opaque a mask is over its image.
const OPACITY: f32 = 0.45;
/// The colour of the class that is left as it is.
const BACKGROUND: [u8; 3] = [0; 3];

/// The colours of the classes in masks of this task.
pub fn palette(task: &TaskCard, classes: usize) -> Vec<[u8; 3]> {
    match task {
        TaskCard::Segmentation { palette } => palette.clone(),
        _ => (0..classes).map(class_colour).collect(),
    }
}

/// An image with boxes: each has a class, edges in pixels, and a score if it is a prediction. Later ones are drawn under those before.
pub fn draw_objects(image: &AnyImage, boxes: &[(usize, [f32; 4], Option<f32>)], classes: &[String]) -> Image {
    let mut out = image.clone().into_bytes().to_channels(3);
    let scale = (out.width.max(out.height) / 640).max(1);
    for &(class, bbox, score) in boxes.iter().rev() {
        let colour = class_colour(class);
        let label = match score {
            Some(score) => format!("{} {score:.2}", classes[class]),
            None => classes[class].clone(),
        };
        out.draw_box(bbox, 2 * scale, colour);
        out.draw_label([bbox[0], bbox[1]], &label, scale, colour);
    }
    out
}

/// An image under the colours of the classes of its pixels; black is not drawn.
pub fn draw_classes(image: &AnyImage, mask: &Image, palette: &[[u8; 3]]) -> Image {
    let mut out = image.clone().into_bytes().to_channels(3);
    out.draw_mask(mask, OPACITY, |class| {
        palette.get(usize::from(class)).copied().filter(|colour| *colour != BACKGROUND)
    });
    out
}
