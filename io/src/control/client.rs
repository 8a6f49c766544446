//! The asking side.

use std::fmt;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Verb;
use super::path::ShortPath;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskFault {
    /// Nobody serves there.
    NotRunning,
    /// No answer in time.
    Timeout,
    /// The answer says no, or is none.
    Refused(String),
}

impl fmt::Display for AskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("no engine serves there; expected a running one"),
            Self::Timeout => f.write_str("the engine does not answer in time"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for AskFault {}

/// Says one verb to the engine whose control socket lies at `path`, and waits at most `patience` (above zero)
/// for each step of the answer: an object with `ok` true.
///
/// # Errors
/// [`AskFault`].
pub fn ask(path: &Path, verb: Verb, patience: Duration) -> Result<Value, AskFault> {
    let other = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => AskFault::NotRunning,
        ErrorKind::WouldBlock | ErrorKind::TimedOut => AskFault::Timeout,
        _ => AskFault::Refused(format!("{}: {error}", path.display())),
    };
    let short = ShortPath::of(path).map_err(other)?;
    let mut stream = UnixStream::connect(&short.path).map_err(other)?;
    stream.set_read_timeout(Some(patience)).map_err(other)?;
    stream.set_write_timeout(Some(patience)).map_err(other)?;
    writeln!(stream, "{}", verb.as_str()).map_err(other)?;
    let mut line = String::new();
    let len = BufReader::new(stream).read_line(&mut line).map_err(other)?;
    if len == 0 {
        return Err(AskFault::Refused(
            "the engine hung up; expected an answer: are you the user it runs as?".to_owned(),
        ));
    }
    let answer: Value = serde_json::from_str(&line)
        .map_err(|error| AskFault::Refused(format!("no answer of a control socket: {error}")))?;
    if answer["ok"] == Value::Bool(true) {
        return Ok(answer);
    }
    let why = answer["error"].as_str().unwrap_or("refused without a reason");
    Err(AskFault::Refused(why.to_owned()))
}
