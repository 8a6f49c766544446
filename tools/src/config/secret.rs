//! What must never be printed.

/// Stands where a secret would.
pub const REDACTED: &str = "(redacted)";

const SECRET_WORDS: [&str; 4] = ["key", "secret", "token", "passphrase"];

/// True for a name whose last word (`api_key`, `venue.secret`) says that its value is a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let last = name.rsplit(['.', '_', '-']).next().unwrap_or(name);
    SECRET_WORDS.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// The value, or [`REDACTED`] when the name is a secret's.
#[must_use]
pub fn redacted<'t>(name: &str, value: &'t str) -> &'t str {
    if is_secret(name) { REDACTED } else { value }
}

/// True when a line of a file assigns a secret: such a line is not quoted in messages.
#[must_use]
pub fn line_assigns_secret(line: &str) -> bool {
    let names = line.split('=').map(|part| part.trim_end().trim_end_matches(['"', '\'']));
    // What follows the last `=` is a value, not a name.
    names.clone().take(names.count().saturating_sub(1)).any(|part| {
        let start = part.rfind(|c: char| !c.is_alphanumeric() && !"._-".contains(c));
        is_secret(&part[start.map_or(0, |at| at + 1)..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_core::settings::KEYS;

    #[test]
    fn the_last_word_decides() {
        for name in ["venue.key", "bingx.api_key", "a.SECRET", "x.bot-token", "passphrase"] {
            assert!(is_secret(name), "{name}");
            assert_eq!(redacted(name, "hush"), REDACTED);
        }
        for name in ["key.rotation_ns", "tokens.count", "signal.scan_ns", "monkey"] {
            assert!(!is_secret(name), "{name}");
            assert_eq!(redacted(name, "open"), "open");
        }
        assert!(KEYS.iter().all(|key| !is_secret(key.name)), "no setting is a secret today");
    }

    #[test]
    fn lines_that_assign_a_secret_are_found() {
        for line in [
            "api_key = \"abc\"",
            "  \"api_key\"=\"abc",
            "bingx = { demo = true, secret = \"abc\" }",
            "bingx.token = 'a=b'",
        ] {
            assert!(line_assigns_secret(line), "{line}");
        }
        for line in ["scan_ns = 5", "[bingx]", "# a key", "name = \"key\"", "key"] {
            assert!(!line_assigns_secret(line), "{line}");
        }
    }
}
