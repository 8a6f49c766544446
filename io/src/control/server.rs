//! The socket: clients come, say a line, get a line.

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::desk::{Desk, refusal};
use super::path::ShortPath;
use super::{LINE_MAX, SOCKET};

/// Clients at a time; a further one takes the place of the one that was silent for longest.
const CLIENTS_MAX: usize = 8;
/// Bytes that may wait for a client to read.
const OUTBOX_MAX: usize = 16 * 1024;
/// A client that says nothing for so long is let go.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// The open socket, which nobody serves yet. It is gone when it is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    /// The socket, and the link to it in the run directory where it lies elsewhere.
    files: Vec<PathBuf>,
}

/// See the module's documentation. Owner: the watch thread.
#[derive(Debug)]
pub struct ControlServer {
    desk: Desk,
    socket: ControlSocket,
    clients: Vec<Client>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    heard: Instant,
}

impl ControlServer {
    /// Opens the socket: at `place`, or in the run directory. A socket that an ended process has left is taken
    /// over.
    ///
    /// # Errors
    /// A line for people: another process serves there, or the place cannot be used.
    pub fn bind(run_dir: &Path, place: Option<&Path>) -> Result<ControlSocket, String> {
        let own = run_dir.join(SOCKET);
        let path = place.unwrap_or(&own);
        let failed = |error: io::Error| {
            format!(
                "control socket {}: {error}; expected a folder in which this user may make it: set \
                 control.socket",
                path.display()
            )
        };
        clear(path)?;
        let short = ShortPath::of(path).map_err(failed)?;
        let listener = UnixListener::bind(&short.path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let mut files = vec![path.to_path_buf()];
        if place.is_some() && path != own {
            let target = std::path::absolute(path).map_err(failed)?;
            clear(&own)?;
            symlink(target, &own).map_err(failed)?;
            files.push(own);
        }
        Ok(ControlSocket { listener, files })
    }

    /// Does what can be done at once; to be called often.
    pub fn poll(&mut self) {
        self.desk.poll();
        self.accept();
        let desk = &mut self.desk;
        self.clients.retain_mut(|client| client.turn(desk).is_ok());
    }

    fn accept(&mut self) {
        // What fails here fails for that client alone, or is tried again at the next poll.
        while let Ok((stream, _)) = self.socket.listener.accept() {
            if !is_ours(&stream) || stream.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= CLIENTS_MAX {
                let oldest = self.clients.iter().enumerate().min_by_key(|(_, client)| client.heard);
                if let Some((index, _)) = oldest {
                    self.clients.swap_remove(index);
                }
            }
            let heard = Instant::now();
            self.clients.push(Client { stream, inbox: Vec::new(), outbox: Vec::new(), heard });
        }
    }
}

impl ControlSocket {
    /// Answers at this desk from now on.
    #[must_use]
    pub const fn serve(self, desk: Desk) -> ControlServer {
        ControlServer { desk, socket: self, clients: Vec::new() }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        for file in &self.files {
            // One that is left is taken over by the next run there.
            drop(fs::remove_file(file));
        }
    }
}

/// The client is to be let go.
struct Gone;

impl Client {
    /// Reads what came, answers one line, writes what the other end takes.
    fn turn(&mut self, desk: &mut Desk) -> Result<(), Gone> {
        let mut bytes = [0; LINE_MAX];
        let is_over = match self.stream.read(&mut bytes) {
            Ok(0) => true,
            Ok(len) => {
                self.heard = Instant::now();
                self.inbox.extend_from_slice(&bytes[..len]);
                false
            }
            Err(error) if is_later(&error) => false,
            Err(_) => return Err(Gone),
        };
        if let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.inbox.drain(..=end).collect();
            let answer = desk.answer(&String::from_utf8_lossy(&line));
            self.say(&answer);
        } else if self.inbox.len() >= LINE_MAX {
            self.say(&refusal(&format!("the line is too long; expected at most {LINE_MAX} bytes")));
            self.flush()?;
            return Err(Gone);
        } else if is_over {
            return Err(Gone);
        }
        self.flush()?;
        let is_stuck = self.outbox.len() > OUTBOX_MAX || self.inbox.len() > 4 * LINE_MAX;
        if is_stuck || self.heard.elapsed() > SILENCE_MAX { Err(Gone) } else { Ok(()) }
    }

    fn say(&mut self, answer: &str) {
        self.outbox.extend_from_slice(answer.as_bytes());
        self.outbox.push(b'\n');
    }

    fn flush(&mut self) -> Result<(), Gone> {
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(0) => return Err(Gone),
                Ok(len) => drop(self.outbox.drain(..len)),
                Err(error) if is_later(&error) => break,
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Removes a socket or link that nobody serves.
fn clear(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let refused = |why: &str| Err(format!("control socket {}: {why}", path.display()));
    // SAFETY: it takes nothing and cannot fail.
    let me = unsafe { libc::geteuid() };
    if !(found.file_type().is_socket() || found.is_symlink()) || found.uid() != me {
        return refused("something else lies there; expected nothing: move it away");
    }
    let short = ShortPath::of(path).map_err(|error| error.to_string())?;
    if UnixStream::connect(&short.path).is_ok() {
        return refused(
            "another process serves there; expected none: end it, or set control.socket",
        );
    }
    fs::remove_file(path).or_else(|error| refused(&error.to_string()))
}

/// True when the process at the other end belongs to this user or to root.
fn is_ours(stream: &UnixStream) -> bool {
    let mut found = libc::ucred { pid: 0, uid: libc::uid_t::MAX, gid: libc::gid_t::MAX };
    let Ok(mut len) = libc::socklen_t::try_from(size_of::<libc::ucred>()) else { return false };
    // SAFETY: the descriptor is open, and the pointers are to a whole `ucred` and its length.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut len,
        )
    };
    // SAFETY: it takes nothing and cannot fail.
    let me = unsafe { libc::geteuid() };
    result == 0 && (found.uid == me || found.uid == 0)
}
