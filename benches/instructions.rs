//! Instructions per turn, counted by callgrind: repeatable on a shared machine, where time is not.
//!
//! `cargo bench -p pinion-benches --bench instructions` runs every case twice under
//! `valgrind --tool=callgrind`, with N and 2N turns, and divides the difference by N, so that start-up
//! cancels out. Without `--bench` (as in `cargo test`) each case runs a few turns without valgrind and
//! prints its result hash.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its figures")]

use std::env;
use std::process::{Command, ExitCode};

use pinion_benches::turns::{CASES, Case};

/// Turns of the shorter count.
const TURNS: u64 = 4_000;
/// Turns without valgrind.
const SMOKE_TURNS: u64 = 200;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name, turns] = args.as_slice()
        && flag == "--case"
    {
        let turns = turns.parse().unwrap_or(SMOKE_TURNS);
        return match CASES.iter().find(|case| case.name == name) {
            Some(case) => {
                println!("{:016x}", (case.run)(turns));
                ExitCode::SUCCESS
            }
            None => ExitCode::from(2),
        };
    }
    if !args.iter().any(|arg| arg == "--bench") {
        for case in CASES {
            let hash = (case.run)(SMOKE_TURNS);
            println!("{:<28} {SMOKE_TURNS} turns, hash {hash:016x}", case.name);
            if hash != (case.run)(SMOKE_TURNS) {
                eprintln!("{}: two runs differ", case.name);
                return ExitCode::FAILURE;
            }
        }
        return ExitCode::SUCCESS;
    }
    println!("{:<28} {:>14}  hash", "case", "instr./turn");
    for case in CASES {
        match per_turn(case) {
            Ok((instructions, hash)) => println!("{:<28} {instructions:>14}  {hash}", case.name),
            Err(why) => {
                eprintln!("{}: {why}", case.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Instructions of one turn and the result hash of the longer run.
fn per_turn(case: &Case) -> Result<(u64, String), String> {
    let (short, _) = counted(case, TURNS)?;
    let (long, hash) = counted(case, 2 * TURNS)?;
    Ok(((long - short) / TURNS, hash))
}

fn counted(case: &Case, turns: u64) -> Result<(u64, String), String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--case", case.name, &turns.to_string()])
        .output()
        .map_err(|error| format!("valgrind does not start ({error}); install it and try again"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("it failed under callgrind:\n{text}"));
    }
    let collected = text
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, number)| number.trim().parse().ok())
        .ok_or_else(|| format!("callgrind printed no count:\n{text}"))?;
    Ok((collected, String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}
