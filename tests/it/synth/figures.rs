//! Figures of a market, computed alike from recorded and from generated events.

/// Events of a market, folded to what the figures need as they come in.
#[derive(Debug, Default)]
pub(super) struct Tape {
    pub(super) assets: Vec<AssetTape>,
    per_second: Runs,
    per_10_ms: Runs,
    span: Option<(i64, i64)>,
}

#[derive(Debug)]
pub(super) struct AssetTape {
    pub(super) name: String,
    first_s: i64,
    /// Last price of each second from `first_s` on, carried forward.
    prices: Vec<f64>,
    /// Spreads in basis points, one per quote.
    spreads_bps: Vec<f64>,
}

/// Counts of runs of equal keys: events per second, or per 10 ms.
#[derive(Debug, Default)]
struct Runs {
    key: i64,
    counts: Vec<u32>,
}

impl Runs {
    fn add(&mut self, key: i64) {
        match self.counts.last_mut() {
            // A late event counts where it arrived.
            Some(last) if key <= self.key => *last += 1,
            _ => {
                self.key = key;
                self.counts.push(1);
            }
        }
    }

    fn floats(&self) -> Vec<f64> {
        self.counts.iter().map(|&count| f64::from(count)).collect()
    }
}

impl Tape {
    /// Index of an asset, made when it is new.
    pub(super) fn asset(&mut self, name: &str) -> usize {
        self.assets.iter().position(|asset| asset.name == name).unwrap_or_else(|| {
            self.assets.push(AssetTape {
                name: name.to_owned(),
                first_s: 0,
                prices: Vec::new(),
                spreads_bps: Vec::new(),
            });
            self.assets.len() - 1
        })
    }

    /// Counts an event.
    pub(super) fn event(&mut self, ts_ns: i64) {
        self.per_second.add(ts_ns.div_euclid(1_000_000_000));
        self.per_10_ms.add(ts_ns.div_euclid(10_000_000));
        let (first, last) = self.span.unwrap_or((ts_ns, ts_ns));
        self.span = Some((first, last.max(ts_ns)));
    }

    /// A quote is a price and a spread.
    pub(super) fn quote(&mut self, asset: usize, ts_ns: i64, bid: f64, ask: f64) {
        let mid = (bid + ask) * 0.5;
        self.assets[asset].spreads_bps.push((ask - bid) / mid * 1e4);
        self.price(asset, ts_ns, mid);
    }

    /// A trade is a price, where there are no quotes.
    pub(super) fn price(&mut self, asset: usize, ts_ns: i64, price: f64) {
        let second = ts_ns.div_euclid(1_000_000_000);
        let asset = &mut self.assets[asset];
        if asset.prices.is_empty() {
            asset.first_s = second;
        }
        let at = usize::try_from(second - asset.first_s).unwrap_or(0);
        if at >= asset.prices.len() {
            let carried = asset.prices.last().copied().unwrap_or(price);
            asset.prices.resize(at + 1, carried);
        }
        if let Some(last) = asset.prices.last_mut() {
            *last = price;
        }
    }

    /// Log returns over `step_s` seconds of every asset over the span that all have in common.
    pub(super) fn returns(&self, step_s: usize) -> Vec<Vec<f64>> {
        let first = self.assets.iter().map(|a| a.first_s).max().unwrap_or(0);
        let len = |a: &AssetTape| a.prices.len().saturating_sub((first - a.first_s) as usize);
        let common = self.assets.iter().map(len).min().unwrap_or(0);
        let of = |asset: &AssetTape| {
            let from = (first - asset.first_s) as usize;
            log_returns(&asset.prices[from..from + common], step_s)
        };
        self.assets.iter().map(of).collect()
    }

    /// Log returns over `step_s` seconds of each asset over its own span.
    pub(super) fn own_returns(&self, step_s: usize) -> Vec<Vec<f64>> {
        self.assets.iter().map(|asset| log_returns(&asset.prices, step_s)).collect()
    }

    /// Events so far.
    pub(super) fn events(&self) -> u32 {
        self.per_second.counts.iter().sum()
    }

    /// Seconds from the first event to the last, both counted.
    pub(super) fn seconds(&self) -> usize {
        let (first, last) = self.span.unwrap_or((0, 0));
        (last / 1_000_000_000 - first / 1_000_000_000 + 1) as usize
    }

    /// Mean events a second, and the 99th percentile over the mean.
    pub(super) fn rate(&self) -> (f64, f64) {
        let mut counts = self.per_second.floats();
        let mean = counts.iter().sum::<f64>() / self.seconds() as f64;
        counts.resize(counts.len().max(self.seconds()), 0.0);
        (mean, quantile(&mut counts, 0.99) / mean)
    }

    /// Events per 10 ms that has any: median, 99th percentile, most.
    pub(super) fn bursts(&self) -> (f64, f64, f64) {
        let mut counts = self.per_10_ms.floats();
        let (p50, p99) = (quantile(&mut counts, 0.5), quantile(&mut counts, 0.99));
        (p50, p99, counts.last().copied().unwrap_or(0.0))
    }

    /// Median spread in basis points of each asset that has quotes, and its 95th percentile over that.
    pub(super) fn spreads(&self) -> Vec<(f64, f64)> {
        let quoted = self.assets.iter().filter(|asset| !asset.spreads_bps.is_empty());
        let of = |asset: &AssetTape| {
            let mut spreads = asset.spreads_bps.clone();
            let p50 = quantile(&mut spreads, 0.5);
            (p50, quantile(&mut spreads, 0.95) / p50)
        };
        quoted.map(of).collect()
    }
}

pub(super) fn log_returns(prices: &[f64], step: usize) -> Vec<f64> {
    let sampled: Vec<f64> = prices.iter().step_by(step).map(|price| price.ln()).collect();
    sampled.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Nearest-rank quantile; sorts.
pub(super) fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (q * values.len() as f64).ceil() as usize;
    values.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&mut values.into_iter().collect::<Vec<_>>(), 0.5)
}

/// Population standard deviation and kurtosis (3 for a normal).
pub(super) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let power = |p: i32| values.iter().map(|v| (v - mean).powi(p)).sum::<f64>() / n;
    let variance = power(2);
    (variance.sqrt(), power(4) / (variance * variance))
}

/// Mean autocorrelation of absolute values over the lags 1 to 10.
pub(super) fn clustering(values: &[f64]) -> f64 {
    let sizes: Vec<f64> = values.iter().map(|v| v.abs()).collect();
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let variance: f64 = sizes.iter().map(|v| (v - mean).powi(2)).sum();
    let at = |lag: usize| {
        sizes.iter().zip(&sizes[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>()
    };
    (1..=10).map(|lag| at(lag) / variance).sum::<f64>() / 10.0
}

/// First-eigenvalue share of the correlation matrix of a moving window of returns.
pub(super) struct Share {
    window: usize,
    products: Vec<f64>,
    sums: Vec<f64>,
    vector: Vec<f64>,
    matrix: Vec<f64>,
}

impl Share {
    pub(super) fn new(assets: usize, window: usize) -> Self {
        Self {
            window,
            products: vec![0.0; assets * assets],
            sums: vec![0.0; assets],
            vector: vec![1.0; assets],
            matrix: vec![0.0; assets * assets],
        }
    }

    fn count(&mut self, returns: &[Vec<f64>], at: usize, weight: f64) {
        let rows = self.products.chunks_mut(returns.len());
        for ((own, sum), row) in returns.iter().zip(&mut self.sums).zip(rows) {
            let weighted = weight * own[at];
            *sum += weighted;
            for (other, product) in returns.iter().zip(row) {
                *product += weighted * other[at];
            }
        }
    }

    /// Takes in the returns at `at`; the share of the window that ends there, once it is full.
    pub(super) fn step(&mut self, returns: &[Vec<f64>], at: usize) -> Option<f64> {
        self.count(returns, at, 1.0);
        if at >= self.window {
            self.count(returns, at - self.window, -1.0);
        }
        (at + 1 >= self.window).then(|| self.eigenvalue_share())
    }

    fn eigenvalue_share(&mut self) -> f64 {
        let n = self.sums.len();
        let w = self.window as f64;
        let (products, sums) = (&self.products, &self.sums);
        let covariance = |i: usize, j: usize| products[i * n + j] / w - sums[i] * sums[j] / w / w;
        for i in 0..n {
            for j in 0..n {
                let scale = (covariance(i, i) * covariance(j, j)).sqrt();
                self.matrix[i * n + j] = covariance(i, j) / scale.max(1e-300);
            }
        }
        // Power iteration from the last window's vector; the Rayleigh quotient converges first.
        let mut last = 0.0;
        for _ in 0..500 {
            let next: Vec<f64> = self
                .matrix
                .chunks(n)
                .map(|row| row.iter().zip(&self.vector).map(|(a, b)| a * b).sum())
                .collect();
            let norm = next.iter().map(|v| v * v).sum::<f64>().sqrt();
            self.vector = next.into_iter().map(|v| v / norm).collect();
            if (norm - last).abs() < 1e-7 * norm {
                break;
            }
            last = norm;
        }
        // A direction that was exactly missing would stay missing.
        let nudge = 1e-6;
        self.vector.iter_mut().for_each(|v| *v += nudge);
        last / n as f64
    }
}

/// First-eigenvalue shares of windows of `window` returns, one every `stride`.
pub(super) fn shares(returns: &[Vec<f64>], window: usize, stride: usize) -> Vec<f64> {
    let mut share = Share::new(returns.len(), window);
    let len = returns.iter().map(Vec::len).min().unwrap_or(0);
    let all: Vec<f64> = (0..len).filter_map(|at| share.step(returns, at)).collect();
    all.into_iter().step_by(stride).collect()
}

/// The short window's change of share less the long window's, per return, from where both exist.
pub(super) fn velocity_divergence(returns: &[Vec<f64>], short: usize, long: usize) -> Vec<f64> {
    let (short, long) = (shares(returns, short, 1), shares(returns, long, 1));
    let skip = short.len().saturating_sub(long.len());
    let steps = |shares: &[f64]| shares.windows(2).map(|w| w[1] - w[0]).collect::<Vec<_>>();
    steps(&short[skip..]).iter().zip(steps(&long)).map(|(s, l)| s - l).collect()
}

/// Share of the values below `bar`.
pub(super) fn share_below(values: &[f64], bar: f64) -> f64 {
    values.iter().filter(|v| **v < bar).count() as f64 / values.len().max(1) as f64
}
