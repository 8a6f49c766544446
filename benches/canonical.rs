//! `cargo bench --bench canonical [NAME…]`: what `pinion bench` runs. Without `--bench` (as in `cargo test`) every
//! bench runs in its small form.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::process::ExitCode;

use pinion_benches::harness::Scale;
use pinion_benches::{BENCHES, Plan, run};

fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    if let Some(name) = names.iter().find(|name| BENCHES.iter().all(|bench| bench.name != **name)) {
        let known: Vec<&str> = BENCHES.iter().map(|bench| bench.name).collect();
        eprintln!("there is no bench \"{name}\"; expected one of {}", known.join(", "));
        return ExitCode::from(2);
    }
    let measures = flags.iter().any(|flag| flag == "--bench");
    let scale = if measures { Scale::CANONICAL } else { Scale::SMALL };
    let report = run(&Plan { names, scale, data: None }, &mut |name| eprintln!("{name} …"));
    println!("{}", report.table());
    ExitCode::SUCCESS
}
