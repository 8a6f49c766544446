//! Where the venue is, with which key, and what the account must be like.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::super::session::SessionPlan;
use super::super::sign::Signer;
use super::super::words::{MarginType, PositionMode};
use crate::net::{Peer, Tuning};

/// Longest key file.
const FILE_MAX: u64 = 4096;

/// An API key: its name, and the signer made of its secret. Neither can be printed.
#[derive(Clone)]
pub struct ApiKeys {
    pub(super) name: Zeroizing<String>,
    pub(super) signer: Signer,
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeys(secret)")
    }
}

/// Why a key cannot be used. Never quotes what was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFault(pub String);

impl fmt::Display for KeyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeyFault {}

impl ApiKeys {
    /// From key and secret; both are wiped here once used.
    ///
    /// # Errors
    /// [`KeyFault`] for one that is empty or holds what cannot stand in a header.
    pub fn new(name: Zeroizing<String>, secret: &Zeroizing<String>) -> Result<Self, KeyFault> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !plain(&name) || !plain(secret) {
            let expected = "key and secret: letters and digits as the venue shows them, no blanks";
            return Err(KeyFault(expected.to_owned()));
        }
        let signer = Signer::new(secret.as_bytes())
            .ok_or_else(|| KeyFault("the secret is empty".to_owned()))?;
        Ok(Self { name, signer })
    }

    /// Tells one key from another in files: the first eight hexadecimal digits of a hash of its name.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = Sha256::digest(self.name.as_bytes());
        hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// From a file with two lines, `key = …` and `secret = …` (quotes may stand around the values). The file
    /// must be this user's alone: a regular file, no link, nothing for group and others.
    ///
    /// # Errors
    /// [`KeyFault`] with the remedy.
    pub fn from_file(path: &Path) -> Result<Self, KeyFault> {
        let fault = |text: String| KeyFault(format!("{}: {text}", path.display()));
        // Opened first, looked at after: a name could mean another file the next moment.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)
            .map_err(|error| fault(format!("{error}; expected a file, no link, with the key")))?;
        let found = file.metadata().map_err(|error| fault(error.to_string()))?;
        // SAFETY: it takes nothing and cannot fail.
        let me = unsafe { libc::geteuid() };
        if !found.is_file() || found.uid() != me {
            return Err(fault("expected a regular file of this user".to_owned()));
        }
        if found.mode() & 0o077 != 0 {
            let mode = found.mode() & 0o777;
            return Err(fault(format!(
                "mode {mode:o}; expected 600, so that nobody else can read the key: chmod 600"
            )));
        }
        if found.len() > FILE_MAX {
            return Err(fault(format!("more than {FILE_MAX} bytes; expected two lines")));
        }
        let room = usize::try_from(FILE_MAX).unwrap_or(0);
        let mut text = Zeroizing::new(String::with_capacity(room));
        let read = file.take(FILE_MAX).read_to_string(&mut text);
        read.map_err(|_| fault("expected text".to_owned()))?;
        let (mut name, mut secret) = (None, None);
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let expected =
                || fault(format!("line {}: expected `key = …` and `secret = …`", number + 1));
            let (word, value) = line.split_once('=').ok_or_else(expected)?;
            let value = value.trim().trim_matches('"');
            let slot = match word.trim() {
                "key" => &mut name,
                "secret" => &mut secret,
                _ => return Err(expected()),
            };
            if slot.replace(Zeroizing::new(value.to_owned())).is_some() {
                return Err(expected());
            }
        }
        match (name, secret) {
            (Some(name), Some(secret)) => {
                Self::new(name, &secret).map_err(|KeyFault(text)| fault(text))
            }
            (_, _) => Err(fault("expected two lines: `key = …` and `secret = …`".to_owned())),
        }
    }
}

/// Everything about the venue that a run needs. Owner: whoever puts the run together.
#[derive(Clone, Debug)]
pub struct VenuePlan {
    /// REST.
    pub rest: Arc<Peer>,
    /// Market and account sockets.
    pub ws: Arc<Peer>,
    /// The key.
    pub keys: ApiKeys,
    /// Symbols to trade and watch, in any spelling.
    pub symbols: Vec<String>,
    /// What the account's position mode must be.
    pub position_mode: PositionMode,
    /// What each symbol's margin type must be.
    pub margin_type: MarginType,
    /// What each symbol's leverage must be.
    pub leverage: u64,
    /// How late an order may arrive, in ms (at most 5,000); `None`: the venue's default.
    pub recv_window_ms: Option<u32>,
    /// Seconds without us after which the venue cancels every order of the account (10 to 120).
    pub dead_man_s: u32,
    /// An order waits until the journal's file has what caused it: some 0.1 ms. Without it, a process that dies
    /// at once may have sent what the next one finds at the venue alone: it calls the order back or takes the
    /// position over.
    pub write_ahead: bool,
    /// Warm HTTP connections, at least two.
    pub connections: usize,
    /// A request without an answer is given up after so long.
    pub timeout_ns: i64,
    /// Longest wait between attempts of a socket.
    pub reconnect_max_ns: i64,
    /// Attempts of a socket in an hour.
    pub attempts_per_hour: u16,
    /// Socket options.
    pub tuning: Tuning,
    /// Seed of the waits between attempts.
    pub seed: u64,
}

/// Where the venue is, for what needs no key. Owner: whoever puts the run together.
#[derive(Clone, Debug)]
pub struct PublicPlan {
    /// REST.
    pub rest: Arc<Peer>,
    /// Market sockets.
    pub ws: Arc<Peer>,
    /// Symbols to watch, in any spelling.
    pub symbols: Vec<String>,
    /// A request without an answer is given up after so long.
    pub timeout_ns: i64,
    /// Longest wait between attempts of a socket.
    pub reconnect_max_ns: i64,
    /// Attempts of a socket in an hour.
    pub attempts_per_hour: u16,
    /// Socket options.
    pub tuning: Tuning,
    /// Seed of the waits between attempts.
    pub seed: u64,
}

impl PublicPlan {
    /// How patient a socket is.
    pub(super) fn session(&self, mut session: SessionPlan) -> SessionPlan {
        session.wait_max_ns = self.reconnect_max_ns;
        session.wait_ns = session.wait_ns.min(self.reconnect_max_ns);
        session.attempts_per_hour = self.attempts_per_hour;
        session
    }
}

impl VenuePlan {
    /// The part that needs no key.
    #[must_use]
    pub fn public(&self) -> PublicPlan {
        PublicPlan {
            rest: Arc::clone(&self.rest),
            ws: Arc::clone(&self.ws),
            symbols: self.symbols.clone(),
            timeout_ns: self.timeout_ns,
            reconnect_max_ns: self.reconnect_max_ns,
            attempts_per_hour: self.attempts_per_hour,
            tuning: self.tuning,
            seed: self.seed,
        }
    }

    /// How patient a socket is.
    pub(super) fn session(&self, session: SessionPlan) -> SessionPlan {
        self.public().session(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("key");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode set");
        (dir, path)
    }

    const WHOLE: &str = "# demo\nkey = \"canary-name\"\nsecret = canary-secret\n";

    #[test]
    fn a_file_of_this_user_alone_is_read() {
        for mode in [0o600, 0o400] {
            let (_dir, path) = file(WHOLE, mode);
            let keys = ApiKeys::from_file(&path).expect("read");
            assert_eq!(keys.name.as_str(), "canary-name");
            assert!(!format!("{keys:?}").contains("canary"));
        }
    }

    #[test]
    fn files_that_others_read_links_and_other_texts_are_refused_unquoted() {
        let (_dir, open) = file(WHOLE, 0o640);
        let fault = ApiKeys::from_file(&open).expect_err("group reads it").to_string();
        assert!(fault.contains("chmod 600"), "{fault}");
        let (dir, whole) = file(WHOLE, 0o600);
        let link = dir.path().join("link");
        symlink(&whole, &link).expect("linked");
        assert!(ApiKeys::from_file(&link).is_err(), "a link");
        assert!(ApiKeys::from_file(dir.path()).is_err(), "a folder");
        for text in [
            "key = canary",
            "key = canary\nkey = canary\nsecret = x",
            "canary",
            "key = canary\nsecret =",
            "key = can ary\nsecret = x",
            "key = canary\nsecret = x\nother = y",
        ] {
            let (_dir, path) = file(text, 0o600);
            let fault = ApiKeys::from_file(&path).expect_err("not a key").to_string();
            assert!(!fault.contains("canary"), "{fault}");
        }
    }
}
