//! `BingX` perpetual swaps. Everything but `live` is pure: no sockets, no clock; bytes and times come in,
//! frames, requests and decisions go out.
//!
//! | concern | files |
//! |---|---|
//! | bytes | `inflate`, `plain` (the short way), `json`, `number`, `value`, `time`, `fault` |
//! | sockets' frames | `frame`, `market`, `user`, `words`, `oddities` |
//! | REST answers | `rest`, `rows`, `errors` |
//! | what the engine is told | `fills` (order events), `reports` (answers, account updates), `depth` (gaps) |
//! | requests | `endpoint`, `request`, `sign`, `limits`, `offset` (clock) |
//! | connections | `session`, `account_sockets`, `listen_key` |
//! | safety | `dead_man` |
//! | sockets, the stages of a live run | `live` |

mod account_sockets;
mod dead_man;
mod depth;
mod endpoint;
mod fault;
mod fills;
mod frame;
mod inflate;
mod json;
mod limits;
mod listen_key;
mod number;
mod oddities;
mod offset;
mod plain;
mod request;
mod session;
mod sign;
mod time;
mod value;

pub mod errors;
pub mod live;
pub mod market;
pub mod reports;
pub mod rest;
pub mod rows;
pub mod user;
pub mod words;

pub use account_sockets::{AccountSockets, Lane};
pub use dead_man::{DeadMan, PERIOD_MAX_S, PERIOD_MIN_S, TimerCall};
pub use depth::{DepthGuard, DepthStep};
pub use endpoint::{Endpoint, Group, Method};
pub use fault::{Fault, FaultKind};
pub use fills::{Fills, Growth, ORDERS_MAX};
pub use frame::{Answer, Decoder, Frame, PONG, pong_of, subscribe, unsubscribe};
pub use inflate::{INFLATED_MAX, Inflater, RATIO_MAX};
pub use json::{Scalar, Tape, Value};
pub use limits::{LOCK_NS, Limits, Priority};
pub use listen_key::{KeyCall, ListenKey};
pub use oddities::{Oddities, Oddity};
pub use offset::ClockOffset;
pub use request::{Call, NewOrder, OrderRef, Request, RequestWriter, Symbols, Unsendable, call_of};
pub use session::{Act, Happened, Session, SessionPlan, Silence};
pub use sign::{SIGNATURE_LEN, Signer};
