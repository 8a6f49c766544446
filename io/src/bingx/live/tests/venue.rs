//! A venue that does as it is told: real sockets without encryption on this machine, answers by script.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use tungstenite::Message;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};

use super::super::plan::{ApiKeys, VenuePlan};
use crate::bingx::words::{MarginType, PositionMode};
use crate::net::{Peer, Target, Trust, Tuning};

/// What comes back.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A body, with status 200.
    Ok(String),
    /// A body with another status.
    Status(u16, &'static str),
    /// The connection ends without an answer.
    Cut,
}

/// What is pushed on a socket.
#[derive(Clone, Debug)]
pub(super) enum Push {
    Frame(String),
    Cut,
}

#[derive(Default)]
pub(super) struct Script {
    /// `METHOD path?query` in the order of arrival.
    pub(super) requests: Vec<String>,
    /// Answers by `METHOD path-end`; when used up the usual one is given.
    pub(super) answers: BTreeMap<&'static str, VecDeque<Reply>>,
    /// What sockets sent us.
    pub(super) said: Vec<String>,
    /// Queries of account sockets that came up.
    pub(super) opened: Vec<String>,
    /// Queries that no socket may come up with.
    pub(super) dead: Vec<String>,
    account: Vec<Sender<Push>>,
    market: Vec<Sender<Push>>,
    keys: u32,
    orders: u64,
}

#[derive(Clone)]
pub(super) struct Venue {
    rest: u16,
    ws: u16,
    pub(super) script: Arc<Mutex<Script>>,
}

pub(super) fn venue_ms() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(passed.as_millis()).expect("soon")
}

impl Venue {
    pub(super) fn start() -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").expect("a port");
        let (rest, ws) = (bind(), bind());
        let port = |listener: &TcpListener| listener.local_addr().expect("bound").port();
        let script = Arc::new(Mutex::new(Script::default()));
        let venue = Self { rest: port(&rest), ws: port(&ws), script };
        let (first, second) = (venue.clone(), venue.clone());
        thread::spawn(move || {
            for stream in rest.incoming().flatten() {
                let venue = first.clone();
                thread::spawn(move || venue.serve(stream));
            }
        });
        thread::spawn(move || {
            for stream in ws.incoming().flatten() {
                let venue = second.clone();
                thread::spawn(move || venue.socket(stream));
            }
        });
        venue
    }

    pub(super) fn plan(&self) -> VenuePlan {
        let peer = |url: String| {
            let target = Target::parse(&url).expect("whole");
            let trust = Trust::new(None).expect("roots");
            Arc::new(Peer::new(target, trust).expect("an address"))
        };
        let text = |text: &str| zeroize::Zeroizing::new(text.to_owned());
        VenuePlan {
            rest: peer(format!("http://127.0.0.1:{}", self.rest)),
            ws: peer(format!("ws://127.0.0.1:{}/swap-market", self.ws)),
            keys: ApiKeys::new(text("canary-key"), &text("canary-secret")).expect("a key"),
            symbols: vec!["BTC-USDT".to_owned()],
            position_mode: PositionMode::Hedge,
            margin_type: MarginType::Crossed,
            leverage: 3,
            recv_window_ms: None,
            dead_man_s: 10,
            write_ahead: true,
            connections: 3,
            timeout_ns: 2_000_000_000,
            reconnect_max_ns: 30_000_000_000,
            attempts_per_hour: 120,
            tuning: Tuning::default(),
            seed: 1,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("no panic under the lock")
    }

    /// The next answer to this call; further ones queue behind it.
    pub(super) fn answer(&self, call: &'static str, reply: Reply) {
        self.lock().answers.entry(call).or_default().push_back(reply);
    }

    /// Requests so far that contain a text.
    pub(super) fn asked(&self, part: &str) -> Vec<String> {
        self.lock().requests.iter().filter(|request| request.contains(part)).cloned().collect()
    }

    pub(super) fn push_account(&self, push: &Push) {
        self.lock().account.retain(|socket| socket.send(push.clone()).is_ok());
    }

    pub(super) fn push_market(&self, push: &Push) {
        self.lock().market.retain(|socket| socket.send(push.clone()).is_ok());
    }

    fn serve(&self, mut stream: TcpStream) {
        while let Some(head) = head(&mut stream) {
            let mut words = head.split(' ');
            let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            let signed = head.contains("X-BX-APIKEY: canary-key") && path.contains("signature=");
            let reply = self.reply(method, path, signed);
            let (status, body) = match &reply {
                Reply::Ok(body) => (200, body.as_str()),
                Reply::Status(status, body) => (*status, *body),
                Reply::Cut => return,
            };
            let answer =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn reply(&self, method: &str, path: &str, signed: bool) -> Reply {
        let mut script = self.lock();
        script.requests.push(format!("{method} {path}"));
        let bare = path.split('?').next().unwrap_or("");
        let is_call = |call: &str| {
            let (verb, end) = call.split_once(' ').expect("a method and a path");
            verb == method && bare.ends_with(end)
        };
        let scripted = script.answers.iter_mut().find(|(call, _)| is_call(call));
        if let Some(reply) = scripted.and_then(|(_, queue)| queue.pop_front()) {
            return reply;
        }
        let ok = |data: String| Reply::Ok(format!(r#"{{"code":0,"msg":"","data":{data}}}"#));
        if is_call("GET /server/time") {
            return ok(format!(r#"{{"serverTime":{}}}"#, venue_ms()));
        }
        if is_call("GET /quote/contracts") {
            let row = r#"{"symbol":"BTC-USDT","pricePrecision":1,"quantityPrecision":4,
                "tradeMinQuantity":0.0001,"tradeMinUSDT":2,"status":1,"apiStateOpen":"true",
                "apiStateClose":"true","makerFeeRate":0.0002,"takerFeeRate":0.0005}"#;
            return ok(format!("[{row}]"));
        }
        if !signed {
            return Reply::Ok(
                r#"{"code":100001,"msg":"Signature verification failed"}"#.to_owned(),
            );
        }
        if is_call("POST /userDataStream") {
            script.keys += 1;
            return Reply::Ok(format!(r#"{{"listenKey":"listen-canary-{}"}}"#, script.keys));
        }
        if is_call("PUT /userDataStream") {
            return Reply::Status(200, "");
        }
        if is_call("POST /trade/order") {
            script.orders += 1;
            let client = parameter(path, "clientOrderId").unwrap_or_default();
            return ok(format!(
                r#"{{"order":{{"orderId":{},"symbol":"BTC-USDT","clientOrderId":"{client}"}}}}"#,
                1_970_000_000_000_000_000 + script.orders
            ));
        }
        if is_call("POST /trade/cancelAllAfter") {
            let closes = path.contains("type=CLOSE");
            let status = if closes { "CLOSED" } else { "ACTIVATED" };
            return ok(format!(
                r#"{{"triggerTime":{},"status":"{status}"}}"#,
                venue_ms() / 1000 + 10
            ));
        }
        let data = [
            (
                "/user/balance",
                r#"[{"asset":"USDT","balance":"1000.5","equity":"1000.5",
                "availableMargin":"900","usedMargin":"100.5"}]"#,
            ),
            ("/user/positions", "[]"),
            ("/trade/openOrders", r#"{"orders":[]}"#),
            ("/trade/fillHistory", r#"{"fill_history_orders":[],"total":0}"#),
            ("/positionSide/dual", r#"{"dualSidePosition":"true"}"#),
            ("/trade/marginType", r#"{"marginType":"CROSSED"}"#),
            (
                "/trade/leverage",
                r#"{"longLeverage":3,"shortLeverage":3,"maxLongLeverage":150,
                "maxShortLeverage":150}"#,
            ),
            (
                "/user/commissionRate",
                r#"{"commission":{"takerCommissionRate":0.0005,"makerCommissionRate":0.0002}}"#,
            ),
        ];
        match data.iter().find(|(end, _)| bare.ends_with(end)) {
            Some((_, data)) => ok((*data).to_owned()),
            None => Reply::Status(404, "not found"),
        }
    }

    #[expect(clippy::result_large_err, reason = "the library's form of a refusal")]
    fn socket(&self, stream: TcpStream) {
        let mut query = String::new();
        let dead = self.lock().dead.clone();
        let look = |request: &Request, response: Response| {
            query = request.uri().query().unwrap_or("").to_owned();
            if dead.contains(&query) { Err(ErrorResponse::new(None)) } else { Ok(response) }
        };
        let Ok(mut socket) = tungstenite::accept_hdr(stream, look) else { return };
        let (sender, pushes): (_, Receiver<Push>) = channel();
        {
            let mut script = self.lock();
            if query.starts_with("listenKey=") {
                script.opened.push(query);
                script.account.push(sender);
            } else {
                script.market.push(sender);
            }
        }
        let pause = Some(Duration::from_millis(2));
        socket.get_ref().set_read_timeout(pause).expect("set");
        loop {
            match socket.read() {
                Ok(Message::Text(text)) => {
                    self.lock().said.push(text.to_string());
                    let id = text.split('"').nth(3).filter(|_| text.contains("\"sub\""));
                    if let Some(id) = id {
                        let answer = format!(r#"{{"id":"{id}","code":0,"msg":"","data":null}}"#);
                        if socket.send(packed(&answer)).is_err() {
                            return;
                        }
                    }
                }
                Ok(_) => {}
                Err(tungstenite::Error::Io(error))
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                    ) => {}
                Err(_) => return,
            }
            for push in pushes.try_iter() {
                match push {
                    Push::Frame(text) if socket.send(packed(&text)).is_ok() => {}
                    Push::Frame(_) | Push::Cut => return,
                }
            }
        }
    }
}

fn packed(text: &str) -> Message {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("in memory");
    Message::binary(encoder.finish().expect("in memory"))
}

pub(super) fn parameter<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let query = path.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
