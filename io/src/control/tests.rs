//! Tests of: the control socket, between two ends on this machine.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{array, thread};

use crossbeam_queue::ArrayQueue;
use pinion_core::engine::Gauges;
use pinion_core::gate::KillSwitch;
use pinion_core::msg::{Control, ControlMsg};
use pinion_core::settings::Mode;

use super::{AskFault, ControlServer, Desk, Engagement, LINE_MAX, SOCKET, Verb, ask};

/// Far beyond anything that this machine takes; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(depth: usize) -> Engagement {
    Engagement {
        run_id: "run".to_owned(),
        mode: Mode::Paper,
        kill: Arc::new(KillSwitch::default()),
        control: Arc::new(ArrayQueue::new(depth)),
        gauges: Arc::new(Gauges::default()),
        stop: Arc::new(AtomicBool::new(false)),
        sandbox: "off".to_owned(),
    }
}

/// Serves until `during` returns.
fn served<T>(dir: &Path, run: &Engagement, during: impl FnOnce(&Path) -> T + Send) -> T
where
    T: Send,
{
    let mut server = ControlServer::bind(dir, None).expect("opened").serve(Desk::new(run.clone()));
    let path = dir.join(SOCKET);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let result = during(&path);
            over.store(true, Ordering::Release);
            result
        });
        while !over.load(Ordering::Acquire) && !asking.is_finished() {
            server.poll();
            thread::yield_now();
        }
        asking.join().expect("asked")
    })
}

fn words(control: &ArrayQueue<ControlMsg>) -> Vec<Control> {
    std::iter::from_fn(|| control.pop()).map(|message| message.control).collect()
}

#[test]
fn every_verb_reaches_the_kernel_and_a_halt_the_switch_first() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = run(64);
    let answers = served(dir.path(), &run, |path| {
        Verb::ALL
            .iter()
            .map(|verb| ask(path, *verb, PATIENCE).expect("answered"))
            .collect::<Vec<_>>()
    });
    let given = words(&run.control);
    let expected: Vec<Control> = Verb::ALL.iter().filter_map(|verb| verb.control()).collect();
    assert_eq!(given, expected);
    let states: Vec<&str> =
        answers.iter().map(|answer| answer["state"].as_str().expect("a state")).collect();
    assert_eq!(states, ["active", "halted", "halted", "active", "halted", "halted"]);
    assert_eq!(answers[0]["settled"], true);
    assert_eq!(answers[1]["settled"], false, "the kernel has not taken it");
    assert!(!dir.path().join(SOCKET).exists(), "gone with the server");
}

#[test]
fn a_halt_works_while_the_kernel_takes_nothing_and_its_word_arrives_later() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = run(1);
    let busy = ControlMsg { ts_recv_ns: run.gauges.now(), control: Control::JournalBehind };
    run.control.push(busy).expect("room for one");
    let mut desk = Desk::new(run.clone());
    let answer = desk.answer("halt");
    assert!(answer.contains("\"state\":\"halted\""), "{answer}");
    assert!(run.kill.is_on());
    assert_eq!(words(&run.control), [Control::JournalBehind]);
    desk.poll();
    assert_eq!(words(&run.control), [Control::Kill]);
    drop(dir);
}

#[test]
fn only_known_verbs_are_taken_and_a_line_has_an_end() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = run(64);
    served(dir.path(), &run, |path| {
        for bad in ["", "HALT", "halt now", "kill", "{}", "\u{0}"] {
            let mut stream = UnixStream::connect(path).expect("connected");
            stream.set_read_timeout(Some(PATIENCE)).expect("set");
            stream.write_all(format!("{bad}\n").as_bytes()).expect("sent");
            let mut line = String::new();
            let _len = BufReader::new(stream).read_line(&mut line).expect("answered");
            assert!(line.contains("\"ok\":false"), "{bad}: {line}");
        }
        let mut stream = UnixStream::connect(path).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.write_all(&[b'x'; 4 * LINE_MAX]).expect("sent");
        let mut text = Vec::new();
        // The rest of the line was never read, so the end may come as a reset.
        let _end = stream.read_to_end(&mut text);
        assert!(String::from_utf8_lossy(&text).contains("too long"));
    });
    assert!(run.control.is_empty());
}

#[test]
fn silent_clients_hold_nobody_up() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = run(64);
    served(dir.path(), &run, |path| {
        let silent: [UnixStream; 40] = array::from_fn(|_| {
            let mut stream = UnixStream::connect(path).expect("connected");
            // One half of a line.
            stream.write_all(b"hal").expect("sent");
            stream
        });
        let _answer = ask(path, Verb::Halt, PATIENCE).expect("answered");
        drop(silent);
    });
    assert_eq!(words(&run.control), [Control::Kill]);
}

#[test]
fn a_client_that_never_reads_is_let_go() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let run = run(64);
    served(dir.path(), &run, |path| {
        let mut deaf = UnixStream::connect(path).expect("connected");
        deaf.set_write_timeout(Some(PATIENCE)).expect("set");
        let started = Instant::now();
        while deaf.write_all(b"status\n").is_ok() {
            assert!(started.elapsed() < PATIENCE, "never let go");
        }
        let _answer = ask(path, Verb::Status, PATIENCE).expect("answered");
    });
}

#[test]
fn the_socket_is_this_users_alone_and_a_stale_one_is_taken_over() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join(SOCKET);
    drop(UnixListener::bind(&path).expect("bound"));
    assert!(path.exists(), "left behind");
    assert_eq!(ask(&path, Verb::Status, PATIENCE), Err(AskFault::NotRunning));
    let first = ControlServer::bind(dir.path(), None).expect("taken over");
    let mode = fs::metadata(&path).expect("a socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let second = ControlServer::bind(dir.path(), None).expect_err("served");
    assert!(second.contains("another process"), "{second}");
    drop(first);
    fs::write(&path, "x").expect("written");
    let file = ControlServer::bind(dir.path(), None).expect_err("no socket");
    assert!(file.contains("something else"), "{file}");
    assert_eq!(fs::read(&path).expect("still there"), b"x");
    assert_eq!(ask(&dir.path().join("none"), Verb::Status, PATIENCE), Err(AskFault::NotRunning));
}

#[test]
fn a_socket_elsewhere_and_one_with_a_long_name_are_found_through_the_run_directory() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let deep = dir.path().join("d".repeat(120));
    fs::create_dir(&deep).expect("made");
    let run = run(64);
    served(&deep, &run, |path| {
        let _answer = ask(path, Verb::Status, PATIENCE).expect("answered");
    });
    let elsewhere = dir.path().join("pinion.sock");
    let server = ControlServer::bind(&deep, Some(&elsewhere)).expect("opened");
    let link = fs::read_link(deep.join(SOCKET)).expect("a link");
    assert_eq!(link, elsewhere);
    drop(server);
    assert!(!elsewhere.exists() && fs::symlink_metadata(deep.join(SOCKET)).is_err());
}
