//! One byte stream to a peer, plain or encrypted. Nothing here waits.
//!
//! What comes is read by one system call into a buffer, decrypted where it lies, and lent from there; what is
//! sent leaves with one system call, at once.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;

use mio::net::TcpStream;
use socket2::SockRef;

use super::Peer;
use super::buffers::{Inbox, Outbox};
use super::fault::{NetFault, Step};
use super::tls::{Opened, RecordLayer, Tls};

/// How a socket is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuning {
    /// Microseconds that a read may poll the network card; `None` leaves the system's way. Needs a right
    /// that most processes do not have; without it the system's way stays.
    pub busy_poll_us: Option<u32>,
    /// Who seals and opens TLS records.
    pub record_layer: RecordLayer,
}

/// System calls of a connection and the bytes that they moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Reads that brought something.
    pub reads: u64,
    /// Reads that brought nothing.
    pub empty_reads: u64,
    /// Writes.
    pub writes: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

impl std::iter::Sum for Traffic {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            reads: sum.reads + one.reads,
            empty_reads: sum.empty_reads + one.empty_reads,
            writes: sum.writes + one.writes,
            bytes_in: sum.bytes_in + one.bytes_in,
            bytes_out: sum.bytes_out + one.bytes_out,
        })
    }
}

/// What [`Conn::pull`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pulled {
    /// More bytes can be read.
    Bytes,
    /// Nothing has come.
    Nothing,
    /// The peer ended it, in order.
    End,
}

/// A connection in the making or in use. Owner: its link.
pub(super) struct Conn {
    tcp: TcpStream,
    tls: Option<Tls>,
    record_layer: RecordLayer,
    inbox: Inbox,
    outbox: Outbox,
    traffic: Traffic,
    /// The last read filled all the room that it had.
    is_more: bool,
}

impl Conn {
    /// Begins to connect; `attempt` chooses among the peer's addresses. At most `inbox_max` bytes wait to be
    /// read.
    ///
    /// # Errors
    /// [`NetFault`] of step connect.
    pub(super) fn open(
        peer: &Peer,
        attempt: usize,
        tuning: Tuning,
        inbox_max: usize,
    ) -> Result<Box<Self>, NetFault> {
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
        Ok(Box::new(Self {
            tcp,
            tls: None,
            record_layer: tuning.record_layer,
            inbox: Inbox::new(inbox_max),
            outbox: Outbox::new(),
            traffic: Traffic::default(),
            is_more: false,
        }))
    }

    /// True when the TCP connection stands.
    ///
    /// # Errors
    /// [`NetFault`] of step connect: refused, unreachable.
    pub(super) fn is_connected(&self) -> Result<bool, NetFault> {
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
    pub(super) fn encrypt(&mut self, peer: &Peer) -> Result<(), NetFault> {
        if peer.target().tls {
            let tls = Tls::new(peer.trust().config(), peer.name(), self.record_layer);
            self.tls = Some(tls.map_err(|error| NetFault::new(Step::Encrypt, error.to_string()))?);
        }
        Ok(())
    }

    /// Goes on with the TLS handshake; true when it is done.
    ///
    /// # Errors
    /// [`NetFault`] of step encrypt: certificate not trusted, another name, versions, connection lost.
    pub(super) fn is_encrypted(&mut self) -> Result<bool, NetFault> {
        let failed = |error: io::Error| NetFault::io(Step::Encrypt, &error);
        let mut may_read = true;
        while self.tls.as_ref().is_some_and(Tls::is_handshaking) {
            match self.advance(&mut may_read).map_err(failed)? {
                Opened::Nothing => return Ok(false),
                Opened::Overhead | Opened::Bytes => {}
                Opened::End => {
                    return Err(NetFault::new(Step::Encrypt, "the peer closed the connection"));
                }
            }
        }
        Ok(true)
    }

    /// What can be read.
    pub(super) fn bytes(&self) -> &[u8] {
        self.inbox.plain()
    }

    /// Takes bytes from the front of what can be read.
    pub(super) fn consume(&mut self, count: usize) {
        self.inbox.consume(count);
    }

    /// True when the last read left something behind.
    pub(super) const fn is_more(&self) -> bool {
        self.is_more
    }

    /// System calls so far.
    pub(super) const fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Brings more bytes: from what has come already, else by one read, if `may_read` still says so; it says
    /// no afterwards.
    ///
    /// # Errors
    /// Of the socket; `UnexpectedEof` for an end without a farewell of an encrypted peer; `OutOfMemory` when
    /// the inbox is full; `InvalidData` from TLS.
    pub(super) fn pull(&mut self, may_read: &mut bool) -> io::Result<Pulled> {
        loop {
            match self.advance(may_read)? {
                Opened::Nothing => return Ok(Pulled::Nothing),
                Opened::Overhead => {}
                Opened::Bytes => return Ok(Pulled::Bytes),
                Opened::End => return Ok(Pulled::End),
            }
        }
    }

    fn advance(&mut self, may_read: &mut bool) -> io::Result<Opened> {
        if let Some(tls) = &mut self.tls {
            let opened = tls.open(&mut self.inbox, &mut self.outbox);
            // The answer to a key update, a step of the handshake, why it ends.
            let flushed = self.flush();
            let opened = opened?;
            flushed?;
            if opened != Opened::Nothing {
                return Ok(opened);
            }
        }
        if !std::mem::replace(may_read, false) {
            return Ok(Opened::Nothing);
        }
        match self.read() {
            // An encrypted peer would have said farewell: what came may have been cut.
            Ok(0) if self.tls.is_some() => Err(ErrorKind::UnexpectedEof.into()),
            Ok(0) => Ok(Opened::End),
            Ok(_) if self.tls.is_some() => Ok(Opened::Overhead),
            Ok(_) => Ok(Opened::Bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Opened::Nothing),
            Err(error) => Err(error),
        }
    }

    /// One system call, but for those that a signal interrupts.
    fn read(&mut self) -> io::Result<usize> {
        let is_sealed = self.tls.is_some();
        let size = self.inbox.room().len();
        if size == 0 {
            return Err(io::Error::new(ErrorKind::OutOfMemory, "more than may wait to be read"));
        }
        loop {
            match self.tcp.read(self.inbox.room()) {
                Ok(count) => {
                    self.traffic.reads += 1;
                    self.traffic.bytes_in += count as u64;
                    self.is_more = count == size;
                    self.inbox.received(count, is_sealed);
                    return Ok(count);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.traffic.empty_reads += 1;
                    self.is_more = false;
                    return Err(error);
                }
            }
        }
    }

    /// Sends: bytes leave at once, by one write; what the socket does not take waits for [`Self::flush`].
    ///
    /// # Errors
    /// Of the socket; `OutOfMemory` when too much waits; `InvalidData` from TLS. Nothing can be sent then.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.send(bytes, &mut self.inbox, &mut self.outbox)?,
            None => self.outbox.room(bytes.len())?.extend_from_slice(bytes),
        }
        self.flush().map(|_| ())
    }

    /// Writes what waits; true when nothing waits any more.
    ///
    /// # Errors
    /// Of the socket.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        while !self.outbox.waiting().is_empty() {
            match self.tcp.write(self.outbox.waiting()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.traffic.writes += 1;
                    self.traffic.bytes_out += count as u64;
                    self.outbox.sent(count);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Ends it; errors do not matter any more.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            let _told = tls.end(&mut self.inbox, &mut self.outbox);
        }
        let _told = self.flush();
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
