//! The largest eigenvalue of a correlation matrix.
//!
//! Two ways to the same number. The fast one is a power iteration that stops only when it can prove its
//! answer: with λ₂ ≤ √(‖C‖² − ρ²) (Frobenius norm, ρ the Rayleigh quotient) the Lehmann bound gives
//! ρ ≤ λ₁ ≤ ρ + ‖residual‖² ÷ (ρ − λ₂). Where no proof comes (no dominant eigenvalue, a start vector
//! orthogonal to it) the sure one follows: Householder to tridiagonal form, then Newton from above and
//! bisection on Sturm counts. Both start from the matrix alone, so the result never depends on earlier scans.

use alloc::vec;
use alloc::vec::Vec;

/// The proof must close to this share of the eigenvalue.
const TOLERANCE: f64 = 1e-14;
/// Products before the sure way is cheaper than going on.
const ITERATIONS_MAX: usize = 24;
/// Newton steps before bisection alone is surer.
const NEWTON_MAX: usize = 16;
/// Squared length below which a column counts as reduced: entries under 1e-30, far below rounding of
/// a matrix with a unit diagonal.
const NEGLIGIBLE: f64 = 1e-60;

/// Workspace of the solver. Owner: the signal. Allocates once, `assets_max`² + 5 × `assets_max` floats.
#[derive(Debug)]
pub(super) struct Eigen {
    matrix: Vec<f64>,
    vector: Vec<f64>,
    product: Vec<f64>,
    diagonal: Vec<f64>,
    off_diagonal: Vec<f64>,
}

impl Eigen {
    /// Room for matrices of up to `assets_max` rows.
    pub(super) fn new(assets_max: usize) -> Self {
        Self {
            matrix: vec![0.0; assets_max * assets_max],
            vector: vec![0.0; assets_max],
            product: vec![0.0; assets_max],
            diagonal: vec![0.0; assets_max],
            off_diagonal: vec![0.0; assets_max],
        }
    }

    /// The `n` × `n` matrix to fill, row by row, both halves.
    pub(super) fn matrix(&mut self, n: usize) -> &mut [f64] {
        &mut self.matrix[..n * n]
    }

    /// Largest eigenvalue of the symmetric matrix of `n` ≥ 1 rows; may overwrite the matrix.
    pub(super) fn largest(&mut self, n: usize) -> f64 {
        self.by_power(n).unwrap_or_else(|| self.by_bisection(n))
    }

    /// The fast way; `None` without a proof.
    fn by_power(&mut self, n: usize) -> Option<f64> {
        let matrix = &self.matrix[..n * n];
        let squares: f64 = matrix.chunks_exact(n).map(|row| dot(row, row)).sum();
        let (x, y) = (&mut self.vector[..n], &mut self.product[..n]);
        x.fill(1.0 / libm::sqrt(n as f64));
        for _ in 0..ITERATIONS_MAX {
            y.fill(0.0);
            for (row, &factor) in matrix.chunks_exact(n).zip(x.iter()) {
                add_scaled(y, row, factor);
            }
            let quotient = dot(x, y);
            let residual: f64 =
                x.iter().zip(y.iter()).map(|(a, b)| (b - quotient * a) * (b - quotient * a)).sum();
            let gap = quotient - libm::sqrt((squares - quotient * quotient).max(0.0));
            if gap > 0.0 && residual <= TOLERANCE * quotient * gap {
                return Some(quotient);
            }
            // The eigenvalue near the quotient is too small to dominate: no proof will come.
            let reach = quotient + libm::sqrt(residual);
            if 2.0 * reach * reach <= squares {
                return None;
            }
            let length = libm::sqrt(dot(y, y));
            if length <= NEGLIGIBLE {
                return None;
            }
            x.iter_mut().zip(y.iter()).for_each(|(a, b)| *a = b / length);
        }
        None
    }

    /// The sure way.
    fn by_bisection(&mut self, n: usize) -> f64 {
        self.reduce(n);
        let (diagonal, off) = (&self.diagonal[..n], &self.off_diagonal[..n]);
        let mut low = diagonal.iter().fold(f64::MIN, |most, d| most.max(*d));
        let mut high = low;
        for (index, d) in diagonal.iter().enumerate() {
            let left = if index == 0 { 0.0 } else { off[index - 1].abs() };
            let right = if index + 1 == n { 0.0 } else { off[index].abs() };
            high = high.max(d + left + right);
        }
        // Newton from above closes in on the largest root without ever passing it; the bisection then has
        // a few steps left, or all of them where the root is multiple and Newton is slow.
        for _ in 0..NEWTON_MAX {
            let Some(next) = newton(diagonal, off, high).filter(|next| *next < high) else { break };
            if next <= low || !all_below(diagonal, off, next) {
                low = low.max(next);
                break;
            }
            high = next;
        }
        let near = high * (1.0 - 16.0 * f64::EPSILON);
        if near > low && !all_below(diagonal, off, near) {
            low = near;
        }
        loop {
            let middle = low + (high - low) / 2.0;
            if middle <= low || middle >= high {
                return high;
            }
            if all_below(diagonal, off, middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
    }

    /// Householder reflections to tridiagonal form: fills `diagonal` and `off_diagonal`.
    fn reduce(&mut self, n: usize) {
        for k in 0..n {
            let (done, rest) = self.matrix[..n * n].split_at_mut((k + 1) * n);
            let column = &done[k * n + k..];
            self.diagonal[k] = column[0];
            let Some((&first, tail)) = column[1..].split_first() else { break };
            let tail_squares = dot(tail, tail);
            if tail_squares <= NEGLIGIBLE {
                self.off_diagonal[k] = first;
                continue;
            }
            let size = n - k - 1;
            let (v, w) = (&mut self.vector[..size], &mut self.product[..size]);
            v.copy_from_slice(&column[1..]);
            let length = libm::sqrt(first * first + tail_squares);
            let image = if first > 0.0 { -length } else { length };
            self.off_diagonal[k] = image;
            v[0] = first - image;
            let scale = 2.0 / (v[0] * v[0] + tail_squares);
            w.fill(0.0);
            for (row, &factor) in rest.chunks_exact(n).zip(v.iter()) {
                add_scaled(w, &row[k + 1..], factor * scale);
            }
            let overlap = dot(v, w) * scale / 2.0;
            add_scaled(w, v, -overlap);
            for (index, row) in rest.chunks_exact_mut(n).enumerate() {
                add_scaled(&mut row[k + 1..], w, -v[index]);
                add_scaled(&mut row[k + 1..], v, -w[index]);
            }
        }
    }
}

/// True when every eigenvalue of the tridiagonal matrix is below `x`: all pivots of T − x are negative.
fn all_below(diagonal: &[f64], off: &[f64], x: f64) -> bool {
    let mut pivot = diagonal[0] - x;
    for (d, o) in diagonal[1..].iter().zip(off) {
        if pivot >= 0.0 {
            return false;
        }
        pivot = d - x - o * o / pivot;
    }
    pivot < 0.0
}

/// One Newton step of the characteristic polynomial from `x` above every eigenvalue; `None` where a pivot
/// says that `x` is not.
fn newton(diagonal: &[f64], off: &[f64], x: f64) -> Option<f64> {
    let (mut pivot, mut slope) = (diagonal[0] - x, -1.0);
    let mut sum = slope / pivot;
    for (d, o) in diagonal[1..].iter().zip(off) {
        if pivot >= 0.0 {
            return None;
        }
        let ratio = o / pivot;
        slope = ratio * ratio * slope - 1.0;
        pivot = d - x - o * ratio;
        sum += slope / pivot;
    }
    // The polynomial over its derivative; both pivots and slopes are negative, so the step goes down.
    (pivot < 0.0 && sum > 0.0).then(|| x - 1.0 / sum)
}

fn add_scaled(target: &mut [f64], source: &[f64], factor: f64) {
    target.iter_mut().zip(source).for_each(|(t, s)| *t += factor * s);
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(n: usize, entry: impl Fn(usize, usize) -> f64) -> (Option<f64>, f64) {
        let mut eigen = Eigen::new(n);
        for row in 0..n {
            for column in 0..n {
                eigen.matrix(n)[row * n + column] = entry(row, column);
            }
        }
        (eigen.by_power(n), eigen.by_bisection(n))
    }

    fn one(row: usize, column: usize) -> f64 {
        if row == column { 1.0 } else { 0.0 }
    }

    #[test]
    fn equal_correlations_have_a_closed_form() {
        for n in [1, 2, 3, 16, 48, 64] {
            for c in [0.0, 0.01, 0.3, 0.9, 1.0] {
                let expected = 1.0 + (n as f64 - 1.0) * c;
                let (power, bisection) = both(n, |i, j| if i == j { 1.0 } else { c });
                assert!((bisection - expected).abs() < 1e-12 * expected, "{n} {c} {bisection}");
                if let Some(power) = power {
                    assert!((power - expected).abs() < 1e-12 * expected, "{n} {c} {power}");
                }
            }
        }
    }

    #[test]
    fn without_a_dominant_eigenvalue_nothing_is_claimed_by_the_fast_way() {
        let (power, bisection) = both(8, one);
        assert_eq!(power, None);
        assert!((bisection - 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_start_vector_orthogonal_to_the_answer_does_not_mislead() {
        // Two camps that move against each other: the answer is (1, …, −1, …), the start all ones.
        let sign = |index: usize| if index < 4 { 1.0 } else { -1.0 };
        let (power, bisection) = both(8, |i, j| if i == j { 1.0 } else { 0.5 * sign(i) * sign(j) });
        assert!((bisection - 4.5).abs() < 1e-13);
        assert!(power.is_none_or(|power| (power - 4.5).abs() < 1e-12), "{power:?}");
    }

    #[test]
    fn a_second_difference_matrix_has_a_closed_form() {
        let n = 20;
        let (_, bisection) = both(n, |i, j| match i.abs_diff(j) {
            0 => 1.0,
            1 => -0.5,
            _ => 0.0,
        });
        let expected = 1.0 + libm::cos(core::f64::consts::PI / (n as f64 + 1.0));
        assert!((bisection - expected).abs() < 1e-14);
    }

    proptest! {
        #[test]
        fn both_ways_agree_on_any_gram_matrix(
            n in 1usize..24,
            common in 0.0f64..2.0,
            seed in proptest::collection::vec(-1.0f64..1.0, 24 * 30 + 30),
        ) {
            let row = |i: usize, t: usize| seed[i * 30 + t] + common * seed[24 * 30 + t];
            let product = |i: usize, j: usize| (0..30).map(|t| row(i, t) * row(j, t)).sum::<f64>();
            let unit: Vec<f64> = (0..n).map(|i| libm::sqrt(product(i, i))).collect();
            let (power, bisection) = both(n, |i, j| product(i, j) / unit[i] / unit[j]);
            prop_assert!(bisection >= 1.0 - 1e-12 && bisection <= n as f64 + 1e-9);
            if let Some(power) = power {
                prop_assert!((power - bisection).abs() < 1e-12 * bisection);
            }
        }
    }
}
