//! The sizes of a convolution.

/// The sizes of one convolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conv2dShape {
    /// Images.
    pub batch: usize,
    /// Input channels.
    pub in_channels: usize,
    /// Input height and width, without padding.
    pub in_size: [usize; 2],
    /// Output channels.
    pub out_channels: usize,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Step of the window, down and right.
    pub stride: [usize; 2],
    /// Zeros around the input: `[[top, bottom], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Distance of kernel elements, down and right; 1 is a dense kernel.
    pub dilation: [usize; 2],
    /// Into how many independent groups the channels are split.
    pub groups: usize,
}

impl Conv2dShape {
    /// Whether every channel has a kernel of its own, and no other, and this build has kernels for that.
    pub(crate) fn is_depthwise(&self) -> bool {
        cfg!(feature = "depthwise")
            && self.groups > 1
            && self.groups == self.in_channels
            && self.groups == self.out_channels
    }

    /// Output height and width: ⌊(in + padding - dilation · (kernel - 1) - 1) / stride⌋ + 1.
    ///
    /// # Panics
    /// If a size is zero that must not be, the groups do not divide the channels, or the kernel is larger than the
    /// padded input.
    pub fn out_size(&self) -> [usize; 2] {
        let positive = self.kernel.iter().chain(&self.stride).chain(&self.dilation).all(|&x| x > 0);
        assert!(positive, "conv2d: kernel, stride and dilation must be positive, got {self:?}");
        assert!(
            self.groups > 0
                && self.in_channels.is_multiple_of(self.groups)
                && self.out_channels.is_multiple_of(self.groups),
            "conv2d: {} groups do not divide {} input and {} output channels",
            self.groups,
            self.in_channels,
            self.out_channels
        );
        [0, 1].map(|d| {
            let padded = self.in_size[d] + self.padding[d][0] + self.padding[d][1];
            let window = self.dilation[d] * (self.kernel[d] - 1) + 1;
            assert!(
                padded >= window,
                "conv2d: a {:?} kernel with dilation {:?} is larger than the {:?} input with padding {:?}",
                self.kernel,
                self.dilation,
                self.in_size,
                self.padding
            );
            (padded - window) / self.stride[d] + 1
        })
    }

    /// Whether it multiplies each pixel that it reads by one matrix, outputs × inputs.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == [1; 2] && self.padding == [[0; 2]; 2] && self.groups == 1
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.in_size[0] * self.in_size[1] * self.in_channels
    }

    /// Elements of the weight.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.kernel[0] * self.kernel[1] * self.in_channels / self.groups
    }

    /// Elements of the output.
    ///
    /// # Panics
    /// As [`Conv2dShape::out_size`].
    pub fn output_len(&self) -> usize {
        let [h, w] = self.out_size();
        self.batch * h * w * self.out_channels
    }

    /// Multiplications of the plain algorithm, those with padding included.
    ///
    /// # Panics
    /// As [`Conv2dShape::out_size`].
    pub fn macs(&self) -> u64 {
        let window = self.kernel[0] * self.kernel[1] * self.in_channels / self.groups;
        self.output_len() as u64 * window as u64
    }

    pub(super) fn check(&self, op: &str, input: usize, weight: usize, output: usize) {
        let needed = (self.input_len(), self.weight_len(), self.output_len());
        assert!(
            (input, weight, output) == needed,
            "{op}: {self:?} needs {} input, {} weight and {} output elements, got {input}, {weight} and {output}",
            needed.0,
            needed.1,
            needed.2
        );
    }
}
