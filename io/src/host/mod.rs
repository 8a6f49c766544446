//! The host: what this machine is, whether it is fit, how noisy its cores are, and how to prepare it.
//!
//! Everything here reads; nothing changes the machine. The checks are pure functions over [`Facts`], which are
//! read below a root folder, so that a test can judge a machine that never was.
//!
//! | room | holds |
//! |---|---|
//! | `files`, `asked`, `ethtool`, `facts` | what is known of the machine |
//! | `finding`, `checks` | how it is judged: `pinion doctor` |
//! | `jitter` | pauses of a spinning thread on each core, hops between cores: `pinion jitter` |
//! | `plan` | files that prepare a host, and how far a host follows them: `pinion host` |
//! | `notify`, `heartbeat` | what a service tells its manager; when its watchdog is fed |

mod asked;
pub mod checks;
mod ethtool;
mod facts;
mod files;
mod finding;
pub mod heartbeat;
pub mod jitter;
pub mod notify;
pub mod plan;

pub use asked::{Asked, KernelClock, Later, Space};
pub use ethtool::Card;
pub use facts::{Amount, Arch, Facts};
pub use files::Files;
pub use finding::{Check, Finding, Grade, Profile, Reading, Verdict, Weight, count};
