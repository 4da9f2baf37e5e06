//! [`Family`]: which ops are computed alike, and which of them a build has.

/// Which ops are computed alike. A build that runs one network leaves out the families that the network lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Views.
    Shape,
    /// Joined tensors, and padding.
    Concatenation,
    /// Picking by number.
    Indexing,
    /// Other element types.
    Conversion,
    /// Functions of one element, and whether all are finite.
    Unary,
    /// Functions of elements of several tensors.
    Elementwise,
    /// Sums and choices along dimensions, and sorting.
    Reduction,
    /// Products of matrices.
    Matrix,
    /// Convolutions.
    Convolution,
    /// Transposed convolutions.
    TransposedConvolution,
    /// Poolings.
    Pooling,
    /// Poolings to a size.
    AdaptivePooling,
    /// Images in another size or place.
    Resampling,
    /// Normalizations.
    Normalization,
    /// Softmax and cross-entropy.
    Softmax,
}

impl Family {
    /// The feature of this crate that brings these ops to the CPU, and whether this build has it; none for ops that every build has.
    pub const fn feature(self) -> Option<(&'static str, bool)> {
        Some(match self {
            Family::Concatenation => ("concatenation", cfg!(feature = "concatenation")),
            Family::Indexing => ("indexing", cfg!(feature = "indexing")),
            Family::Conversion => ("conversion", cfg!(feature = "conversion")),
            Family::Elementwise => ("elementwise", cfg!(feature = "elementwise")),
            Family::Reduction => ("reduction", cfg!(feature = "reduction")),
            Family::TransposedConvolution => ("transposed-convolution", cfg!(feature = "transposed-convolution")),
            Family::AdaptivePooling => ("adaptive-pooling", cfg!(feature = "adaptive-pooling")),
            Family::Resampling => ("resampling", cfg!(feature = "resampling")),
            Family::Normalization => ("normalization", cfg!(feature = "normalization")),
            Family::Shape
            | Family::Unary
            | Family::Matrix
            | Family::Convolution
            | Family::Pooling
            | Family::Softmax => {
                return None;
            }
        })
    }

    /// Whether the CPU computes these ops in this build.
    pub const fn is_built(self) -> bool {
        match self.feature() {
            Some((_, is_built)) => is_built,
            None => true,
        }
    }
}
