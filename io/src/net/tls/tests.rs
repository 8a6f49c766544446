//! Both record layers against a server of rustls, in memory: any sizes, any cuts, key updates both ways,
//! every bit flipped, every way to end.

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use proptest::prelude::*;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ConnectionTrafficSecrets, RootCertStore, ServerConfig, ServerConnection,
    SupportedCipherSuite, SupportedProtocolVersion,
};

use super::record::{Content, Keys, OVERHEAD, Refused};
use super::*;

type Version = &'static SupportedProtocolVersion;

/// The two ends with nothing but memory between them.
struct Ends {
    client: Tls,
    inbox: Inbox,
    outbox: Outbox,
    server: ServerConnection,
    /// What the client could read.
    got: Vec<u8>,
    /// What the server could read.
    server_got: Vec<u8>,
    is_ended: bool,
}

fn ends(layer: RecordLayer, suite: SupportedCipherSuite, version: Version) -> Ends {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(CryptoProvider { cipher_suites: vec![suite], ..default_provider() });
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("key fits");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").expect("a name");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    server.set_buffer_limit(None);
    Ends {
        client: Tls::new(Arc::new(config), name, layer).expect("a client"),
        inbox: Inbox::new(1 << 20),
        outbox: Outbox::new(),
        server,
        got: Vec::new(),
        server_got: Vec::new(),
        is_ended: false,
    }
}

/// Established ends.
fn joined(layer: RecordLayer, suite: SupportedCipherSuite, version: Version) -> Ends {
    let mut ends = ends(layer, suite, version);
    for _ in 0..10 {
        ends.turn(usize::MAX).expect("sound");
    }
    assert!(!ends.client.is_handshaking() && !ends.server.is_handshaking());
    ends
}

fn own() -> Ends {
    let ends = joined(RecordLayer::Own, cipher_suite::TLS13_AES_128_GCM_SHA256, &TLS13);
    assert!(matches!(ends.client.state, State::Own(_)));
    ends
}

impl Ends {
    /// Moves what waits, in both directions; to the client in pieces of `piece` bytes.
    fn turn(&mut self, piece: usize) -> Result<(), TlsFault> {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut bytes).expect("memory");
        }
        self.feed_client(&bytes, piece)?;
        self.feed_server();
        Ok(())
    }

    fn feed_client(&mut self, bytes: &[u8], piece: usize) -> Result<(), TlsFault> {
        self.open()?;
        for piece in bytes.chunks(piece.max(1)) {
            let mut rest = piece;
            while !rest.is_empty() {
                let room = self.inbox.room();
                let count = rest.len().min(room.len());
                room[..count].copy_from_slice(&rest[..count]);
                self.inbox.received(count, true);
                rest = &rest[count..];
            }
            self.open()?;
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), TlsFault> {
        loop {
            match self.client.open(&mut self.inbox, &mut self.outbox)? {
                Opened::Nothing => return Ok(()),
                Opened::Overhead => {}
                Opened::End => {
                    self.is_ended = true;
                    return Ok(());
                }
                Opened::Bytes => {
                    // Some of it stays for the next time.
                    let take = self.inbox.plain().len().div_ceil(2);
                    self.got.extend_from_slice(&self.inbox.plain()[..take]);
                    self.inbox.consume(take);
                }
            }
        }
    }

    fn feed_server(&mut self) {
        let mut bytes = self.outbox.waiting();
        while !bytes.is_empty() {
            let count = self.server.read_tls(&mut bytes).expect("memory");
            assert!(count > 0, "the server takes what comes");
            self.server.process_new_packets().expect("sound for the server");
            let _blocked = self.server.reader().read_to_end(&mut self.server_got);
        }
        let count = self.outbox.waiting().len();
        self.outbox.sent(count);
    }

    /// All that the client could read, with what it left.
    fn got(&mut self) -> Vec<u8> {
        let rest = self.inbox.plain().to_vec();
        self.inbox.consume(rest.len());
        self.got.extend(rest);
        std::mem::take(&mut self.got)
    }

    fn server_got(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.server_got)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), TlsFault> {
        self.client.send(bytes, &mut self.inbox, &mut self.outbox)
    }

    /// The server says it; gives the records.
    fn records(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.server.writer().write_all(bytes).expect("memory");
        let mut out = Vec::new();
        while self.server.wants_write() {
            self.server.write_tls(&mut out).expect("memory");
        }
        out
    }
}

fn sealed(ends: &mut Ends, bytes: &[u8]) -> Vec<u8> {
    ends.send(bytes).expect("sealed");
    let out = ends.outbox.waiting().to_vec();
    ends.outbox.sent(out.len());
    out
}

#[test]
fn every_cipher_and_version_carries_bytes_both_ways() {
    use cipher_suite::*;
    let cases = [
        (TLS13_AES_128_GCM_SHA256, &TLS13),
        (TLS13_AES_256_GCM_SHA384, &TLS13),
        (TLS13_CHACHA20_POLY1305_SHA256, &TLS13),
        (TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, &TLS12),
        (TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, &TLS12),
    ];
    for (suite, version) in cases {
        for layer in [RecordLayer::Own, RecordLayer::Rustls] {
            let mut ends = joined(layer, suite, version);
            let is_own = matches!(ends.client.state, State::Own(_));
            let tls13 = version.version == rustls::ProtocolVersion::TLSv1_3;
            assert_eq!(is_own, layer == RecordLayer::Own && tls13, "{suite:?}");
            for length in [0, 1, 200, 16_383, 16_384, 16_385, 50_000] {
                let bytes: Vec<u8> = (0..length).map(|at| (at * 7) as u8).collect();
                ends.send(&bytes).expect("sealed");
                ends.server.writer().write_all(&bytes).expect("memory");
                ends.turn(1000).expect("opened");
                assert_eq!(ends.got(), bytes, "{suite:?} {layer:?}");
                assert_eq!(ends.server_got(), bytes, "{suite:?} {layer:?}");
            }
        }
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte_and_take_data_along() {
    for layer in [RecordLayer::Own, RecordLayer::Rustls] {
        let mut ends = ends(layer, cipher_suite::TLS13_AES_128_GCM_SHA256, &TLS13);
        // What a server says before our part of the handshake has come stands behind its own in one read.
        ends.server.writer().write_all(b"early").expect("memory");
        for _ in 0..4 {
            ends.turn(1).expect("sound");
        }
        assert!(!ends.client.is_handshaking());
        assert_eq!(ends.got(), b"early", "{layer:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_sizes_cuts_and_key_updates_carry_the_same_bytes(
        steps in proptest::collection::vec((0..40_000usize, 1..20_000usize, any::<bool>(), any::<bool>()), 1..12),
        renew_after in 2..6u64,
    ) {
        let mut ends = own();
        if let State::Own(own) = &mut ends.client.state {
            own.renew_after(renew_after);
        }
        for (at, (length, piece, refreshes, speaks)) in steps.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..length).map(|byte| (byte + at) as u8).collect();
            if refreshes {
                // It asks for ours in return.
                ends.server.refresh_traffic_keys().expect("TLS 1.3");
            }
            ends.server.writer().write_all(&bytes).expect("memory");
            if speaks {
                ends.send(&bytes).expect("sealed");
            }
            ends.turn(piece).expect("opened");
            ends.turn(piece).expect("opened");
            prop_assert_eq!(ends.got(), bytes.clone());
            prop_assert_eq!(ends.server_got(), if speaks { bytes } else { Vec::new() });
        }
    }
}

#[test]
fn keys_are_renewed_before_their_limit_and_the_peer_is_asked_to_renew_its() {
    let mut ends = own();
    let State::Own(client) = &mut ends.client.state else { panic!("TLS 1.3") };
    client.renew_after(10);
    for round in 0..100u8 {
        ends.send(&[round]).expect("sealed");
        ends.server.writer().write_all(&[round]).expect("memory");
        ends.turn(usize::MAX).expect("opened");
        assert_eq!((ends.got(), ends.server_got()), (vec![round], vec![round]));
        let State::Own(client) = &ends.client.state else { panic!("TLS 1.3") };
        assert!(client.records().0 <= 12 && client.records().1 <= 12, "{:?}", client.records());
    }
}

#[test]
fn a_bit_flipped_anywhere_is_refused() {
    let mut sender = own();
    let record = sender.records(b"an order of yours was filled");
    let key = |number| {
        let secrets = ConnectionTrafficSecrets::Aes128Gcm {
            key: rustls::crypto::cipher::AeadKey::from([7; 32]),
            iv: [9; 12].into(),
        };
        // A key of 32 bytes is none of AES-128.
        assert!(Keys::new(number, secrets).is_none());
        let secrets = ConnectionTrafficSecrets::Chacha20Poly1305 {
            key: rustls::crypto::cipher::AeadKey::from([7; 32]),
            iv: [9; 12].into(),
        };
        Keys::new(number, secrets).expect("a key of 32 bytes")
    };
    let mut ours = Vec::new();
    key(3).seal(Content::Data, b"an order of yours was filled", &mut ours).expect("sealed");
    assert_eq!(ours.len(), record.len());
    for bit in 0..ours.len() * 8 {
        let mut flipped = ours.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(key(3).open(&mut flipped).is_err(), "bit {bit}");
    }
    assert!(key(4).open(&mut ours.clone()).is_err(), "out of turn");
    let (content, found) = key(3).open(&mut ours.clone()).expect("untouched");
    assert_eq!((content, found.len()), (Content::Data, ours.len() - OVERHEAD));

    // The same through a whole connection: it ends, tells the peer, and nothing is read.
    for bit in (0..record.len() * 8).step_by(5) {
        let mut ends = own();
        let mut flipped = ends.records(b"an order of yours was filled");
        flipped[bit / 8] ^= 1 << (bit % 8);
        // A longer length waits for more: there is more.
        flipped.extend(ends.records(&[0; 16_384]));
        flipped.extend(ends.records(&[0; 16_384]));
        assert!(ends.feed_client(&flipped, usize::MAX).is_err(), "bit {bit}");
        assert_eq!(ends.got(), b"", "bit {bit}");
    }
}

#[test]
fn records_that_are_repeated_left_out_or_cut_are_refused() {
    let mut ends = own();
    let (first, second) = (ends.records(b"one"), ends.records(b"two"));
    ends.feed_client(&first, usize::MAX).expect("in turn");
    assert!(ends.feed_client(&first, usize::MAX).is_err(), "again");
    let mut ends = own();
    let _lost = ends.records(b"one");
    let second_alone = ends.records(b"two");
    assert!(ends.feed_client(&second_alone, usize::MAX).is_err(), "one is missing");
    let mut ends = own();
    let whole = ends.records(b"one");
    ends.feed_client(&whole[..whole.len() - 1], 3).expect("so far");
    assert_eq!(ends.got(), b"", "nothing of half a record");
    assert!(!ends.is_ended);
    drop(second);
}

/// What our own end seals as if it were the server: a client's keys work both ways in these tests.
fn told(content: Content, bytes: &[u8]) -> Result<(Opened, Vec<u8>), TlsFault> {
    let mut ends = own();
    let mut record = Vec::new();
    let State::Own(client) = &mut ends.client.state else { panic!("TLS 1.3") };
    client.mirror();
    client.seal_for_test(content, bytes, &mut record);
    let room = ends.inbox.room();
    room[..record.len()].copy_from_slice(&record);
    ends.inbox.received(record.len(), true);
    let opened = ends.client.open(&mut ends.inbox, &mut ends.outbox)?;
    Ok((opened, ends.inbox.plain().to_vec()))
}

#[test]
fn alerts_and_messages_that_do_not_belong_end_the_connection() {
    let found = |content, bytes: &[u8]| match told(content, bytes) {
        Ok((opened, _)) => format!("{opened:?}"),
        Err(fault) => fault.to_string(),
    };
    assert_eq!(found(Content::Data, b"x"), "Bytes");
    assert_eq!(found(Content::Data, b""), "Overhead");
    assert_eq!(found(Content::Alert, &[1, 0]), "End");
    assert_eq!(found(Content::Alert, &[1, 90]), "Overhead");
    assert!(found(Content::Alert, &[2, 40]).contains("alert 40"));
    assert!(found(Content::Alert, &[1, 10]).contains("alert 10"), "a warning ends it too");
    for none in [&[][..], &[1], &[1, 0, 0]] {
        let text = found(Content::Alert, none);
        assert!(text.contains("alert") || text.contains("empty"), "{text}");
    }
    assert!(found(Content::Handshake, &[]).contains("empty"));
    assert_eq!(found(Content::Handshake, &[24, 0, 0, 1]), "Overhead", "its end may follow");
    assert_eq!(found(Content::Handshake, &[24, 0, 0, 1, 0]), "Overhead");
    assert_eq!(found(Content::Handshake, &[24, 0, 0, 1, 1]), "Overhead");
    assert!(found(Content::Handshake, &[24, 0, 0, 1, 2]).contains("key update"));
    assert!(found(Content::Handshake, &[24, 0, 0, 0]).contains("key update"));
    assert!(found(Content::Handshake, &[24, 0, 0, 1, 0, 24]).contains("behind"));
    assert!(found(Content::Handshake, &[0, 0, 0, 0]).contains("at this time"), "a greeting");
    assert!(found(Content::Handshake, &[13, 0, 0, 0]).contains("at this time"));
    assert!(found(Content::Handshake, &[4, 1, 0, 1]).contains("too long"));
    assert!(told(Content::Handshake, &[4, 0, 0, 2, 0, 0]).is_err(), "no ticket");
}

#[test]
fn a_peer_that_says_nothing_without_end_is_left() {
    let mut ends = own();
    let State::Own(client) = &mut ends.client.state else { panic!("TLS 1.3") };
    client.mirror();
    let mut records = Vec::new();
    for _ in 0..64 {
        client.seal_for_test(Content::Data, &[], &mut records);
    }
    client.seal_for_test(Content::Data, b"x", &mut records);
    for _ in 0..65 {
        client.seal_for_test(Content::Data, &[], &mut records);
    }
    assert!(ends.feed_client(&records, 100).is_err(), "65 in a row");
    assert_eq!(ends.got(), b"x", "64 are borne");
}

#[test]
fn a_farewell_is_an_end_and_what_follows_it_is_not_read() {
    for layer in [RecordLayer::Own, RecordLayer::Rustls] {
        let mut ends = joined(layer, cipher_suite::TLS13_AES_128_GCM_SHA256, &TLS13);
        let mut bytes = ends.records(b"last words");
        ends.server.send_close_notify();
        ends.server.write_tls(&mut bytes).expect("memory");
        ends.feed_client(&bytes, 7).expect("sound");
        assert!(ends.is_ended, "{layer:?}");
        assert_eq!(ends.got(), b"last words");
        // Ours is understood too.
        ends.client.end(&mut ends.inbox, &mut ends.outbox).expect("sealed");
        ends.feed_server();
        let state = ends.server.process_new_packets().expect("sound");
        assert!(state.peer_has_closed(), "{layer:?}");
    }
}

#[test]
fn a_record_in_the_clear_after_the_handshake_is_refused() {
    for record in [&[20, 3, 3, 0, 1, 1][..], &[21, 3, 3, 0, 2, 1, 0], &[22, 3, 3, 0, 1, 0]] {
        let mut ends = own();
        assert!(ends.feed_client(record, 1).is_err(), "{record:?}");
        assert!(!ends.is_ended);
    }
    let mut ends = own();
    let long = [&[23, 3, 3][..], &(16_384u16 + 257).to_be_bytes(), &[0; 16_641]].concat();
    let fault = ends.feed_client(&long, usize::MAX).expect_err("too long").to_string();
    assert!(fault.contains("too long"), "{fault}");
    // The peer is told why.
    assert_eq!(ends.outbox.waiting().len(), OVERHEAD + 2);
}

#[test]
fn one_record_costs_twenty_two_bytes_and_holds_what_it_was_given() {
    let mut ends = own();
    let record = sealed(&mut ends, b"order");
    assert_eq!((record.len(), &record[..3]), (5 + OVERHEAD, &[23, 3, 3][..]));
    let refused = Refused::unexpected("x");
    assert_eq!(TlsFault::from(refused).to_string(), "x");
}
