//! What venues did to engines of this kind, on real sockets: each phase turns some faults of the simulator
//! up while the real process trades, then the venue is truthful again; at the end files and books agree.
//!
//! Where each known case is shown (`X..` of the catalogue of failures, `R..` of the reconnect conditions).
//! *Unit* are tests beside the code, *sim* the simulated world with its planted defects of the same name,
//! *socket* the tests of this folder and of `io/src/bingx/live/tests`:
//!
//! | case | where |
//! |---|---|
//! | X01 X02 X03 answer lost, never sent again | socket: phase `answers`; egress `an_outcome_that_nobody_knows…`; sim |
//! | X04 denied too early | sim; kernel unit; egress `an_order_that_is_denied…` |
//! | X05 X06 X43 cancel against fill | socket: phases `matching`, `order`; sim |
//! | X07 X10 X44 X48 restart | socket: `kills`; sim; `crash::` |
//! | X08 X09 X19 X34 X46 partial fills, dust | socket: phase `matching`; sim |
//! | X11 X12 X26 X31 a fill told twice | socket: phase `order`; unit: `bingx/fills`; sim |
//! | X13 X27 X33 frames that are no fills | socket: phase `account`; unit: `bingx/reports` |
//! | X14 X15 X16 X47 views that lag or fail | socket: phase `views`; sim |
//! | X17 X18 X20 reduce-only | sim; unit: paper venue |
//! | X21 X22 X23 kill and flatten | egress `the_switch_stops…`; sim |
//! | X24 X25 limits, bans | socket: phase `limits`; egress `a_closed_endpoint…`; unit: `bingx/limits` |
//! | X28 senseless prices | ingest `quotes_come_in_and_senseless…`; unit |
//! | X29 X30 gap in a book | unit: `bingx/depth`; `bad_input`; sim |
//! | X32 X42 order of events | socket: phase `order`; unit: `bingx/fills` |
//! | X35 X36 nominal price, no client id | socket: phase `order`; unit: `bingx/fills` |
//! | X37 X38 X39 X40 keys, silence, subscriptions | socket: phase `sockets`; `cuts`; unit: `bingx/session` |
//! | X41 clock | socket: phase `clock`; egress `an_exit_refused_for_its_time…` |
//! | X45 replace | no such command exists |
//! | X49 X50 keys, secrets | unit: `live/plan`; canary of this folder |
//! | X51 same inputs, same bytes | `layouts`, `sim`; replay at the end of `kills` |
//! | X52 caps | unit: `gate`; sim |
//! | R1 to R7 after a reconnect | `cuts`; egress `a_lost_account_socket…`; R7 unit: `account_sockets` |
//! | R8 book with a gap | unit: `bingx/depth`; ingest `a_lost_socket_tells_a_gap…` |
//! | R9 clocks | phase `clock`; unit: `offset` |
//! | R10 limits with a reserve | phase `limits`; unit: `bingx/limits` |

use std::thread;
use std::time::Duration;

use super::kills::{Process, config};
use super::{Sim, audit};
use crate::crash::{is_full, tell};

/// Name and faults, per million.
const PHASES: &[(&str, &str)] = &[
    (
        "answers",
        "request_lost=80000&response_lost=120000&http_502=50000&busy=50000&truncated_body=50000\
         &request_late=50000&answer_late=50000&request_late_ms=800&answer_late_ms=800",
    ),
    (
        "matching",
        "partial=600000&split=300000&filled_short=50000&cancel_race=300000&reject_post_only=50000\
         &reduce_trim=50000&fee_zero=200000&fee_negative=200000",
    ),
    (
        "order",
        "duplicate=300000&reorder=300000&reorder_ms=400&duplicate_ms=700&no_client_id=500000\
         &trade_update=300000&last_fill=500000&lose=100000",
    ),
    ("account", "zero_balance=300000&unknown_event=300000"),
    (
        "views",
        "order_lag=200000&open_orders_lag=300000&positions_lag=300000&balance_lag=300000\
         &fills_lag=300000&lag_ms=150&duplicate_row=200000&row_order=500000&http_500=50000",
    ),
    ("limits", "http_429=30000"),
    (
        "sockets",
        "garbage_frame=2000&truncated_frame=2000&ack_lost=200000&cut=200000&key_expiry=50000\
                 &double_expiry=500000&half_open=30000&outage_ms=800",
    ),
    ("clock", "clock_error=100000"),
];

#[test]
fn whatever_the_venue_does_files_and_books_agree_at_the_end() {
    let seconds = if is_full() { 30 } else { 3 };
    let sim = Sim::process(&["--seed", "13", "--speed", "100"]);
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let config = config(&sim, dir.path());
    let mut process = Process::start(&sim, &config, &out);
    process.trades(&sim, 1);
    for (name, faults) in PHASES {
        let _set = sim.control("POST", "faults", &format!("reset=true&{faults}"));
        for _ in 0..seconds * 10 {
            thread::sleep(Duration::from_millis(100));
            assert!(!process.is_over(), "{name}: it ended by itself: {}", process.told());
        }
        let counts = sim.control("GET", "faults", "");
        tell(&format!("{name}: {} orders accepted so far; {counts}", sim.accepted()));
    }
    let _set = sim.control("POST", "faults", "reset=true");
    let before = sim.accepted();
    process.trades(&sim, before + 1);
    assert_eq!(process.end(), 0, "{}", process.told());
    tell(&format!("{:?}", audit::agree(&out, &sim.books())));
}
