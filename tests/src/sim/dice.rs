//! Randomness of the simulation: every choice is a function of the seed, a stream and a number, so that
//! leaving one choice out does not shift the others.

/// 64 well-mixed bits of one number.
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// One in a million, the unit of every probability here.
pub const MILLION: u64 = 1_000_000;

/// A sequence of random numbers. Same start, same numbers.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// The numbers of this seed, stream and place in it.
    #[must_use]
    pub const fn new(seed: u64, stream: u64, number: u64) -> Self {
        let of_stream = mix(seed ^ mix(stream));
        Self { state: mix(of_stream ^ number.wrapping_mul(0xd134_2543_de82_ef95)) }
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }

    /// Below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let wide = u128::from(self.bits()) * u128::from(n);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = high.saturating_sub(low).max(0).cast_unsigned();
        low.saturating_add_unsigned(self.below(span + 1))
    }

    /// Log-uniform between two positive numbers: every order of magnitude is as likely.
    pub fn magnitude(&mut self, low: i64, high: i64) -> i64 {
        let (low_bits, high_bits) = (low.max(1).ilog2(), high.max(1).ilog2());
        let bits = self.between(i64::from(low_bits), i64::from(high_bits));
        let start = 1i64 << bits;
        self.between(start, start.saturating_mul(2) - 1).clamp(low, high)
    }

    /// True `ppm` times in a million.
    pub fn chance(&mut self, ppm: i64) -> bool {
        self.below(MILLION) < ppm.max(0).cast_unsigned()
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        let at = self.below(of.len() as u64);
        usize::try_from(at).ok().and_then(|at| of.get(at)).copied()
    }

    /// A place by weight; the last one when all weigh nothing.
    pub fn weighted(&mut self, weights: &[i64]) -> usize {
        let sum: i64 = weights.iter().map(|weight| weight.max(&0)).sum();
        let mut left = self.below(sum.cast_unsigned()).cast_signed();
        for (place, weight) in weights.iter().enumerate() {
            left -= weight.max(&0);
            if left < 0 {
                return place;
            }
        }
        weights.len().saturating_sub(1)
    }
}
