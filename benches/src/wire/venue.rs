//! A venue that sends quotes at times fixed beforehand and takes orders, on a thread of its own.
//!
//! What it measures counts from the moment at which a quote was due, not from that at which it was written: a
//! client that is late for one quote is not forgiven for those that wait behind it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::derive_accept_key;

use crate::harness::timer::ticks;
use crate::kernel::workload::quotes;

/// What an order is answered with.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 61\r\n\r\n\
{\"code\":0,\"msg\":\"\",\"data\":{\"order\":{\"orderId\":\"1234567890\"}}}";
/// Far beyond what a round takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a venue sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Over TLS.
    pub tls: bool,
    /// Frames are packed, as the venue sends them.
    pub zipped: bool,
    /// Quotes; each tenth wants an order.
    pub quotes: usize,
    /// Mean time between quotes, ns; exponentially distributed.
    pub gap_ns: u64,
    /// Quotes that are due at one moment.
    pub burst: usize,
    /// Connections for orders.
    pub lines: usize,
    /// Of prices and times.
    pub seed: u64,
}

/// What a venue saw, in ticks of the time-stamp counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// When each quote was due.
    pub due: Vec<u64>,
    /// When each order had come whole.
    pub orders: Vec<u64>,
}

impl Seen {
    /// From the moment at which a quote was due to the whole order that answered it; `answered` says which quote
    /// each order answers, in the order in which they left.
    pub fn passed<'a>(&'a self, answered: &'a [usize]) -> impl Iterator<Item = u64> + 'a {
        self.orders
            .iter()
            .zip(answered)
            .filter_map(|(came, quote)| Some(came.saturating_sub(*self.due.get(*quote)?)))
    }
}

/// A venue at work. Owner: whoever started it.
#[derive(Debug)]
pub struct Venue {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, in PEM form; empty without TLS.
    pub ca_pem: String,
    thread: JoinHandle<io::Result<Seen>>,
}

impl Venue {
    /// Begins to listen.
    ///
    /// # Errors
    /// Of the socket.
    pub fn start(load: Load) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (config, ca_pem) = if load.tls {
            let (config, pem) = certified().map_err(io::Error::other)?;
            (Some(Arc::new(config)), pem)
        } else {
            (None, String::new())
        };
        let thread = thread::spawn(move || serve(&listener, config, &load));
        Ok(Self { address, ca_pem, thread })
    }

    /// Waits for its end, which is the client's.
    ///
    /// # Errors
    /// Of the sockets; a client that says nothing for a minute.
    pub fn finish(self) -> io::Result<Seen> {
        self.thread.join().map_err(|_| io::Error::other("the venue's thread ended in a panic"))?
    }
}

/// A server with a certificate made for it.
fn certified() -> Result<(ServerConfig, String), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| text(&error))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut provider = rustls::crypto::ring::default_provider();
    provider.cipher_suites = vec![rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| text(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(|error| text(&error))?;
    Ok((config, made.cert.pem()))
}

/// A connection of a client.
enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Line {
    fn accept(listener: &TcpListener, config: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
        let (tcp, _) = listener.accept()?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let Some(config) = config else { return Ok(Self::Plain(tcp)) };
        let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
        let mut line = StreamOwned::new(tls, tcp);
        while line.conn.is_handshaking() {
            line.conn.complete_io(&mut line.sock)?;
        }
        Ok(Self::Tls(Box::new(line)))
    }

    const fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(line) => &line.sock,
        }
    }

    /// Reads until an empty line.
    fn head(&mut self) -> io::Result<String> {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        String::from_utf8(head).map_err(io::Error::other)
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(line) => line.read(buffer),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(line) => line.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(line) => line.flush(),
        }
    }
}

/// Every quote as a whole frame, and when it is due, in ticks after the start.
fn plan(load: &Load) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let ns_per_tick = crate::harness::Timer::calibrated().ns(1.0);
    let (mut state, mut due_ns) = (load.seed | 1, 0.0);
    let mut out = Vec::with_capacity(load.quotes);
    for (place, quote) in quotes(load.quotes, load.seed).iter().enumerate() {
        if place % load.burst.max(1) == 0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let uniform = ((state >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
            due_ns -= uniform.ln() * load.gap_ns as f64 * load.burst.max(1) as f64;
        }
        let price = |raw: i64| format!("{}.{:02}", raw / 100_000_000, raw / 1_000_000 % 100);
        let (bid, ask, at) = (price(quote.bid), price(quote.ask), quote.ts_ns / 1_000_000);
        let text = format!(
            "{{\"code\":0,\"dataType\":\"BTC-USDT@bookTicker\",\"data\":{{\"e\":\"bookTicker\",\
             \"u\":{place},\"E\":{at},\"T\":{at},\"s\":\"BTC-USDT\",\"b\":\"{bid}\",\"B\":\"50\",\
             \"a\":\"{ask}\",\"A\":\"40\"}}}}"
        );
        let payload = if load.zipped {
            let mut packer = GzEncoder::new(Vec::new(), Compression::default());
            packer.write_all(text.as_bytes())?;
            packer.finish()?
        } else {
            text.into_bytes()
        };
        let mut frame = vec![if load.zipped { 0x82 } else { 0x81 }];
        match u8::try_from(payload.len()) {
            Ok(length @ 0..=125) => frame.push(length),
            Ok(_) | Err(_) => {
                frame.push(126);
                let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
                frame.extend(length.to_be_bytes());
            }
        }
        frame.extend(payload);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time ahead"
        )]
        out.push(((due_ns / ns_per_tick) as u64, frame));
    }
    Ok(out)
}

fn serve(
    listener: &TcpListener,
    config: Option<Arc<ServerConfig>>,
    load: &Load,
) -> io::Result<Seen> {
    let plan = plan(load)?;
    let mut market = Line::accept(listener, config.as_ref())?;
    let head = market.head()?;
    let key = head.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.split('\r').next());
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    write!(
        market,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )?;
    market.flush()?;
    let mut lines = Vec::with_capacity(load.lines);
    for _ in 0..load.lines {
        lines.push((Line::accept(listener, config.as_ref())?, Vec::with_capacity(4096)));
    }
    // The client says that it is ready.
    let mut ready = [0; 6];
    market.read_exact(&mut ready)?;
    for (line, _) in &lines {
        line.tcp().set_nonblocking(true)?;
    }
    let (started, start, mut sent) = (Instant::now(), ticks(), 0);
    let due: Vec<u64> = plan.iter().map(|(after, _)| start + after).collect();
    let mut seen = Seen { due, orders: Vec::with_capacity(plan.len()) };
    let mut chunk = [0; 4096];
    loop {
        while let Some((_, frame)) =
            plan.get(sent).filter(|(after, _)| ticks().saturating_sub(start) >= *after)
        {
            market.write_all(frame)?;
            sent += 1;
        }
        for (line, waiting) in &mut lines {
            match line.read(&mut chunk) {
                // The client has what it wanted.
                Ok(0) => return Ok(seen),
                Ok(count) => waiting.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(seen),
                Err(error) => return Err(error),
            }
            if waiting.ends_with(b"\r\n\r\n") {
                seen.orders.push(ticks());
                waiting.clear();
                line.write_all(ANSWER)?;
            }
        }
        std::hint::spin_loop();
        if started.elapsed() > PATIENCE {
            return Err(io::Error::other("the client is silent"));
        }
    }
}
