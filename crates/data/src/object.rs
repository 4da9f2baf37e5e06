//! [`Object`]: something in an image, with a box around it.

/// Something in an image, with a box around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The number of its class.
    pub class: usize,
    /// The left, top, right and bottom edge of its box in pixels, where the image goes from 0 to its width and height.
    pub bbox: [f32; 4],
    /// Whether it is a group of objects (COCO's `iscrowd`): not learnt, and detections in it count neither as right nor as wrong.
    pub crowd: bool,
    /// Whether it is hard to see (Pascal VOC's `difficult`): not learnt, and not measured on.
    pub difficult: bool,
}

impl Object {
    /// An object of this class with this box, which is neither a crowd nor difficult.
    pub fn new(class: usize, bbox: [f32; 4]) -> Object {
        Object { class, bbox, crowd: false, difficult: false }
    }

    /// Width and height of its box.
    pub fn size(&self) -> [f32; 2] {
        let [left, top, right, bottom] = self.bbox;
        [right - left, bottom - top]
    }

    /// The area of its box.
    pub fn area(&self) -> f32 {
        let [width, height] = self.size();
        width.max(0.0) * height.max(0.0)
    }
}
