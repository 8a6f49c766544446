//! What stands beside the path: the transport alone, and the same logic from crates as one would write it first.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use flate2::read::GzDecoder;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use sha2::Sha256;
use tungstenite::{Message, WebSocket};

use super::venue::Venue;
use crate::kernel::workload::ORDER_EVERY;

const UPGRADE: &str = "GET /swap-market HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
/// An empty text, masked: the word on which the venue begins.
const READY: [u8; 6] = [0x81, 0x80, 0, 0, 0, 0];

/// Reads what is there without waiting; `None` where nothing is.
fn some(read: io::Result<usize>) -> io::Result<Option<usize>> {
    match read {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn upgraded(stream: &mut impl Read) -> io::Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(())
}

/// The transport alone: counts frames by their headers and sends `order` fixed bytes for every tenth.
///
/// # Errors
/// Of the sockets.
pub fn echo(venue: &Venue, quotes: usize, order: usize) -> io::Result<()> {
    let mut market = TcpStream::connect(venue.address)?;
    market.set_nodelay(true)?;
    market.write_all(UPGRADE.as_bytes())?;
    upgraded(&mut market)?;
    let mut line = TcpStream::connect(venue.address)?;
    line.set_nodelay(true)?;
    market.write_all(&READY)?;
    market.set_nonblocking(true)?;
    line.set_nonblocking(true)?;
    let mut text = vec![b'x'; order.max(4)];
    let length = text.len();
    text[length - 4..].copy_from_slice(b"\r\n\r\n");
    let (mut bytes, mut end) = (vec![0; 1 << 16], 0);
    let (mut seen, mut owed, mut is_free) = (0, 0u32, true);
    while seen < quotes || owed > 0 || !is_free {
        if let Some(count) = some(market.read(&mut bytes[end..]))? {
            end += count;
            let mut from = 0;
            while let [_, second, rest @ ..] = &bytes[from..end] {
                let whole = match (second, rest) {
                    (126, [high, low, ..]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
                    (126, _) => break,
                    (short, _) => 2 + usize::from(*short),
                };
                if end - from < whole {
                    break;
                }
                from += whole;
                seen += 1;
                owed += u32::from(seen % ORDER_EVERY as usize == 0);
            }
            bytes.copy_within(from..end, 0);
            end -= from;
        }
        if owed > 0 && is_free {
            line.write_all(&text)?;
            (owed, is_free) = (owed - 1, false);
        }
        is_free |= some(line.read(&mut [0; 4096]))?.is_some();
        std::hint::spin_loop();
    }
    Ok(())
}

/// A stream of either kind.
enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    fn open(venue: &Venue) -> io::Result<Self> {
        let tcp = TcpStream::connect(venue.address)?;
        tcp.set_nodelay(true)?;
        if venue.ca_pem.is_empty() {
            return Ok(Self::Plain(tcp));
        }
        let mut roots = RootCertStore::empty();
        for row in CertificateDer::pem_slice_iter(venue.ca_pem.as_bytes()) {
            roots.add(row.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    fn do_not_wait(&self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.set_nonblocking(true),
            Self::Tls(stream) => stream.sock.set_nonblocking(true),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Plain crates, spinning: tungstenite as it comes, a fresh decoder for each frame, `serde_json`, `format!`, a
/// key prepared for each signature; no kernel, no checks.
///
/// # Errors
/// Of the sockets, or a frame that cannot be read.
pub fn crates(venue: &Venue, quotes: usize) -> io::Result<()> {
    let uri = format!("ws://localhost:{}/swap-market", venue.address.port());
    let stream = Stream::open(venue)?;
    let (mut market, _) = tungstenite::client(uri, stream)
        .map_err(|error| io::Error::other(format!("no upgrade: {error}")))?;
    let mut line = Stream::open(venue)?;
    market.send(Message::text("")).map_err(io::Error::other)?;
    market.get_ref().do_not_wait()?;
    line.do_not_wait()?;
    let (mut seen, mut is_free, mut owed) = (0u64, true, VecDeque::new());
    while seen < quotes as u64 || !owed.is_empty() || !is_free {
        if let Some((bid, ask)) = quote(&mut market)? {
            seen += 1;
            if seen.is_multiple_of(ORDER_EVERY) {
                owed.push_back((
                    seen,
                    if (seen / ORDER_EVERY).is_multiple_of(2) { bid } else { ask },
                ));
            }
        }
        if is_free && let Some((seen, price)) = owed.pop_front() {
            let text = format!(
                "clientOrderId=p-00000007-{seen:x}&positionSide=LONG&price={price}&quantity=0.1\
                 &recvWindow=2000&side=BUY&symbol=BTC-USDT&timeInForce=IOC&timestamp={}&type=LIMIT",
                1_718_000_000_000 + seen
            );
            let mut mac = Hmac::<Sha256>::new_from_slice(b"a secret").map_err(io::Error::other)?;
            mac.update(text.as_bytes());
            let signature: String =
                mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            let request = format!(
                "POST /openApi/swap/v2/trade/order?{text}&signature={signature} HTTP/1.1\r\n\
                 Host: localhost\r\nAccept: application/json\r\nAccept-Encoding: identity\r\n\
                 X-BX-APIKEY: a-key-of-the-length-that-the-venue-gives-out\r\nContent-Length: 0\r\n\r\n"
            );
            line.write_all(request.as_bytes())?;
            is_free = false;
        }
        is_free |= some(line.read(&mut [0; 4096]))?.is_some();
        std::hint::spin_loop();
    }
    Ok(())
}

fn quote(market: &mut WebSocket<Stream>) -> io::Result<Option<(String, String)>> {
    let text = match market.read() {
        Ok(Message::Text(text)) => text.to_string(),
        Ok(Message::Binary(bytes)) => {
            let mut text = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut text)?;
            text
        }
        Ok(_) => return Ok(None),
        Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
            return Ok(None);
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    let value: Value = serde_json::from_str(&text)?;
    let price = |name: &str| value["data"][name].as_str().unwrap_or_default().to_owned();
    Ok(Some((price("b"), price("a"))))
}
