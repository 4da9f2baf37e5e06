//! Einstein summation.

use crate::op::hints::is_float;
use crate::op::{ensure, must, same_dtype};
use crate::shape::{MAX_RANK, Shape};
use crate::tensor::Tensor;

/// A dimension's name. The dimensions of `...` are named by what no subscript can hold.
type Label = char;

fn hidden(i: usize) -> Label {
    char::from_u32(0xE000 + i as u32).expect("a private character")
}

/// The labels of one operand; `rank` dimensions are hidden behind `...`.
fn labels(equation: &str, term: &str, hidden_rank: usize) -> Result<Vec<Label>, String> {
    let (before, behind) = term.split_once("...").map_or((term, None), |(a, b)| (a, Some(b)));
    let names = |part: &str| -> Result<Vec<Label>, String> {
        let bad = part.chars().find(|c| !c.is_ascii_alphabetic());
        ensure!(bad.is_none(), "einsum: {:?} in {equation:?} is no letter", bad.unwrap_or_default());
        Ok(part.chars().collect())
    };
    // Those of different operands are aligned at the last one, as in broadcasting.
    let hidden = (0..if behind.is_some() { hidden_rank } else { 0 }).rev().map(hidden);
    let behind = behind.map(names).transpose()?.unwrap_or_default();
    Ok(names(before)?.into_iter().chain(hidden).chain(behind).collect())
}

/// An operand whose dimensions have names.
struct Term {
    x: Tensor,
    labels: Vec<Label>,
}

impl Term {
    fn has(&self, label: Label) -> bool {
        self.labels.contains(&label)
    }

    /// Takes the diagonal where a name is there twice.
    fn without_repeats(mut self) -> Result<Term, String> {
        while let Some((i, j)) = (0..self.labels.len())
            .flat_map(|j| (0..j).map(move |i| (i, j)))
            .find(|&(i, j)| self.labels[i] == self.labels[j])
        {
            let shape = self.x.shape_value();
            ensure!(shape[i] == shape[j], "einsum: {:?} has two sizes in shape {shape}", self.labels[i]);
            let label = self.labels.remove(j);
            self.labels.remove(i);
            self.labels.push(label);
            self.x = self.x.diagonal(i as isize, j as isize);
        }
        Ok(self)
    }

    /// Sums over the dimensions that are not `needed`.
    fn summed(mut self, needed: impl Fn(Label) -> bool) -> Term {
        let dims: Vec<isize> =
            (0..self.labels.len()).filter(|&d| !needed(self.labels[d])).map(|d| d as isize).collect();
        if !dims.is_empty() {
            self.x = self.x.sum(&dims);
            self.labels.retain(|&l| needed(l));
        }
        self
    }

    /// With its dimensions in the order of `labels`, which it has.
    fn ordered(self, labels: &[Label]) -> Tensor {
        let place = |l: &Label| self.labels.iter().position(|m| m == l).expect("a label of the term") as isize;
        let order: Vec<isize> = labels.iter().map(place).collect();
        if order.iter().enumerate().all(|(i, &d)| i as isize == d) { self.x } else { self.x.permute(&order) }
    }

    /// The sum of products over what both have and nobody else needs, as one batch of matrix products.
    fn times(self, other: Term, needed: impl Fn(Label) -> bool) -> Term {
        let a = self.summed(|l| needed(l) || other.has(l));
        let b = other.summed(|l| needed(l) || a.has(l));
        let (batch, inner): (Vec<Label>, Vec<Label>) =
            a.labels.iter().filter(|&&l| b.has(l)).partition(|&&l| needed(l));
        let rows: Vec<Label> = a.labels.iter().copied().filter(|&l| !b.has(l)).collect();
        let columns: Vec<Label> = b.labels.iter().copied().filter(|&l| !a.has(l)).collect();
        let sizes = |t: &Term, of: &[Label]| -> Vec<usize> {
            of.iter().map(|l| t.x.shape()[t.labels.iter().position(|m| m == l).expect("a label of the term")]).collect()
        };
        let [bs, ns, rs, cs] = [sizes(&a, &batch), sizes(&a, &inner), sizes(&a, &rows), sizes(&b, &columns)];
        let [nb, ni, nr, nc]: [usize; 4] = [&bs, &ns, &rs, &cs].map(|s| s.iter().product());
        let x = a.ordered(&[&batch[..], &rows, &inner].concat()).reshape([nb, nr, ni]);
        let y = b.ordered(&[&batch[..], &inner, &columns].concat()).reshape([nb, ni, nc]);
        Term { x: x.matmul(&y).reshape([bs, rs, cs].concat()), labels: [batch, rows, columns].concat() }
    }
}

impl Tensor {
    /// Sums of products written in Einstein's notation (`torch.einsum`): each letter names a dimension of an operand, equal
    /// letters are dimensions that run together, and what does not stand behind `->` is summed over.
    ///
    /// `"ij,jk->ik"` is a matrix product, `"bij,bjk->bik"` a batch of them, `"i,j->ij"` an outer product, `"ii->i"` a diagonal,
    /// `"ij->"` the sum, `"...ij->...ji"` a transposition. Without `->` the result has the letters that are there once, in
    /// alphabetical order, behind the dimensions of `...`. Dimensions of size 1 are broadcast. Operands are multiplied from left
    /// to right.
    ///
    /// ```
    /// use striate_tensor::Tensor;
    /// let a = Tensor::from([[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(Tensor::einsum("ij,kj->ik", &[a.clone(), a]).to_vec::<f32>(), [5.0, 11.0, 11.0, 25.0]);
    /// ```
    ///
    /// # Panics
    /// If the equation cannot be read, does not fit the operands' ranks, gives one letter two sizes, or the types differ or are
    /// not floating-point.
    pub fn einsum(equation: &str, operands: &[Tensor]) -> Tensor {
        must(Tensor::try_einsum(equation, operands))
    }

    /// As [`Tensor::einsum`], or the message that it panics with.
    pub fn try_einsum(equation: &str, operands: &[Tensor]) -> Result<Tensor, String> {
        let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = text.split_once("->").map_or((&*text, None), |(a, b)| (a, Some(b)));
        let terms: Vec<&str> = inputs.split(',').collect();
        ensure!(
            terms.len() == operands.len() && !operands.is_empty(),
            "einsum: {equation:?} names {} operands, got {}",
            terms.len(),
            operands.len()
        );

        let mut hidden_rank = 0;
        let mut named_terms = Vec::new();
        for (term, x) in terms.iter().zip(operands) {
            same_dtype("einsum", &operands[0].spec(), &x.spec())?;
            is_float("einsum", &x.spec())?;
            let named = term.replacen("...", "", 1).chars().count();
            let rest = x.rank().checked_sub(named).filter(|&rest| rest == 0 || term.contains("..."));
            let rest =
                rest.ok_or_else(|| format!("einsum: {term:?} in {equation:?} does not fit shape {}", x.shape_value()))?;
            hidden_rank = hidden_rank.max(rest);
            let labels = labels(equation, term, rest)?;
            named_terms.push(Term { x: x.clone(), labels }.without_repeats()?);
        }
        let mut terms = named_terms;
        let mut all: Vec<Label> = terms.iter().flat_map(|t| t.labels.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        ensure!(all.len() <= MAX_RANK, "einsum: {equation:?} has {} dimensions, at most {MAX_RANK}", all.len());

        let output: Vec<Label> = match output {
            Some(output) => labels(equation, output, hidden_rank)?,
            None => {
                let mut once: Vec<Label> = inputs.chars().filter(|c| c.is_ascii_alphabetic()).collect();
                once.sort_unstable();
                once.retain(|c| inputs.matches(*c).count() == 1);
                (0..hidden_rank).rev().map(hidden).chain(once).collect()
            }
        };
        for (i, label) in output.iter().enumerate() {
            let repeated = output[..i].contains(label);
            let known = terms.iter().any(|t| t.has(*label)) || *label >= hidden(0);
            ensure!(
                known && !repeated,
                "einsum: {label:?} in the result of {equation:?} is there twice or in no operand"
            );
        }
        broadcast(equation, &mut terms)?;

        let mut rest = terms.into_iter();
        let mut result = rest.next().expect("at least one operand");
        while let Some(next) = rest.next() {
            let needed = |l: Label| output.contains(&l) || rest.as_slice().iter().any(|t| t.has(l));
            result = result.times(next, needed);
        }
        Ok(result.summed(|l| output.contains(&l)).ordered(&output))
    }
}

/// Gives each label one size: dimensions of size 1 are repeated where another operand has more.
fn broadcast(equation: &str, terms: &mut [Term]) -> Result<(), String> {
    let sizes: Vec<(Label, usize)> =
        terms.iter().flat_map(|t| t.labels.iter().copied().zip(t.x.shape().to_vec())).collect();
    let full = |label: Label| -> Result<usize, String> {
        let own = || sizes.iter().filter(|(l, _)| *l == label).map(|(_, n)| *n);
        let n = own().find(|&n| n != 1).unwrap_or(1);
        ensure!(
            own().all(|m| m == n || m == 1),
            "einsum: {label:?} in {equation:?} has sizes {:?}",
            own().collect::<Vec<_>>()
        );
        Ok(n)
    };
    for term in terms {
        let sizes = term.labels.iter().map(|&l| full(l)).collect::<Result<Vec<usize>, String>>()?;
        let shape = Shape::from(sizes);
        if term.x.shape_value() != shape {
            term.x = term.x.clone().expand(shape);
        }
    }
    Ok(())
}
