//! Views of matrices.

/// A view of a matrix: element (i, j) is `data[i * row_stride + j * col_stride]`.
///
/// A transposed matrix is the same data with the strides swapped; a stride of zero repeats a row or a column.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The elements; element (0, 0) is the first.
    pub data: &'a [T],
    /// The distance from one row to the next.
    pub row_stride: usize,
    /// The distance from one column to the next.
    pub col_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A dense row-major matrix with `cols` columns.
    pub fn row_major(data: &'a [T], cols: usize) -> Self {
        Matrix { data, row_stride: cols, col_stride: 1 }
    }

    /// The transpose: the same data, seen with rows and columns exchanged.
    pub fn t(self) -> Self {
        Matrix { data: self.data, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// How many elements a view with this many rows and columns reaches into.
    pub(super) fn reach(&self, rows: usize, cols: usize) -> usize {
        if rows == 0 || cols == 0 { 0 } else { (rows - 1) * self.row_stride + (cols - 1) * self.col_stride + 1 }
    }
}
