//! From and to arrays of other crates, behind the features `ndarray` and `image`.

use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use ndarray::{Array2, Array4, Axis, Ix2, array, s};
use striate::prelude::*;

#[test]
fn rust_arrays_and_slices() {
    let x = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    assert_eq!((x.shape(), x.to_vec::<f32>()), (&[2, 2][..], vec![1.0, 2.0, 3.0, 4.0]));
    assert_eq!(Tensor::from(vec![1i64, 2]).shape(), [2]);
    assert_eq!(Tensor::from(&[1u8, 2][..]).dtype(), DType::U8);
    let cube = Tensor::from([[[1.0f64], [2.0]], [[3.0], [4.0]], [[5.0], [6.0]]]);
    assert_eq!((cube.shape(), cube.index((1, 1, 0)).item::<f64>()), (&[3, 2, 1][..], 4.0));
    let images = Tensor::from([[[[1i64, 2], [3, 4]]], [[[5, 6], [7, 8]]]]);
    assert_eq!((images.shape(), images.to_vec::<i64>()), (&[2, 1, 2, 2][..], (1..=8).collect()));
}

#[test]
fn ndarray_arrays_in_any_layout() {
    let a = array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
    assert_eq!(Tensor::from(&a).to_vec::<f32>(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(Tensor::from(a.t()).to_vec::<f32>(), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(Tensor::from(a.slice(s![.., ..;2])).to_vec::<f32>(), [1.0, 3.0, 4.0, 6.0]);
    let mut backwards = a.clone();
    backwards.invert_axis(Axis(1));
    assert_eq!(Tensor::from(&backwards).to_vec::<f32>(), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);

    let back: Array2<f32> = Tensor::from(&a).to_ndarray().into_dimensionality::<Ix2>().unwrap();
    assert_eq!(back, a);
    let images = Array4::from_shape_fn((2, 3, 4, 5), |(n, c, h, w)| (n * 1000 + c * 100 + h * 10 + w) as i64);
    let x = Tensor::from(images.clone());
    assert_eq!(x.index((1, 2, 3, 4)).item::<i64>(), 1234);
    assert_eq!(x.to_ndarray::<i64>(), images.into_dyn());
    assert_eq!(x.transpose(1, 3).to_ndarray::<i64>()[[1, 4, 3, 2]], 1234);
    let scalar = Tensor::from(ndarray::arr0(2.5f64));
    assert_eq!((scalar.rank(), scalar.item::<f64>()), (0, 2.5));
    assert_eq!(Tensor::zeros([0, 3], DType::U8).to_ndarray::<u8>().shape(), [0, 3]);
}

#[test]
fn images_are_channels_first() {
    let image = RgbImage::from_fn(4, 3, |x, y| Rgb([x as u8, y as u8, 200]));
    let x = Tensor::from(&image);
    assert_eq!((x.dtype(), x.shape()), (DType::U8, &[3, 3, 4][..]));
    assert_eq!(x.index((0, 2)).to_vec::<u8>(), [0, 1, 2, 3]);
    assert_eq!(x.index((1, 2)).to_vec::<u8>(), [2; 4]);
    assert_eq!(x.to_image().to_rgb8(), image);
    assert_eq!(x.clone().unsqueeze(0).to_image().to_rgb8(), image);

    let unit = x.to_dtype(DType::F32) / 255.0;
    assert_eq!(unit.to_image().to_rgb8(), image);
    let beyond = Tensor::from([[[-1.0f32, 0.5, 2.0, f32::NAN]]]).to_image();
    assert_eq!(beyond.to_luma8().into_raw(), [0, 128, 255, 0]);

    let float = ImageBuffer::<Luma<f32>, Vec<f32>>::from_raw(2, 1, vec![0.25, 0.75]).unwrap();
    assert_eq!(Tensor::from(&float).to_vec::<f32>(), [0.25, 0.75]);
}

#[test]
fn images_of_all_kinds() {
    let grey = DynamicImage::from(GrayImage::from_raw(2, 1, vec![7, 9]).unwrap());
    let x = Tensor::from_image(&grey);
    assert_eq!((x.shape(), x.to_vec::<u8>()), (&[1, 1, 2][..], vec![7, 9]));
    assert_eq!(x.to_image(), grey);
    let alpha = DynamicImage::from(RgbaImage::from_pixel(3, 2, Rgba([1, 2, 3, 4])));
    let x = Tensor::from_image(&alpha);
    assert_eq!((x.shape(), x.index((.., 1, 2)).to_vec::<u8>()), (&[4, 2, 3][..], vec![1, 2, 3, 4]));
    assert_eq!(x.to_image(), alpha);
    let grey_alpha = grey.to_luma_alpha8();
    assert_eq!(Tensor::from_image(&DynamicImage::from(grey_alpha.clone())).to_image().to_luma_alpha8(), grey_alpha);
    let deep = DynamicImage::from(ImageBuffer::<Luma<u16>, Vec<u16>>::from_raw(2, 1, vec![0, 65535]).unwrap());
    assert_eq!(Tensor::from_image(&deep).to_vec::<u8>(), [0, 255]);
}

#[test]
#[should_panic(expected = "to_image: needs [1 to 4 channels, height, width], got [2, 3]")]
fn what_is_no_image_is_refused() {
    Tensor::zeros([2, 3], DType::U8).to_image();
}
