//! What a service tells its manager (`sd_notify`): a datagram of `NAME=value` lines to a socket that the manager
//! names in `$NOTIFY_SOCKET`. Nothing here waits: a manager that does not listen costs one failed call.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// One thing to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice<'t> {
    /// The start is over; the unit is up.
    Ready,
    /// The end has begun.
    Stopping,
    /// Everything that must run does.
    Watchdog,
    /// One line for people, shown by `systemctl status`.
    Status(&'t str),
}

/// The text of a datagram. A line break in a status would begin another message: it becomes a blank.
#[must_use]
pub fn message(notices: &[Notice<'_>]) -> String {
    let lines = notices.iter().map(|notice| match notice {
        Notice::Ready => "READY=1\n".to_owned(),
        Notice::Stopping => "STOPPING=1\n".to_owned(),
        Notice::Watchdog => "WATCHDOG=1\n".to_owned(),
        Notice::Status(text) => format!("STATUS={}\n", text.replace(['\n', '\r'], " ")),
    });
    lines.collect()
}

/// The way to the manager.
#[derive(Debug)]
pub struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    /// The manager that started this process; `None` where none asked to be told.
    ///
    /// # Errors
    /// `$NOTIFY_SOCKET` is no name of a socket, or no socket can be made.
    pub fn of_this_process() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET")
            .filter(|name| !name.is_empty())
            .map(|name| Self::at(&name))
            .transpose()
    }

    /// The manager that listens at a path, or at an abstract name (written with `@` before it).
    ///
    /// # Errors
    /// The name is neither, or too long, or no socket can be made.
    pub fn at(name: &OsStr) -> io::Result<Self> {
        let address = match name.as_bytes() {
            [b'@', abstract_name @ ..] => SocketAddr::from_abstract_name(abstract_name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => {
                let text = format!(
                    "NOTIFY_SOCKET={}: expected an absolute path, or a name after @",
                    name.to_string_lossy()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address })
    }

    /// Tells, in one datagram; never waits.
    ///
    /// # Errors
    /// Nobody listens, or the manager's queue is full.
    pub fn tell(&self, notices: &[Notice<'_>]) -> io::Result<()> {
        self.socket.send_to_addr(message(notices).as_bytes(), &self.address).map(drop)
    }
}

/// How often the watchdog wants to be fed: half of what the manager allows. `usec` and `pid` are the texts of
/// `$WATCHDOG_USEC` and `$WATCHDOG_PID`; `None` where the watchdog is off, or meant for another process.
#[must_use]
pub fn watchdog_period(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    let meant = pid.is_none_or(|pid| pid.parse() == Ok(own_pid));
    let allowed = usec?.parse::<u64>().ok().filter(|usec| *usec > 1)?;
    meant.then(|| Duration::from_micros(allowed / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_a_line_for_each_notice() {
        let notices = [Notice::Ready, Notice::Status("paper\nREADY=0"), Notice::Watchdog];
        assert_eq!(message(&notices), "READY=1\nSTATUS=paper READY=0\nWATCHDOG=1\n");
        assert_eq!(message(&[Notice::Stopping]), "STOPPING=1\n");
    }

    fn receive(listener: &UnixDatagram) -> String {
        listener.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut bytes = [0; 256];
        let length = listener.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn it_reaches_a_socket_at_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        Manager::at(path.as_os_str()).unwrap().tell(&[Notice::Ready]).unwrap();
        assert_eq!(receive(&listener), "READY=1\n");
    }

    #[test]
    fn it_reaches_an_abstract_socket() {
        let name = format!("pinion-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixDatagram::bind_addr(&address).unwrap();
        let manager = Manager::at(OsStr::new(&format!("@{name}"))).unwrap();
        manager.tell(&[Notice::Watchdog, Notice::Stopping]).unwrap();
        assert_eq!(receive(&listener), "WATCHDOG=1\nSTOPPING=1\n");
    }

    #[test]
    fn a_manager_that_is_not_there_or_not_a_socket_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let nobody = Manager::at(folder.path().join("gone").as_os_str()).unwrap();
        assert!(nobody.tell(&[Notice::Ready]).is_err());
        for name in ["", "relative", "vsock:2:1234"] {
            let fault = Manager::at(OsStr::new(name)).unwrap_err();
            assert!(fault.to_string().contains("absolute path"), "{name}: {fault}");
        }
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time_and_only_by_whom_it_means() {
        let half = Some(Duration::from_millis(2_500));
        assert_eq!(watchdog_period(Some("5000000"), None, 7), half);
        assert_eq!(watchdog_period(Some("5000000"), Some("7"), 7), half);
        assert_eq!(watchdog_period(Some("5000000"), Some("8"), 7), None);
        for off in [None, Some("0"), Some("x")] {
            assert_eq!(watchdog_period(off, None, 7), None);
        }
    }
}
