//! The weights that torchvision loads by default. Made by `scripts/published_weights.py`.

use super::Interpolation::{Bicubic, Bilinear};
use super::Version::{V1, V2};
use super::{HALVES, IMAGENET, Published, row};

/// As of torchvision 0.29.2.
#[rustfmt::skip]
pub(super) const TORCHVISION: &[Published] = &[
    row!("resnet18", "resnet18-f37072fd.pth", "f37072fd", V1, 46_830_453, 69.758, 256, 224, Bilinear, IMAGENET),
    row!("resnet34", "resnet34-b627a593.pth", "b627a593", V1, 87_320_166, 73.314, 256, 224, Bilinear, IMAGENET),
    row!("resnet50", "resnet50-11ad3fa6.pth", "11ad3fa6", V2, 102_540_247, 80.858, 232, 224, Bilinear, IMAGENET),
    row!("resnet101", "resnet101-cd907fc2.pth", "cd907fc2", V2, 178_813_665, 81.886, 232, 224, Bilinear, IMAGENET),
    row!("resnet152", "resnet152-f82ba261.pth", "f82ba261", V2, 241_669_505, 82.284, 232, 224, Bilinear, IMAGENET),
    row!("wide-resnet50-2", "wide_resnet50_2-9ba9bcbe.pth", "9ba9bcbe", V2, 275_905_511, 81.602, 232, 224, Bilinear, IMAGENET),
    row!("resnext50-32x4d", "resnext50_32x4d-1a0047aa.pth", "1a0047aa", V2, 100_488_184, 81.198, 232, 224, Bilinear, IMAGENET),
    row!("mobilenet-v2", "mobilenet_v2-7ebf99e0.pth", "7ebf99e0", V2, 14_258_536, 72.154, 232, 224, Bilinear, IMAGENET),
    row!("mobilenet-v3-small", "mobilenet_v3_small-047dcff4.pth", "047dcff4", V1, 10_306_454, 67.668, 256, 224, Bilinear, IMAGENET),
    row!("mobilenet-v3-large", "mobilenet_v3_large-5c1a4163.pth", "5c1a4163", V2, 22_132_294, 75.274, 232, 224, Bilinear, IMAGENET),
    row!("efficientnet-b0", "efficientnet_b0_rwightman-7f5810bc.pth", "7f5810bc", V1, 21_444_428, 77.692, 256, 224, Bicubic, IMAGENET),
    row!("efficientnet-b1", "efficientnet_b1-c27df63c.pth", "c27df63c", V2, 31_599_886, 79.838, 255, 240, Bilinear, IMAGENET),
    row!("efficientnet-b2", "efficientnet_b2_rwightman-c35c1473.pth", "c35c1473", V1, 36_882_612, 80.608, 288, 288, Bicubic, IMAGENET),
    row!("efficientnet-b3", "efficientnet_b3_rwightman-b3899882.pth", "b3899882", V1, 49_476_010, 82.008, 320, 300, Bicubic, IMAGENET),
    row!("efficientnet-b4", "efficientnet_b4_rwightman-23ab8bcd.pth", "23ab8bcd", V1, 78_107_378, 83.384, 384, 380, Bicubic, IMAGENET),
    row!("mnasnet0-5", "mnasnet0.5_top1_67.823-3ffadce67e.pth", "3ffadce67e", V1, 9_008_316, 67.734, 256, 224, Bilinear, IMAGENET),
    row!("mnasnet0-75", "mnasnet0_75-7090bc5f.pth", "7090bc5f", V1, 12_900_631, 71.180, 232, 224, Bilinear, IMAGENET),
    row!("mnasnet1-0", "mnasnet1.0_top1_73.512-f206786ef8.pth", "f206786ef8", V1, 17_736_663, 73.456, 256, 224, Bilinear, IMAGENET),
    row!("mnasnet1-3", "mnasnet1_3-a4c69d6f.pth", "a4c69d6f", V1, 25_423_774, 76.506, 232, 224, Bilinear, IMAGENET),
    row!("shufflenet-v2-x0-5", "shufflenetv2_x0.5-f707e7126e.pth", "f707e7126e", V1, 5_538_578, 60.552, 256, 224, Bilinear, IMAGENET),
    row!("shufflenet-v2-x1-0", "shufflenetv2_x1-5666bf0f80.pth", "5666bf0f80", V1, 9_218_032, 69.362, 256, 224, Bilinear, IMAGENET),
    row!("regnet-y-400mf", "regnet_y_400mf-e6988f5f.pth", "e6988f5f", V2, 17_622_368, 75.804, 232, 224, Bilinear, IMAGENET),
    row!("regnet-x-400mf", "regnet_x_400mf-62229a5f.pth", "62229a5f", V2, 22_289_580, 74.864, 232, 224, Bilinear, IMAGENET),
    row!("densenet121", "densenet121-a639ec97.pth", "a639ec97", V1, 32_343_327, 74.434, 256, 224, Bilinear, IMAGENET),
    row!("densenet169", "densenet169-b2777c0a.pth", "b2777c0a", V1, 57_365_496, 75.600, 256, 224, Bilinear, IMAGENET),
    row!("convnext-tiny", "convnext_tiny-983f1562.pth", "983f1562", V1, 114_419_565, 82.520, 236, 224, Bilinear, IMAGENET),
    row!("googlenet", "googlenet-1378be20.pth", "1378be20", V1, 52_146_733, 69.778, 256, 224, Bilinear, HALVES),
    row!("inception-v3", "inception_v3_google-0cc3c7bd.pth", "0cc3c7bd", V1, 108_950_192, 77.294, 342, 299, Bilinear, HALVES),
    row!("squeezenet1-0", "squeezenet1_0-b66bff10.pth", "b66bff10", V1, 5_010_096, 58.092, 256, 224, Bilinear, IMAGENET),
    row!("squeezenet1-1", "squeezenet1_1-b8a52dc0.pth", "b8a52dc0", V1, 4_958_716, 58.178, 256, 224, Bilinear, IMAGENET),
    row!("alexnet", "alexnet-owt-7be5be79.pth", "7be5be79", V1, 244_409_434, 56.522, 256, 224, Bilinear, IMAGENET),
    row!("vgg11", "vgg11-8a719046.pth", "8a719046", V1, 531_460_260, 69.020, 256, 224, Bilinear, IMAGENET),
    row!("vgg13", "vgg13-19584684.pth", "19584684", V1, 532_199_506, 69.928, 256, 224, Bilinear, IMAGENET),
    row!("vgg16", "vgg16-397923af.pth", "397923af", V1, 553_434_218, 71.592, 256, 224, Bilinear, IMAGENET),
    row!("vgg19", "vgg19-dcbb9e9d.pth", "dcbb9e9d", V1, 574_673_125, 72.376, 256, 224, Bilinear, IMAGENET),
    row!("vgg11-bn", "vgg11_bn-6002323d.pth", "6002323d", V1, 531_503_251, 70.370, 256, 224, Bilinear, IMAGENET),
    row!("vgg13-bn", "vgg13_bn-abd245e5.pth", "abd245e5", V1, 532_246_692, 71.586, 256, 224, Bilinear, IMAGENET),
    row!("vgg16-bn", "vgg16_bn-6c64b313.pth", "6c64b313", V1, 553_507_619, 73.360, 256, 224, Bilinear, IMAGENET),
    row!("vgg19-bn", "vgg19_bn-c79401a0.pth", "c79401a0", V1, 574_769_594, 74.218, 256, 224, Bilinear, IMAGENET),
];
