//! Links against a server in a thread: real sockets, real TLS, a certificate made for the test.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pinion_core::units::Nanos;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;

mod hostile;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Far beyond anything that loopback takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    port: u16,
    ca: PathBuf,
    _dir: tempfile::TempDir,
    thread: JoinHandle<()>,
}

/// What a server does with one connection.
type Script = Box<dyn FnOnce(Tls) + Send>;

/// Serves each connection in turn with one script; the certificate is for `name`.
fn serve(name: &str, scripts: Vec<fn(Tls)>) -> Server {
    let scripts = scripts.into_iter().map(|script| Box::new(script) as Script).collect();
    serve_as(rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name"), scripts)
}

/// The same with a certificate of one's own making, which signs itself.
fn serve_as(params: rcgen::CertificateParams, scripts: Vec<Script>) -> Server {
    let signing_key = rcgen::KeyPair::generate().expect("a key");
    let cert = params.self_signed(&signing_key).expect("certificate");
    let dir = tempfile::tempdir().expect("temporary directory");
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, cert.pem()).expect("written");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("key fits");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let thread = thread::spawn(move || {
        for script in scripts {
            let (tcp, _) = listener.accept().expect("a client");
            tcp.set_read_timeout(Some(PATIENCE)).expect("set");
            let tls = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            script(StreamOwned::new(tls, tcp));
        }
    });
    Server { port, ca, _dir: dir, thread }
}

fn peer(server: &Server, scheme: &str) -> Arc<Peer> {
    let url = format!("{scheme}://localhost:{}/swap-market", server.port);
    let trust = Trust::new(Some(&server.ca)).expect("the test's certificate");
    let mut target = Target::parse(&url).expect("whole");
    target.host = "localhost".to_owned();
    let peer = Peer::new(target, trust).expect("this machine has an address");
    // The listener is on version 4 alone.
    peer.only_v4();
    Arc::new(peer)
}

/// Polls until `done` gives something.
fn until<T>(mut done: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "nothing came");
        thread::sleep(Duration::from_micros(100));
    }
}

fn now() -> Nanos {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    Nanos::new(1_000_000_000 + i64::try_from(passed.as_nanos()).expect("soon"))
}

/// Takes every step of a WebSocket, as a session would.
fn open(link: &mut WsLink) -> Result<(), NetFault> {
    link.connect()?;
    until(|| {
        let step = match link.poll() {
            Ok(step) => step,
            Err(fault) => return Some(Err(fault)),
        };
        let next = match step {
            Some(WsStep::Connected) => link.encrypt().map(|()| None),
            Some(WsStep::Encrypted) => link.upgrade("listenKey=canary"),
            Some(WsStep::Upgraded) => return Some(Ok(())),
            None => return None,
        };
        match next {
            Ok(Some(WsStep::Upgraded)) => Some(Ok(())),
            Ok(_) => None,
            Err(fault) => Some(Err(fault)),
        }
    })
}

fn drain(link: &mut WsLink, budget: u32, got: &mut Vec<Vec<u8>>) -> Result<Drained, NetFault> {
    link.drain(budget, &mut |bytes| got.push(bytes.to_vec()))
}

fn echo(tls: Tls) {
    let mut socket = tungstenite::accept(tls).expect("upgraded");
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Text(text)) if text.as_str() == "many" => {
                for n in 0..100u8 {
                    socket.send(tungstenite::Message::binary(vec![n; 1000])).expect("sent");
                }
                socket.send(tungstenite::Message::Ping(vec![7].into())).expect("sent");
            }
            Ok(tungstenite::Message::Text(text)) if text.as_str() == "large" => {
                let _cut = socket.send(tungstenite::Message::binary(vec![0; 300 * 1024]));
            }
            Ok(tungstenite::Message::Text(text)) if text.as_str() == "cut" => return,
            Ok(tungstenite::Message::Pong(payload)) => {
                socket.send(tungstenite::Message::binary(payload)).expect("sent");
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

#[test]
fn a_web_socket_drains_within_its_budget_answers_pings_and_tells_its_end() {
    RecordLayer::ALL.iter().for_each(|layer| drains_and_ends(*layer));
}

fn drains_and_ends(record_layer: RecordLayer) {
    let server = serve("localhost", vec![echo]);
    let tuning = Tuning { record_layer, ..Tuning::default() };
    let mut link = WsLink::new(peer(&server, "wss"), WsLimits::ACCOUNT, tuning);
    open(&mut link).expect("opens");
    assert!(link.is_open());
    link.send("many").expect("sent");
    let mut got = Vec::new();
    until(|| {
        let drained = drain(&mut link, 7, &mut got).expect("open");
        assert!(drained.messages <= 7);
        // The hundred, and what came back of the ping's answer.
        (got.len() == 101).then_some(())
    });
    assert!((0..100u8).all(|n| got[usize::from(n)] == vec![n; 1000]));
    assert_eq!(got[100], [7]);
    link.send("cut").expect("sent");
    let fault = until(|| drain(&mut link, 7, &mut got).err());
    assert_eq!(fault.step, Step::Read);
    assert!(!link.is_open() && !fault.to_string().contains("canary"), "{fault}");
    server.thread.join().expect("no panic");
}

#[test]
fn a_message_beyond_the_limit_ends_the_socket() {
    let server = serve("localhost", vec![echo]);
    let mut link = WsLink::new(peer(&server, "wss"), WsLimits::ACCOUNT, Tuning::default());
    open(&mut link).expect("opens");
    link.send("large").expect("sent");
    let mut got = Vec::new();
    let fault = until(|| drain(&mut link, 7, &mut got).err());
    assert_eq!((fault.step, got.len()), (Step::Read, 0));
    drop(link);
    server.thread.join().expect("no panic");
}

#[test]
fn another_name_and_an_unknown_authority_are_not_trusted() {
    fn refused(mut tls: Tls) {
        assert!(tls.write_all(b"x").and_then(|()| tls.read_exact(&mut [0])).is_err());
    }
    let server = serve("example.com", vec![refused, refused]);
    let mut link = WsLink::new(peer(&server, "wss"), WsLimits::ACCOUNT, Tuning::default());
    assert_eq!(open(&mut link).expect_err("another name").step, Step::Encrypt);
    let target = peer(&server, "wss").target().clone();
    let stranger = Peer::new(target, Trust::new(None).expect("roots")).expect("an address");
    stranger.only_v4();
    let mut link = WsLink::new(Arc::new(stranger), WsLimits::ACCOUNT, Tuning::default());
    assert_eq!(open(&mut link).expect_err("unknown authority").step, Step::Encrypt);
    server.thread.join().expect("no panic");
}

#[test]
fn nobody_at_home_is_told_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://127.0.0.1:{}/", listener.local_addr().expect("bound").port());
    drop(listener);
    let target = Target::parse(&url).expect("whole");
    let peer = Peer::new(target, Trust::new(None).expect("roots")).expect("an address");
    let mut link = WsLink::new(Arc::new(peer), WsLimits::ACCOUNT, Tuning::default());
    assert_eq!(open(&mut link).expect_err("refused").step, Step::Connect);
}

/// Reads the head of one request.
fn request(tls: &mut Tls) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn rest(mut tls: Tls) {
    while let Some(head) = request(&mut tls) {
        let path = head.split(' ').nth(1).expect("a path");
        let answer: &[u8] = match path {
            "/plain" => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "/chunked?a=1" => {
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nch\r\n4\r\nunks\r\n0\r\n\r\n"
            }
            "/none" => b"HTTP/1.1 204 No Content\r\n\r\n",
            "/early" => b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
            "/closes" => b"HTTP/1.1 418 No\r\nConnection: close\r\nContent-Length: 1\r\n\r\nc",
            "/silent" => b"",
            "/open-end" | "/open-cut" => b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ncut",
        };
        tls.write_all(answer).expect("written");
        tls.flush().expect("written");
        if path == "/open-end" {
            tls.conn.send_close_notify();
            tls.flush().expect("written");
        }
        if matches!(path, "/closes" | "/cut" | "/open-end" | "/open-cut") {
            return;
        }
    }
}

fn exchange(pool: &mut HttpPool<u32>, path: &str, query: &str) -> (HttpEvent, u16, Vec<u8>) {
    let outgoing = Outgoing { method: "POST", path, query, header: Some(("X-KEY", "canary")) };
    until(|| {
        let _none = pool.poll(now());
        pool.send(now(), &outgoing, 5).is_none().then_some(())
    });
    let done = until(|| pool.poll(now()));
    assert_eq!(done.tag, 5);
    let answer = pool.answer(done.line);
    let (status, body) =
        answer.map_or((0, Vec::new()), |found| (found.status, found.body.to_vec()));
    (done.event, status, body)
}

#[test]
fn one_connection_serves_many_requests_and_comes_back_when_it_was_closed() {
    RecordLayer::ALL.iter().for_each(|layer| serves_many(*layer));
}

fn serves_many(record_layer: RecordLayer) {
    let server = serve("localhost", vec![rest; 6]);
    let second = 1_000_000_000;
    let tuning = Tuning { record_layer, ..Tuning::default() };
    let mut pool = HttpPool::new(&peer(&server, "https"), 1, second, tuning);
    let told = |pool: &mut HttpPool<u32>, path: &str, query: &str| {
        let (event, status, body) = exchange(pool, path, query);
        assert_eq!(event, HttpEvent::Answered, "{path}");
        (status, String::from_utf8(body).expect("text"))
    };
    assert_eq!(told(&mut pool, "/plain", ""), (200, "ok".to_owned()));
    assert_eq!(told(&mut pool, "/chunked", "a=1"), (200, "chunks".to_owned()));
    assert_eq!(told(&mut pool, "/none", ""), (204, String::new()));
    assert_eq!(told(&mut pool, "/early", ""), (200, "x".to_owned()));
    assert_eq!(told(&mut pool, "/closes", ""), (418, "c".to_owned()));
    assert_eq!(told(&mut pool, "/plain", ""), (200, "ok".to_owned()), "a new connection");
    let (event, status, _) = exchange(&mut pool, "/cut", "");
    assert!(matches!(&event, HttpEvent::Lost(fault) if fault.step == Step::Read), "{event:?}");
    assert_eq!(status, 0, "half an answer is none");
    let (event, _, _) = exchange(&mut pool, "/silent", "");
    assert!(matches!(&event, HttpEvent::Lost(fault) if fault.step == Step::Wait), "{event:?}");
    assert_eq!(told(&mut pool, "/open-end", ""), (200, "until the end".to_owned()));
    let (cut, _, _) = exchange(&mut pool, "/open-cut", "");
    assert!(matches!(&cut, HttpEvent::Lost(fault) if fault.step == Step::Read), "{cut:?}");
    let text = format!("{pool:?}{event:?}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(told(&mut pool, "/plain", ""), (200, "ok".to_owned()));
    drop(pool);
    server.thread.join().expect("no panic");
}
