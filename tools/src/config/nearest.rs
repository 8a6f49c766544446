//! The known name that a mistyped one was most likely meant to be.

/// The nearest of `known` to `name`, when one is near enough to be worth saying.
///
/// A known name with the same last segment wins over spelling (`scan_ns` → `signal.scan_ns`); otherwise
/// at most a third of the letters may differ. Known names are in lower case.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = &name.to_lowercase();
    let last = last_segment(name);
    known
        .map(|candidate| {
            let same_last = last_segment(candidate) == last;
            (!same_last, distance(name, candidate), candidate)
        })
        .min()
        .filter(|(other_last, distance, _)| !other_last || *distance <= (name.len() / 3).max(1))
        .map(|(_, _, candidate)| candidate)
}

fn last_segment(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_of_a = None;
    for (row, letter) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &other) in b.iter().enumerate() {
            let replace = last[column] + usize::from(letter != other);
            let mut best = replace.min(last[column + 1] + 1).min(current[column] + 1);
            if column > 0 && left_of_a == Some(other) && letter == b[column - 1] {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        left_of_a = Some(letter);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] =
        ["signal.scan_ns", "signal.stale_ns", "policy.convexity", "exit.tp_bps"];

    #[test]
    fn distance_counts_letters() {
        for (a, b, letters) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abc", 0),
            ("abc", "axc", 1),
            ("abc", "acb", 1),
            ("abcd", "bacd", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), letters, "{a} → {b}");
        }
    }

    #[test]
    fn typing_errors_are_recognised_and_far_names_are_not() {
        for (name, expected) in [
            ("signal.scan_nss", Some("signal.scan_ns")),
            ("signl.scan_ns", Some("signal.scan_ns")),
            ("scan_ns", Some("signal.scan_ns")),
            ("policy.convextiy", Some("policy.convexity")),
            ("SIGNAL.SCAN_NS", Some("signal.scan_ns")),
            ("exit.convexity", Some("policy.convexity")),
            ("whatever.else", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, KNOWN.into_iter()), expected, "{name}");
        }
    }
}
