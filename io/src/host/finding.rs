//! What a check says: a reading of the machine, judged for the use that the machine is for.

use serde_json::{Value, json};

use crate::host::Facts;

pinion_core::text_enum! {
    /// How a finding is told. Exit codes and totals count `fail`; `unknown` is never ok.
    pub enum Verdict {
        /// As it should be.
        Ok => "ok",
        /// It costs latency or comfort.
        Warn => "warn",
        /// Not fit for this use.
        Fail => "fail",
        /// Could not be read, so nothing is known.
        Unknown => "unknown",
        /// Means nothing on this machine or for this use.
        Skip => "skip",
    }
}

pinion_core::text_enum! {
    /// What the machine is for; it decides how much a shortcoming weighs.
    pub enum Profile {
        /// Paper runs and development: what only costs latency does not matter.
        Paper => "paper",
        /// Orders at a venue from anywhere.
        Live => "live",
        /// A host beside the venue, with cores of its own.
        Colo => "colo",
    }
}

/// What was read, before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// As expected.
    Good,
    /// Less than expected.
    Short,
    /// Far from it.
    Bad,
    /// Not readable.
    Unknown,
    /// Means nothing here.
    Absent,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know; at most a warning, and only beside the venue.
    Note,
    /// Costs latency: nothing on paper, a warning else.
    Tuning,
    /// Costs trust in the run.
    Fitness,
    /// A run cannot end well without it, on paper neither.
    Vital,
}

impl Weight {
    /// The verdict of a grade under a profile.
    #[must_use]
    pub const fn judge(self, grade: Grade, profile: Profile) -> Verdict {
        use Profile::{Colo, Live, Paper};
        match (grade, self, profile) {
            (Grade::Good, _, _) => Verdict::Ok,
            (Grade::Unknown, _, _) => Verdict::Unknown,
            (Grade::Absent, _, _)
            | (Grade::Short | Grade::Bad, Self::Note, Paper | Live)
            | (Grade::Short | Grade::Bad, Self::Tuning, Paper) => Verdict::Skip,
            (Grade::Short | Grade::Bad, Self::Note, Colo)
            | (Grade::Short, Self::Tuning, Live | Colo)
            | (Grade::Bad, Self::Tuning, Live)
            | (Grade::Short, Self::Fitness | Self::Vital, _)
            | (Grade::Bad, Self::Fitness, Paper) => Verdict::Warn,
            (Grade::Bad, Self::Tuning, Colo)
            | (Grade::Bad, Self::Fitness, Live | Colo)
            | (Grade::Bad, Self::Vital, _) => Verdict::Fail,
        }
    }
}

/// What a check read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// How good.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// How to mend it, as a command or a line of a file; empty when good.
    pub remedy: String,
}

impl Reading {
    fn new(grade: Grade, found: String, expected: &str, remedy: &str) -> Self {
        Self { grade, found, expected: expected.to_owned(), remedy: remedy.to_owned() }
    }

    /// As expected.
    #[must_use]
    pub fn good(found: impl Into<String>, expected: &str) -> Self {
        Self::new(Grade::Good, found.into(), expected, "")
    }

    /// Less than expected.
    #[must_use]
    pub fn short(found: impl Into<String>, expected: &str, remedy: &str) -> Self {
        Self::new(Grade::Short, found.into(), expected, remedy)
    }

    /// Far from what is expected.
    #[must_use]
    pub fn bad(found: impl Into<String>, expected: &str, remedy: &str) -> Self {
        Self::new(Grade::Bad, found.into(), expected, remedy)
    }

    /// Not readable: `what` names the file or the call.
    #[must_use]
    pub fn unknown(what: &str, expected: &str) -> Self {
        let remedy = "run this on the machine itself; where a container hides it, on its host, or with the host's \
                      /proc and /sys mounted read-only";
        Self::new(Grade::Unknown, format!("{what} cannot be read"), expected, remedy)
    }

    /// Means nothing here: `found` says why.
    #[must_use]
    pub fn absent(found: impl Into<String>, expected: &str) -> Self {
        Self::new(Grade::Absent, found.into(), expected, "")
    }

    /// Good when `good`, else less than expected.
    #[must_use]
    pub fn short_unless(
        good: bool,
        found: impl Into<String>,
        expected: &str,
        remedy: &str,
    ) -> Self {
        if good { Self::good(found, expected) } else { Self::short(found, expected, remedy) }
    }
}

/// A check: a pure function over the facts, what it is for, and how much it matters.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// `group.name`.
    pub id: &'static str,
    /// Why it matters, one clause.
    pub why: &'static str,
    /// How much.
    pub weight: Weight,
    /// Reads it.
    pub read: fn(&Facts) -> Reading,
}

/// A judged reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `group.name` of the check.
    pub id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// Why it matters.
    pub why: String,
    /// How to mend it; `None` when there is nothing to mend.
    pub remedy: Option<String>,
}

impl Finding {
    /// Judges a reading. What only matters for another use is skipped, and keeps what was found.
    #[must_use]
    pub fn judge(id: &str, why: &str, weight: Weight, profile: Profile, reading: Reading) -> Self {
        let verdict = weight.judge(reading.grade, profile);
        let mend = matches!(verdict, Verdict::Warn | Verdict::Fail | Verdict::Unknown);
        Self {
            id: id.to_owned(),
            verdict,
            found: reading.found,
            expected: reading.expected,
            why: why.to_owned(),
            remedy: (mend && !reading.remedy.is_empty()).then_some(reading.remedy),
        }
    }

    /// The part before the point.
    #[must_use]
    pub fn group(&self) -> &str {
        self.id.split('.').next().unwrap_or_default()
    }

    /// One JSON object: `id`, `group`, `verdict`, `found`, `expected`, `why`, `remedy` (null for none).
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "group": self.group(),
            "verdict": self.verdict.as_str(),
            "found": self.found,
            "expected": self.expected,
            "why": self.why,
            "remedy": self.remedy,
        })
    }
}

/// How many findings have a verdict.
#[must_use]
pub fn count(findings: &[Finding], verdict: Verdict) -> usize {
    findings.iter().filter(|finding| finding.verdict == verdict).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_shortcoming_weighs_by_the_use() {
        use Verdict::{Fail, Skip, Warn};
        for (weight, grade, by_profile) in [
            (Weight::Note, Grade::Short, [Skip, Skip, Warn]),
            (Weight::Note, Grade::Bad, [Skip, Skip, Warn]),
            (Weight::Tuning, Grade::Short, [Skip, Warn, Warn]),
            (Weight::Tuning, Grade::Bad, [Skip, Warn, Fail]),
            (Weight::Fitness, Grade::Short, [Warn, Warn, Warn]),
            (Weight::Fitness, Grade::Bad, [Warn, Fail, Fail]),
            (Weight::Vital, Grade::Short, [Warn, Warn, Warn]),
            (Weight::Vital, Grade::Bad, [Fail, Fail, Fail]),
        ] {
            let judged = Profile::ALL.iter().map(|profile| weight.judge(grade, *profile));
            assert_eq!(judged.collect::<Vec<_>>(), by_profile, "{weight:?} {grade:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_never_ok() {
        for weight in [Weight::Note, Weight::Tuning, Weight::Fitness, Weight::Vital] {
            for profile in Profile::ALL {
                assert_eq!(weight.judge(Grade::Unknown, *profile), Verdict::Unknown);
                assert_eq!(weight.judge(Grade::Good, *profile), Verdict::Ok);
                assert_eq!(weight.judge(Grade::Absent, *profile), Verdict::Skip);
            }
        }
    }

    #[test]
    fn a_remedy_stands_only_where_something_is_to_mend() {
        let judge =
            |reading| Finding::judge("cpu.x", "it matters", Weight::Tuning, Profile::Live, reading);
        let short = judge(Reading::short("1", "2", "sysctl -w x=2"));
        assert_eq!((short.verdict, short.remedy), (Verdict::Warn, Some("sysctl -w x=2".into())));
        assert_eq!(judge(Reading::good("2", "2")).remedy, None);
        let unknown = judge(Reading::unknown("/sys/x", "2"));
        assert!(unknown.remedy.is_some() && unknown.found.contains("/sys/x"));
        assert_eq!(unknown.to_json()["group"], "cpu");
    }
}
