//! Random numbers that are the same on every machine.
//!
//! xoshiro256++ seeded through splitmix64. Every part of the market draws from a stream of its own, so
//! adding an instrument leaves the draws of the others as they were. Only integer arithmetic, IEEE
//! basic operations and `libm` are used: no result depends on the platform's math library.

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// Stream `stream` of seed `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut mixer = split_mix(&mut { seed }) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03);
        Self { state: core::array::from_fn(|_| split_mix(&mut mixer)) }
    }

    /// 64 random bits.
    pub(super) const fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// +1 or −1.
    pub(super) fn sign(&mut self) -> f64 {
        if self.bits() >> 63 == 0 { 1.0 } else { -1.0 }
    }

    /// Bell-shaped with mean 0 and deviation 1, within ±3.47: the sum of the four 16-bit parts of one
    /// draw. Sums of a few of these cannot be told from a normal, at a tenth of its cost, and the
    /// bound keeps every quantity and spread made from it finite.
    pub(super) fn bell(&mut self) -> f64 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48);
        // Mean of the sum: 2 × 65,535. Deviation: sqrt(4 × (65,536² − 1) / 12).
        (sum as f64 - 131_070.0) * (1.0 / 37_837.227_237_206_48)
    }

    /// Exponential with mean 1, at most 37.
    pub(super) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_xoshiro256_plus_plus() {
        // First outputs for the state 1, 2, 3, 4, as its authors' reference code gives them.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let first: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn streams_of_one_seed_and_seeds_of_one_stream_differ() {
        let first = |seed, stream| Rng::new(seed, stream).bits();
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(2, 0));
        assert_eq!(first(1, 1), first(1, 1));
    }

    #[test]
    fn draws_have_the_moments_they_promise() {
        let mut rng = Rng::new(7, 0);
        let n = 200_000;
        let (mut sum, mut squares, mut waits, mut units) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..n {
            let bell = rng.bell();
            assert!(bell.abs() < 3.47);
            sum += bell;
            squares += bell * bell;
            waits += rng.exponential();
            units += rng.unit();
        }
        let n = f64::from(n);
        assert!((sum / n).abs() < 0.01, "{}", sum / n);
        assert!((squares / n - 1.0).abs() < 0.01, "{}", squares / n);
        assert!((waits / n - 1.0).abs() < 0.01, "{}", waits / n);
        assert!((units / n - 0.5).abs() < 0.01, "{}", units / n);
    }
}
