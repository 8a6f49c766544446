//! The listener and its loop: one thread, every socket without blocking.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use pinion_core::units::Nanos;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::clock::{Stopwatch, TurnClock};

use super::connection::{Connection, Socket};
use super::exchange::Exchange;
use super::{Account, SimFault, SimPlan, tls};

const LISTENER: Token = Token(0);
/// The loop turns at least so often: what is due is late by no more.
const TURN: Duration = Duration::from_millis(2);
/// What a TLS connection may have unwritten.
const TLS_BUFFER: usize = 1_024 * 1_024;

/// A simulator that listens. Owner: the thread that runs it.
pub struct VenueSim {
    exchange: Exchange,
    clock: (Stopwatch, TurnClock),
    poll: Poll,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    ca_file: Option<PathBuf>,
    accounts: Vec<Account>,
    connections: BTreeMap<usize, Connection>,
    last: usize,
}

impl std::fmt::Debug for VenueSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VenueSim").field("address", &self.address).finish_non_exhaustive()
    }
}

impl VenueSim {
    /// Opens the market, makes the certificate, and listens. Clients can connect from here on; they are
    /// answered once [`Self::run`] runs.
    ///
    /// # Errors
    /// [`SimFault`].
    pub fn bind(plan: &SimPlan) -> Result<Self, SimFault> {
        let stopwatch = Stopwatch::calibrated();
        let clock = TurnClock::utc(&stopwatch);
        let exchange = Exchange::new(plan, clock.at(stopwatch.read_ns()))?;
        let fault = |error| SimFault::Io(format!("listening on {}", plan.listen), error);
        let mut listener = TcpListener::bind(plan.listen).map_err(fault)?;
        let address = listener.local_addr().map_err(fault)?;
        let tls = plan.tls.then(|| tls::config(address.ip(), &plan.ca_file)).transpose()?;
        let poll = Poll::new().map_err(fault)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).map_err(fault)?;
        Ok(Self {
            exchange,
            clock: (stopwatch, clock),
            poll,
            listener,
            address,
            ca_file: tls.is_some().then(|| plan.ca_file.clone()),
            tls,
            accounts: plan.accounts(),
            connections: BTreeMap::new(),
            last: 0,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that clients must trust; `None` without TLS.
    #[must_use]
    pub const fn ca_file(&self) -> Option<&PathBuf> {
        self.ca_file.as_ref()
    }

    /// The accounts.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Serves until `stop` is set. `say` gets lines for the person who runs it.
    ///
    /// # Errors
    /// [`SimFault`]: the system's poll failed, or the recorded market cannot be read any further.
    pub fn run(&mut self, stop: &AtomicBool, say: &mut dyn FnMut(&str)) -> Result<(), SimFault> {
        let mut events = Events::with_capacity(256);
        while !stop.load(Ordering::Relaxed) {
            match self.poll.poll(&mut events, Some(TURN)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(SimFault::Io("waiting for sockets".to_owned(), error)),
            }
            let now = self.clock.1.at(self.clock.0.read_ns());
            for event in &events {
                if event.token() == LISTENER {
                    self.accept(now);
                } else if let Some(connection) = self.connections.get_mut(&event.token().0) {
                    connection.on_readable(now, &mut self.exchange);
                }
            }
            self.turn(now)?;
            for notice in self.exchange.notices.drain(..) {
                say(&notice);
            }
        }
        Ok(())
    }

    /// Does what is due and sends what came of it.
    fn turn(&mut self, now: Nanos) -> Result<(), SimFault> {
        let Self { exchange, connections, .. } = self;
        exchange.step(now)?;
        let due = exchange.take_due(now);
        if !due.is_empty() {
            let streams = connections.iter().filter_map(|(token, c)| Some((c.stream()?, *token)));
            let by_stream: BTreeMap<u64, usize> = streams.collect();
            for (id, push) in &due {
                let token = by_stream.get(id);
                if let Some(connection) = token.and_then(|token| connections.get_mut(token)) {
                    connection.push(push, exchange);
                }
            }
        }
        connections.retain(|_, connection| {
            connection.on_requests(now, exchange);
            connection.flush(exchange);
            !connection.is_gone()
        });
        Ok(())
    }

    fn accept(&mut self, now: Nanos) {
        // What cannot be accepted is gone, or comes again.
        while let Ok((mut tcp, peer)) = self.listener.accept() {
            self.last += 1;
            // Without it answers only come later.
            drop(tcp.set_nodelay(true));
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut tcp, Token(self.last), interest).is_err() {
                continue;
            }
            let socket = match &self.tls {
                None => Socket::Plain(tcp),
                Some(config) => {
                    let Ok(mut tls) = ServerConnection::new(Arc::clone(config)) else { continue };
                    tls.set_buffer_limit(Some(TLS_BUFFER));
                    Socket::Tls(Box::new(StreamOwned::new(tls, tcp)))
                }
            };
            let mut connection = Connection::new(peer.ip(), socket);
            // Bytes may be there already, and would not be announced again.
            connection.on_readable(now, &mut self.exchange);
            self.connections.insert(self.last, connection);
        }
    }
}
