//! mnist-net with candle on the CPU.

use crate::{Settings, Times};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{AdamW, Conv2d, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss, ops};

struct Net {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl Net {
    fn new(vb: VarBuilder) -> Result<Self> {
        Ok(Net {
            conv1: candle_nn::conv2d(1, 32, 3, Default::default(), vb.pp("conv1"))?,
            conv2: candle_nn::conv2d(32, 64, 3, Default::default(), vb.pp("conv2"))?,
            fc1: candle_nn::linear(9216, 128, vb.pp("fc1"))?,
            fc2: candle_nn::linear(128, 10, vb.pp("fc2"))?,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.conv1.forward(x)?.relu()?;
        let mut x = self.conv2.forward(&x)?.relu()?.max_pool2d(2)?;
        if train {
            // Dropout of whole channels.
            let (n, c, _, _) = x.dims4()?;
            let mask = Tensor::rand(0f32, 1f32, (n, c, 1, 1), x.device())?.ge(0.25)?.to_dtype(DType::F32)?;
            x = x.broadcast_mul(&(mask / 0.75)?)?;
        }
        let mut x = self.fc1.forward(&x.flatten_from(1)?)?.relu()?;
        if train {
            x = ops::dropout(&x, 0.5)?;
        }
        self.fc2.forward(&x)
    }
}

pub fn measure(settings: &Settings) -> Result<Times> {
    let (device, n) = (Device::Cpu, settings.batch);
    let variables = VarMap::new();
    let net = Net::new(VarBuilder::from_varmap(&variables, DType::F32, &device))?;
    let images = Tensor::randn(0f32, 1f32, (n, 1, 28, 28), &device)?;
    let labels = Tensor::from_vec((0..n as i64).map(|i| i * 7 % 10).collect(), n, &device)?;
    // Adam, which is AdamW without decay.
    let adam = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..Default::default() };
    let mut optimizer = AdamW::new(variables.all_vars(), adam)?;
    let mut train = || optimizer.backward_step(&loss::cross_entropy(&net.forward(&images, true)?, &labels)?);
    train()?;
    let train_ms = settings.time(|| train().expect("as in the step before"));
    let infer = || net.forward(&images, false);
    infer()?;
    let infer_ms = settings.time(|| drop(std::hint::black_box(infer().expect("as in the pass before"))));
    Ok(Times { train_ms, infer_ms })
}
