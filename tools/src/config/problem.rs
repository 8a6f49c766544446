//! What is wrong with a configuration: where, which key, what was found, what was expected.

use std::fmt;

use serde_json::{Value as Json, json};

use crate::Failure;
use crate::config::secret::line_assigns_secret;

/// Where a value was given. A later variant is a higher layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: the default.
    Default,
    /// In the configuration file.
    File {
        /// The file as named on the command line.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// The line with a mark under what is meant; empty where the line holds a secret.
        excerpt: String,
    },
    /// In the environment.
    Env {
        /// Name of the variable.
        name: String,
    },
    /// On the command line, by `--set`.
    Set,
}

/// A configuration file and its content.
#[derive(Clone, Debug)]
pub struct FileText {
    /// The file as named on the command line.
    pub file: String,
    /// Its content.
    pub text: String,
}

impl FileText {
    /// The place of a byte range of the content.
    pub(super) fn place(&self, span: std::ops::Range<usize>) -> Place {
        // The parser points at whole characters; at the end of the file it points one past it.
        let start = self.text.floor_char_boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let rest = &self.text[line_start..];
        let content = rest.find('\n').map_or(rest, |end| &rest[..end]).trim_end_matches('\r');
        let line = self.text[..line_start].matches('\n').count() + 1;
        let column = self.text[line_start..start].chars().count() + 1;
        let marked = self.text.get(start..span.end).unwrap_or_default();
        let width = marked.lines().next().unwrap_or_default().chars().count().max(1);
        let excerpt = if line_assigns_secret(content) {
            String::new()
        } else {
            let gutter = " ".repeat(line.to_string().len());
            let content = content.replace('\t', " ");
            let mark = format!("{}{}", " ".repeat(column - 1), "^".repeat(width));
            format!("  {line} | {content}\n  {gutter} | {mark}")
        };
        Place::File { file: self.file.clone(), line, column, excerpt }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column, .. } => write!(f, "{file}:{line}:{column}"),
            Self::Env { name } => write!(f, "environment {name}"),
            Self::Set => f.write_str("--set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which key; empty for a fault of the file's syntax.
    pub key: String,
    /// What stands there.
    pub found: String,
    /// What should stand there.
    pub expected: String,
    /// How to mend it, where there is more to say.
    pub hint: Option<String>,
}

impl Problem {
    fn to_json(&self) -> Json {
        let (source, line, column) = match &self.place {
            Place::File { file, line, column, .. } => (file.as_str(), Some(line), Some(column)),
            Place::Env { name } => (name.as_str(), None, None),
            Place::Set => ("--set", None, None),
            Place::Default => ("default", None, None),
        };
        json!({
            "source": source,
            "line": line,
            "column": column,
            "key": self.key,
            "found": self.found,
            "expected": self.expected,
            "hint": self.hint,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{} is ", self.key)?;
        }
        write!(f, "{}, expected {}", self.found, self.expected)?;
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        match &self.place {
            Place::File { excerpt, .. } if !excerpt.is_empty() => write!(f, "\n{excerpt}"),
            Place::File { .. } | Place::Env { .. } | Place::Set | Place::Default => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration; never empty where it is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// As a JSON list: `source`, `line`, `column`, `key`, `found`, `expected`, `hint`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.0.iter().map(Problem::to_json).collect()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.0 {
            writeln!(f, "{problem}")?;
        }
        let count = self.0.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} problem{plural} in the configuration; nothing was applied")
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::config(problems.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, part: &str) -> Place {
        let start = text.find(part).expect("part of the text");
        let file = FileText { file: String::from("a.toml"), text: text.to_owned() };
        file.place(start..start + part.len())
    }

    #[test]
    fn places_count_lines_and_characters() {
        let text = "# größe\r\n[a]\r\n\tb = \"ä\" # note\r\n";
        let Place::File { line, column, excerpt, .. } = place(text, "# note") else {
            panic!("a file");
        };
        assert_eq!((line, column), (3, 10));
        assert_eq!(excerpt, "  3 |  b = \"ä\" # note\n    |          ^^^^^^");
    }

    #[test]
    fn the_end_of_the_file_is_a_place() {
        let file = FileText { file: String::from("a.toml"), text: String::from("a =") };
        assert_eq!(file.place(3..3).to_string(), "a.toml:1:4");
        let empty = FileText { file: String::from("a.toml"), text: String::new() };
        assert_eq!(empty.place(0..0).to_string(), "a.toml:1:1");
        assert_eq!(empty.place(7..9).to_string(), "a.toml:1:1");
    }

    #[test]
    fn a_secret_is_not_quoted() {
        let place = place("api_key = \"hush\"", "\"hush\"");
        let problem = Problem {
            place,
            key: String::from("a.b"),
            found: String::from("x"),
            expected: String::from("y"),
            hint: Some(String::from("z")),
        };
        assert_eq!(problem.to_string(), "a.toml:1:11: a.b is x, expected y; z");
    }
}
