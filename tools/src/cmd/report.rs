//! `pinion report`: tables from what a run has left in its directory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pinion_io::journal::hgrm::Distribution;
use serde::Serialize;

use crate::Failure;

/// Arguments of `pinion report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which table.
    #[command(subcommand)]
    table: Table,
}

/// The tables.
#[derive(Debug, Subcommand)]
enum Table {
    /// How long each stage took, by percentile.
    Latency {
        /// Directory of the run.
        #[arg(value_name = "RUN_DIR")]
        run: PathBuf,
        /// One JSON object: a row for each stage, in ns.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the verb.
///
/// # Errors
/// [`Failure`]: a directory without latency files, a file that cannot be read, stdout that cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let Table::Latency { run, json } = &args.table;
    let rows = rows(run)?;
    let text = if *json {
        let rows = serde_json::json!({ "latency": rows });
        format!("{rows}\n")
    } else {
        table(&rows)
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// One stage; ns, `None` without a sample.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    stage: String,
    count: u64,
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
    max: Option<f64>,
}

/// A row of each `latency-*.hgrm`: tick to order first, the others by name.
fn rows(run: &Path) -> Result<Vec<Row>, Failure> {
    let place = run.display();
    let folder = fs::read_dir(run).map_err(|error| {
        Failure::usage(format!("{place}: {error}; expected the directory of a run"))
    })?;
    let mut rows = Vec::new();
    for entry in folder {
        let entry = entry.map_err(|error| Failure::error(format!("{place}: {error}")))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let stage = name.strip_prefix("latency-").and_then(|name| name.strip_suffix(".hgrm"));
        let Some(stage) = stage else { continue };
        let path = entry.path();
        let at = path.display();
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::error(format!("{at}: {error}; expected a text file")))?;
        let read = Distribution::read(&text)
            .map_err(|fault| Failure::error(format!("{at}: {fault} of HdrHistogram's layout")))?;
        rows.push(Row {
            stage: stage.to_owned(),
            count: read.count,
            p50: read.value_at(0.5),
            p90: read.value_at(0.9),
            p99: read.value_at(0.99),
            p999: read.value_at(0.999),
            max: (read.count > 0).then_some(read.max),
        });
    }
    if rows.is_empty() {
        return Err(Failure::usage(format!(
            "{place}: no latency-*.hgrm; expected the directory of a run that has ended"
        )));
    }
    rows.sort_by_key(|row| (row.stage != "tick_to_order", row.stage.clone()));
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<24} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12}\n",
        "ns", "count", "p50", "p90", "p99", "p99.9", "max"
    );
    let cell = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.0}"));
    for row in rows {
        let [p50, p90, p99, p999, max] = [row.p50, row.p90, row.p99, row.p999, row.max].map(cell);
        text.push_str(&format!(
            "{:<24} {:>10} {p50:>10} {p90:>10} {p99:>10} {p999:>10} {max:>12}\n",
            row.stage, row.count
        ));
    }
    text
}
