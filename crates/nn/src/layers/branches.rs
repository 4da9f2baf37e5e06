//! Layers beside each other, and around each other.

use crate::module::{Entry, EntryMut, Forward, Module, join};
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::Tensor;

/// Gives back what it gets (`torch.nn.Identity`).
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Identity {}

impl Forward for Identity {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x
    }
}

/// What becomes of the outputs of [`Parallel`] branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// They are joined along this dimension, 1 for channels.
    Cat(isize),
    /// They are added.
    Sum,
}

/// Several branches that get the same input, as in an Inception block (Szegedy et al., 2015), named by number: `0.weight`.
///
/// ```
/// use striate_nn::{Conv2d, Forward, Join, Parallel, Pass};
/// # let rng = &mut striate_tensor::Generator::new(0);
/// let block = Parallel::new(Join::Cat(1))
///     .add(Conv2d::new(3, 8, 1, rng))
///     .add(Conv2d::options(3, 4, 3).padding("same").build(rng));
/// let x = striate_tensor::Tensor::zeros([1, 3, 5, 5], striate_tensor::DType::F32);
/// assert_eq!(block.forward(x, &Pass::eval()).shape(), [1, 12, 5, 5]);
/// ```
pub struct Parallel {
    branches: Vec<Box<dyn Forward>>,
    join: Join,
}

impl Parallel {
    /// No branches yet.
    pub fn new(join: Join) -> Self {
        Parallel { branches: Vec::new(), join }
    }

    /// With one more branch.
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, branch: impl Forward + 'static) -> Self {
        self.branches.push(Box::new(branch));
        self
    }

    /// How many branches there are.
    pub fn len(&self) -> usize {
        self.branches.len()
    }

    /// Whether there are no branches.
    pub fn is_empty(&self) -> bool {
        self.branches.is_empty()
    }
}

impl Module for Parallel {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.branches.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.branches.visit_mut(prefix, f);
    }
}

impl Forward for Parallel {
    /// # Panics
    /// If there are no branches, or their outputs do not fit each other.
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        assert!(!self.branches.is_empty(), "Parallel: needs at least one branch");
        let outputs = self.branches.iter().map(|branch| branch.forward(x.clone(), pass));
        match self.join {
            Join::Cat(dim) => Tensor::cat(&outputs.collect::<Vec<_>>(), dim),
            Join::Sum => outputs.reduce(|sum, y| add("Parallel", sum, y)).expect("there is a branch"),
        }
    }
}

/// A sum without broadcasting, which would hide a branch of the wrong shape.
fn add(name: &str, a: Tensor, b: Tensor) -> Tensor {
    let (x, y) = (a.shape_value(), b.shape_value());
    assert!(
        x == y,
        "{name}: branches of shapes {x} and {y} cannot be added (a shortcut around a body that changes the shape needs a layer \
         that changes it likewise, such as a convolution of kernel size 1)"
    );
    a + b
}

/// A residual block: `body(x) + x`, or `body(x) + shortcut(x)` (He et al., 2016). The parameters are named `body.…` and
/// `shortcut.…`.
pub struct Residual {
    body: Box<dyn Forward>,
    shortcut: Option<Box<dyn Forward>>,
}

impl Residual {
    /// With the input itself as the shortcut.
    pub fn new(body: impl Forward + 'static) -> Self {
        Residual { body: Box::new(body), shortcut: None }
    }

    /// With a layer in the shortcut, for a body that changes the shape.
    pub fn shortcut(mut self, shortcut: impl Forward + 'static) -> Self {
        self.shortcut = Some(Box::new(shortcut));
        self
    }
}

impl Module for Residual {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.body.visit(&join(prefix, "body"), f);
        self.shortcut.visit(&join(prefix, "shortcut"), f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.body.visit_mut(&join(prefix, "body"), f);
        self.shortcut.visit_mut(&join(prefix, "shortcut"), f);
    }
}

impl Forward for Residual {
    /// # Panics
    /// If the body and the shortcut give different shapes.
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let y = self.body.forward(x.clone(), pass);
        let around = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x, pass),
            None => x,
        };
        add("Residual", y, around)
    }
}
