//! The venue simulator over real sockets, with clients that know nothing of its inside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::read::GzDecoder;
use pinion_core::units::{Money, Qty};
use pinion_io::bingx::Signer;
use serde_json::Value;
use tungstenite::{Message, WebSocket};

const SYMBOL: &str = "symbol=BTC-USDT";
/// Nothing here takes nearly so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running simulator; it ends with this value.
struct Sim {
    process: Child,
    place: Value,
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Sim {
    fn start(arguments: &[&str]) -> Self {
        let mut process = pinion_tests::pinion()
            .args(["venue-sim", "--seed", "7"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
        stdout.read_line(&mut line).expect("its place");
        let place = serde_json::from_str(&line).expect("JSON");
        Self { process, place }
    }

    fn connect(&self) -> TcpStream {
        let address = self.place["listen"].as_str().expect("an address");
        let socket = TcpStream::connect(address).expect("connects");
        socket.set_read_timeout(Some(PATIENCE)).expect("set");
        socket
    }

    fn word(&self, account: usize, name: &str) -> &str {
        self.place["accounts"][account][name].as_str().expect("text")
    }

    /// Query of a signed call.
    fn signed(&self, account: usize, query: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let and = if query.is_empty() { "" } else { "&" };
        let text = format!("{query}{and}timestamp={}", now.as_millis());
        let signer = Signer::new(self.word(account, "secret").as_bytes()).expect("a secret");
        let hex = signer.sign(text.as_bytes());
        format!("{text}&signature={}", std::str::from_utf8(&hex).expect("hexadecimal"))
    }

    /// Status, head and body of a call.
    fn http(&self, method: &str, path: &str, query: &str, key: &str) -> (u16, String, String) {
        let mut socket = self.connect();
        send(&mut socket, method, path, query, key, "Connection: close\r\n");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        (status, head.to_owned(), body.to_owned())
    }

    fn call(&self, account: usize, method: &str, path: &str, query: &str) -> Value {
        let query = self.signed(account, query);
        let path = format!("/openApi/swap/{path}");
        let (_, _, body) = self.http(method, &path, &query, self.word(account, "key"));
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("no JSON: {body:?}"))
    }

    fn ok(&self, method: &str, path: &str, query: &str) -> Value {
        let mut body = self.call(0, method, path, query);
        assert_eq!(body["code"], 0, "{method} {path} {query}: {body}");
        body["data"].take()
    }

    fn control(&self, method: &str, path: &str, query: &str) -> Value {
        let (status, _, body) = self.http(method, &format!("/sim/{path}"), query, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn stream(&self, query: &str) -> Stream {
        let place = self.place["ws"].as_str().expect("an address");
        let url = format!("{place}{query}");
        let (socket, _) = tungstenite::client(url, self.connect()).expect("opens");
        Stream { socket }
    }

    fn listen(&self, account: usize) -> Stream {
        let path = "/openApi/user/auth/userDataStream";
        let (_, _, body) = self.http("POST", path, "", self.word(account, "key"));
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let key = body["listenKey"].as_str().expect("a key");
        self.stream(&format!("?listenKey={key}"))
    }
}

fn send(socket: &mut TcpStream, method: &str, path: &str, query: &str, key: &str, more: &str) {
    let text = format!(
        "{method} {path}?{query} HTTP/1.1\r\nHost: simulator\r\nX-BX-APIKEY: {key}\r\n{more}\r\n"
    );
    socket.write_all(text.as_bytes()).expect("sent");
}

struct Stream {
    socket: WebSocket<TcpStream>,
}

impl Stream {
    /// The next frame that is no heartbeat and no configuration.
    fn next(&mut self) -> Value {
        loop {
            let Message::Binary(bytes) = self.socket.read().expect("a frame") else { continue };
            let mut text = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
            if text == "Ping" {
                self.socket.send(Message::text("Pong")).expect("sent");
                continue;
            }
            let frame: Value = serde_json::from_str(&text).expect("JSON");
            if frame["e"] != "ACCOUNT_CONFIG_UPDATE" {
                return frame;
            }
        }
    }

    /// Frames up to the first that fits, which is the last of them.
    fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut frames = vec![self.next()];
        while !frames.last().is_some_and(&fits) {
            frames.push(self.next());
        }
        frames
    }
}

fn money(value: &Value) -> Money {
    Money::parse(value.as_str().expect("text").as_bytes()).expect("a decimal")
}

#[test]
fn orders_fill_and_stream_and_the_books_add_up() {
    let sim = Sim::start(&[]);
    let mut stream = sim.listen(0);
    let order = |text: &str| sim.ok("POST", "v2/trade/order", &format!("{SYMBOL}&{text}"));
    order("side=BUY&positionSide=LONG&type=MARKET&quantity=0.03&clientOrderId=in-1");
    let resting = "side=BUY&positionSide=LONG&type=LIMIT&price=80000&quantity=0.01";
    let resting = order(resting)["order"]["orderId"].clone();
    sim.ok("DELETE", "v2/trade/order", &format!("{SYMBOL}&orderId={resting}"));
    sim.control("POST", "trade", "account=0&symbol=BTC-USDT&positionSide=LONG&quantity=0.5");
    order("side=SELL&positionSide=LONG&type=MARKET&quantity=0.53");

    // What the stream tells is what happened: cash flow and wallet, to the last digit.
    let flat = |frame: &Value| frame["a"]["P"][0]["pa"] == "0";
    let frames = stream.until(flat);
    let (mut wallet, mut cash) = (Money::ZERO, Money::from_whole(25_000));
    let mut held = Qty::ZERO;
    let mut states = Vec::new();
    for frame in &frames {
        if frame["e"] == "ACCOUNT_UPDATE" {
            wallet = money(&frame["a"]["B"][0]["wb"]);
            continue;
        }
        let o = &frame["o"];
        states.push(o["X"].as_str().expect("a state").to_owned());
        if o["x"] == "TRADE" {
            let value = money(&o["tv"]);
            cash += money(&o["n"]) + if o["S"] == "BUY" { -value } else { value };
        }
        if o["X"] == "FILLED" {
            let qty = Qty::parse(o["z"].as_str().expect("text").as_bytes()).expect("a decimal");
            held += if o["S"] == "BUY" { qty } else { -qty };
        }
    }
    assert_eq!(held, Qty::ZERO);
    assert_eq!(wallet, cash);
    assert!(states.contains(&"CANCELED".to_owned()), "{states:?}");
    let books = sim.control("GET", "books", "account=0");
    assert_eq!(money(&books["wallet"]), wallet);
    assert_eq!(books["positions"], Value::Array(Vec::new()));
    let foreign =
        books["fills"].as_array().expect("rows").iter().filter(|row| row["ours"] == false);
    assert_eq!(foreign.count(), 1);
    let balance = sim.ok("GET", "v3/user/balance", "");
    assert_eq!(money(&balance[0]["balance"]), wallet);
    assert_eq!(sim.control("GET", "books", "account=1")["wallet"], "25000");
}

#[test]
fn one_connection_carries_many_calls_and_their_limits() {
    let sim = Sim::start(&[]);
    let mut socket = sim.connect();
    let key = sim.word(0, "key").to_owned();
    let mut statuses = Vec::new();
    let path = "/openApi/swap/v2/user/commissionRate";
    // All at once: the answers come one after the other all the same.
    for _ in 0..6 {
        send(&mut socket, "GET", path, &sim.signed(0, ""), &key, "");
    }
    let mut reader = BufReader::new(socket);
    for _ in 0..6 {
        let (mut length, mut status) = (0, 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a head");
            let line = line.trim_end();
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().expect("a status");
            } else if let Some(rest) = line.strip_prefix("Content-Length: ") {
                length = rest.parse().expect("a length");
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        statuses.push((status, body["code"].as_i64()));
    }
    assert_eq!(statuses[..5], [(200, Some(0)); 5]);
    assert_eq!(statuses[5], (429, Some(100_410)));
    let (_, head, _) = sim.http("GET", "/openApi/swap/v2/server/time", "", "");
    assert!(head.contains("X-RateLimit-Requests-Remain: 499"), "{head}");
}

#[test]
fn the_market_streams_and_moves_by_hand() {
    let sim = Sim::start(&["--speed", "20"]);
    let mut stream = sim.stream("");
    for (number, topic) in ["trade", "depth5@500ms", "markPrice"].iter().enumerate() {
        let text = format!(r#"{{"id":"s{number}","reqType":"sub","dataType":"BTC-USDT@{topic}"}}"#);
        stream.socket.send(Message::text(text)).expect("sent");
    }
    let frames = stream.until(|frame| frame["id"] == "s2");
    assert!(frames.iter().any(|frame| frame["id"] == "s0" && frame["code"] == 0), "{frames:?}");
    let print = "symbol=BTC-USDT&price=12345.6&quantity=7&side=SELL";
    sim.control("POST", "print", print);
    let told =
        |frame: &Value| frame["dataType"] == "BTC-USDT@trade" && frame["data"][0]["p"] == "12345.6";
    let frames = stream.until(told);
    let last = frames.last().expect("a frame");
    assert_eq!((&last["data"][0]["q"], &last["data"][0]["m"]), (&"7".into(), &true.into()));
    let frames = stream.until(|frame| frame["dataType"] == "BTC-USDT@depth5@500ms");
    let asks = frames.last().expect("a frame")["data"]["asks"].as_array().expect("levels").clone();
    let prices: Vec<Money> = asks.iter().map(|level| money(&level[0])).collect();
    assert!(prices.len() == 5 && prices.is_sorted_by(|far, near| far > near), "{prices:?}");
    sim.control("POST", "cut", "");
    let end = loop {
        match stream.socket.read() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    let cut = matches!(
        end,
        tungstenite::Error::Protocol(_)
            | tungstenite::Error::Io(_)
            | tungstenite::Error::ConnectionClosed
    );
    assert!(cut, "{end}");
}

#[test]
fn a_cut_call_leaves_its_client_without_an_answer() {
    let sim = Sim::start(&[]);
    sim.control("POST", "faults", "response_lost=1000000");
    let order = format!("{SYMBOL}&side=BUY&positionSide=LONG&type=MARKET&quantity=0.01");
    let query = sim.signed(0, &order);
    let (_, head, body) =
        sim.http("POST", "/openApi/swap/v2/trade/order", &query, sim.word(0, "key"));
    assert_eq!((head.as_str(), body.as_str()), ("", ""));
    sim.control("POST", "faults", "reset=true");
    assert_eq!(sim.control("GET", "books", "account=0")["accepted"], 1);
}

#[test]
fn nonsense_ends_its_own_connection_only() {
    let sim = Sim::start(&[]);
    let mut stream = sim.listen(0);
    for bytes in [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..], &[0; 4_096], b"GET\r\n\r\n"] {
        let mut socket = sim.connect();
        socket.write_all(bytes).expect("sent");
        let mut rest = Vec::new();
        // Cut off, or reset with bytes unread.
        drop(socket.read_to_end(&mut rest));
        assert_eq!(rest, b"");
    }
    let mut half = sim.connect();
    half.write_all(b"GET /openApi/swap/v2/server/time HT").expect("sent");
    drop(half);
    stream.socket.send(Message::text("no JSON")).expect("sent");
    assert_eq!(stream.next()["code"], 80_014);
    assert_eq!(sim.ok("GET", "v2/user/positions", ""), Value::Array(Vec::new()));
}

#[test]
fn ccxt_as_it_is_trades_and_listens() {
    let import = Command::new("python3").args(["-c", "import ccxt.pro"]).output();
    if !import.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: python3 has no ccxt; `pip install ccxt` brings it");
        return;
    }
    let folder = tempfile::tempdir().expect("temporary directory");
    let ca = folder.path().join("ca.pem");
    let sim = Sim::start(&["--tls", "--ca-file", ca.to_str().expect("text")]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/data/venue_sim/ccxt_client.py");
    let output = Command::new("python3")
        .args([script, &sim.place.to_string()])
        .output()
        .expect("python3 runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["call"]["markets"], 10);
    assert_eq!(told["call"]["trades"].as_array().map(Vec::len), Some(2));
    assert_eq!(told["stream"]["order"][0], 0.01);
}
