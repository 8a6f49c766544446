//! One byte stream to a peer, plain or encrypted. Reads and writes never wait: they say `WouldBlock`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::net::TcpStream;
use rustls::ClientConnection;
use socket2::SockRef;

use super::Peer;
use super::fault::{NetFault, Step};

/// Bytes that may wait to be written.
const WRITE_BUFFER_MAX: usize = 256 * 1024;
/// TLS records of one read at most; what is left is read by the next one. Empty records could go on forever.
const RECORDS_MAX: u32 = 64;

/// How a socket is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Microseconds that a read may poll the network card; `None` leaves the system's way. Needs a right
    /// that most processes do not have; without it the system's way stays.
    pub busy_poll_us: Option<u32>,
}

/// A connection in the making or in use. Owner: its link.
#[derive(Debug)]
pub struct Conn {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Conn {
    /// Begins to connect; `attempt` chooses among the peer's addresses.
    ///
    /// # Errors
    /// [`NetFault`] of step connect.
    pub fn open(peer: &Peer, attempt: usize, tuning: Tuning) -> Result<Self, NetFault> {
        let failed = |error: io::Error| NetFault::io(Step::Connect, &error);
        let address = peer
            .address(attempt)
            .ok_or_else(|| NetFault::new(Step::Connect, "no address at hand"))?;
        let tcp = TcpStream::connect(address).map_err(failed)?;
        tcp.set_nodelay(true).map_err(failed)?;
        if !tcp.nodelay().map_err(failed)? {
            return Err(NetFault::new(
                Step::Connect,
                "the system did not switch Nagle's delay off",
            ));
        }
        let _allowed = tuning.busy_poll_us.map(|us| busy_poll(&tcp, us));
        Ok(Self { tcp, tls: None })
    }

    /// True when the TCP connection stands.
    ///
    /// # Errors
    /// [`NetFault`] of step connect: refused, unreachable.
    pub fn is_connected(&self) -> Result<bool, NetFault> {
        if let Some(error) = self.tcp.take_error().unwrap_or_else(Some) {
            return Err(NetFault::io(Step::Connect, &error));
        }
        match self.tcp.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            // The system's word for a connection that is not made yet, on some systems.
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(false),
            Err(error) => Err(NetFault::io(Step::Connect, &error)),
        }
    }

    /// Begins the TLS handshake, where the peer is encrypted.
    ///
    /// # Errors
    /// [`NetFault`] of step encrypt.
    pub fn encrypt(&mut self, peer: &Peer) -> Result<(), NetFault> {
        if peer.target().tls {
            let tls = ClientConnection::new(peer.trust().config(), peer.name());
            let mut tls = tls.map_err(|error| NetFault::new(Step::Encrypt, error.to_string()))?;
            tls.set_buffer_limit(Some(WRITE_BUFFER_MAX));
            self.tls = Some(Box::new(tls));
        }
        Ok(())
    }

    /// Goes on with the TLS handshake; true when it is done.
    ///
    /// # Errors
    /// [`NetFault`] of step encrypt: certificate not trusted, another name, versions, connection lost.
    pub fn is_encrypted(&mut self) -> Result<bool, NetFault> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        for _ in 0..RECORDS_MAX {
            let failed = |error: io::Error| NetFault::io(Step::Encrypt, &error);
            flush(tls, &mut self.tcp).map_err(failed)?;
            if !tls.is_handshaking() {
                return Ok(true);
            }
            match tls.read_tls(&mut self.tcp) {
                Ok(0) => {
                    return Err(NetFault::new(Step::Encrypt, "the peer closed the connection"));
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(failed(error)),
            }
            if let Err(error) = tls.process_new_packets() {
                // The peer should hear why; if it does not, it sees the connection end.
                let _told = flush(tls, &mut self.tcp);
                return Err(NetFault::new(Step::Encrypt, error.to_string()));
            }
        }
        Ok(false)
    }

    /// Ends it; errors do not matter any more.
    pub fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _told = flush(tls, &mut self.tcp);
        }
        let _shut = self.tcp.shutdown(Shutdown::Both);
    }
}

/// Lets reads poll the network card; false where the system does not allow it.
fn busy_poll(tcp: &TcpStream, us: u32) -> bool {
    use std::os::fd::AsRawFd as _;
    let us = libc::c_int::try_from(us).unwrap_or(libc::c_int::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "the size of an int")]
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open as long as `tcp` lives; the option's value is an int that lives through
    // the call, and `size` is its size.
    let set = unsafe {
        libc::setsockopt(
            SockRef::from(tcp).as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BUSY_POLL,
            (&raw const us).cast(),
            size,
        )
    };
    set == 0
}

/// Writes what TLS has ready while the socket takes it.
fn flush(tls: &mut ClientConnection, tcp: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(tcp) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Read for Conn {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { tcp, tls, .. } = self;
        let Some(tls) = tls else { return tcp.read(buffer) };
        for _ in 0..RECORDS_MAX {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                told => return told,
            }
            match tls.read_tls(tcp) {
                // The reader tells a clean end from a cut.
                Ok(0) => return tls.reader().read(buffer),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if let Err(error) = tls.process_new_packets() {
                let _told = flush(tls, tcp);
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
            // Key updates want an answer.
            flush(tls, tcp)?;
        }
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Conn {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { tcp, tls, .. } = self;
        let Some(tls) = tls else { return tcp.write(bytes) };
        let mut taken = tls.writer().write(bytes)?;
        flush(tls, tcp)?;
        if taken == 0 && !bytes.is_empty() {
            // The buffer was full; perhaps the flush made room.
            taken = tls.writer().write(bytes)?;
            flush(tls, tcp)?;
        }
        if taken == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let Self { tcp, tls, .. } = self;
        let Some(tls) = tls else { return Ok(()) };
        flush(tls, tcp)?;
        if tls.wants_write() { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }
}
