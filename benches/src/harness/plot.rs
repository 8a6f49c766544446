//! Latency by percentile as a picture: one self-contained SVG, no fonts, no scripts.
//!
//! The horizontal axis is 1/(1 − percentile) on a logarithmic scale, as in `HdrHistogram`'s own plotter, the
//! vertical one nanoseconds, logarithmic too.

use hdrhistogram::Histogram;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 45.0;
/// Colours that people with any colour vision tell apart (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
/// Percentiles that are marked: text and 1/(1 − percentile).
const MARKS: [(&str, f64); 6] = [
    ("0 %", 1.0),
    ("50 %", 2.0),
    ("90 %", 10.0),
    ("99 %", 100.0),
    ("99.9 %", 1_000.0),
    ("99.99 %", 10_000.0),
];

/// Draws histograms in ns; those without a sample are left out.
#[must_use]
pub fn percentiles(title: &str, lines: &[(String, &Histogram<u64>)]) -> String {
    let lines: Vec<_> = lines.iter().filter(|(_, histogram)| !histogram.is_empty()).collect();
    let most = lines.iter().map(|(_, histogram)| histogram.max()).max().unwrap_or(10).max(10);
    let decades = (most as f64).log10().ceil();
    let x = |share: f64| LEFT + (WIDTH - LEFT - RIGHT) * share.log10() / 4.0;
    let y = |ns: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * ns.max(1.0).log10() / decades;
    let mut svg = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| svg.push_str(&text.to_string());
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>\n",
        escaped(title)
    ));
    for (label, share) in MARKS {
        let (at, floor) = (x(share), HEIGHT - BOTTOM);
        put(format_args!(
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{floor}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>\n",
            floor + 18.0
        ));
    }
    let mut ns = 1.0;
    while ns <= 10f64.powf(decades) {
        put(format_args!(
            "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1:.1}\" y2=\"{0:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\n",
            y(ns),
            x(10_000.0),
            LEFT - 6.0,
            y(ns) + 4.0,
            duration(ns)
        ));
        ns *= 10.0;
    }
    for (place, (name, histogram)) in lines.iter().enumerate() {
        let colour = COLOURS[place % COLOURS.len()];
        put(format_args!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\""
        ));
        // Forty steps a decade of 1/(1 − percentile).
        for step in 0..=160u32 {
            let share = 10f64.powf(f64::from(step) / 40.0);
            let value = histogram.value_at_quantile(1.0 - 1.0 / share) as f64;
            put(format_args!("{:.1},{:.1} ", x(share), y(value)));
        }
        let row = TOP + 16.0 * place as f64 + 10.0;
        put(format_args!(
            "\"/>\n<text x=\"{:.1}\" y=\"{row:.1}\" fill=\"{colour}\">{}</text>\n",
            WIDTH - RIGHT + 12.0,
            escaped(name)
        ));
    }
    put(format_args!("</svg>\n"));
    svg
}

/// `10 ns`, `1 µs`, `100 ms`, of a power of ten.
fn duration(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    format!("{value:.0} {unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_histogram_with_samples_has_a_line_inside_the_picture() {
        let mut some = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).expect("bounds");
        for ns in 1..=1_000 {
            some.record(ns).expect("fits");
        }
        let none = Histogram::<u64>::new_with_bounds(1, 1_000_000, 3).expect("bounds");
        let svg = percentiles("a < b", &[("some".into(), &some), ("none".into(), &none)]);
        assert_eq!(svg.matches("<polyline").count(), 1);
        assert!(svg.contains("a &lt; b") && svg.contains(">some<") && !svg.contains(">none<"));
        let (_, points) = svg.split_once("points=\"").expect("a line");
        let (points, _) = points.split_once('"').expect("its end");
        for point in points.split_whitespace() {
            let (x, y) = point.split_once(',').expect("two numbers");
            let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
            assert!((LEFT..=WIDTH - RIGHT).contains(&x), "{point}");
            assert!((TOP..=HEIGHT - BOTTOM).contains(&y), "{point}");
        }
    }

    #[test]
    fn marks_read_as_people_write_them() {
        let texts: Vec<String> = [1.0, 100.0, 1e3, 1e5, 1e6, 1e9].map(duration).into();
        assert_eq!(texts, ["1 ns", "100 ns", "1 µs", "100 µs", "1 ms", "1 s"]);
    }
}
