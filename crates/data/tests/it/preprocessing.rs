//! Images of a data set, and what their preprocessing makes of them.

use striate_data::mnist;
use striate_imaging::{Preprocessing, Transform, Value};

#[test]
fn training_and_predicting_agree() {
    let mnist = mnist().unwrap();
    for pad in [0, 2] {
        let p = Preprocessing { pad, ..mnist.preprocessing() };
        assert_eq!(p.output_shape(), [1, 28 + 2 * pad, 28 + 2 * pad]);
        for i in (0..10_000).step_by(101) {
            let image = mnist.test.image(i);
            let (x, prepared) = p.apply(&image);
            assert!(!prepared.inverted && prepared.resized_from.is_none());
            let trained = p.transform().apply(Value::Image(image)).into_tensor();
            assert_eq!(x.to_vec::<f32>(), trained.to_vec::<f32>());
        }
    }
    let p = mnist.preprocessing();
    let inverted = (0..10_000).filter(|&i| p.fit(&mnist.test.image(i)).1.inverted).count();
    assert_eq!(inverted, 0);
}
