//! Sockets without waiting: TCP, TLS, WebSocket and HTTP/1.1, driven by whoever polls them.
//!
//! Nothing here has a thread, sleeps, or decides when to connect again: a link is told to take its next step
//! and says what happened. Every read is asked of the socket directly, because a hot thread that spins finds
//! the bytes sooner than any readiness call would tell of them; where nothing is there the socket says so at
//! the cost of one system call. A poll reads once; what is sent leaves at once, by one write.
//!
//! | file | holds |
//! |---|---|
//! | `peer` | a host's name, its addresses, whom to trust |
//! | `conn`, `buffers` | one byte stream, plain or encrypted; its bytes on their way |
//! | `tls` | handshake, records |
//! | `ws` | a WebSocket client on it |
//! | `http`, `pool` | an HTTP/1.1 connection, and several warm ones |

mod buffers;
mod conn;
mod fault;
mod http;
mod peer;
mod pool;
mod tls;
mod ws;

pub use conn::{Traffic, Tuning};
pub use fault::{NetFault, Step};
pub use http::{Answer, BODY_MAX, HEAD_MAX, HttpEvent, HttpLink, Outgoing};
pub use peer::{Peer, Target, Trust};
pub use pool::{HttpPool, PoolEvent};
pub use tls::RecordLayer;
pub use ws::{Drained, WsLimits, WsLink, WsStep};

#[cfg(test)]
mod tests;
