//! `pinion host`: the files that prepare a machine, written and never applied; and what of them is in force.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pinion_io::affinity::CoreSet;
use pinion_io::host::plan::{self, Plan};
use pinion_io::host::{Asked, Facts, Files, Finding, Verdict, count};
use serde_json::json;

use crate::Failure;

/// Arguments of `pinion host`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the files for this machine into a folder, with what undoes them; nothing is applied.
    Plan(PlanArgs),
    /// Compare this machine with a plan.
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct PlanArgs {
    /// Cores of the stage threads; else the best are chosen.
    #[arg(long, value_name = "LIST", value_parser = cores)]
    cores: Option<CoreSet>,
    /// Folder to write into; it must be new or empty.
    #[arg(long, value_name = "DIR", default_value = "host-plan")]
    out: PathBuf,
    /// Draw it for a copy of a machine's /proc, /sys and /etc below a folder instead of this machine.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print the plan as JSON too.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// Folder that `pinion host plan` wrote.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Check a copy of a machine's /proc, /sys and /etc below a folder instead of this machine.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
/// Exit 2 for cores, folders or plans that are not there, 1 when the machine differs from its plan or the
/// folder cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Plan(args) => draw(args),
        Verb::Check(args) => check(args),
    }
}

fn facts(root: Option<&Path>) -> Result<Facts, Failure> {
    let files = match root {
        Some(root) if !root.is_dir() => {
            return Err(Failure::usage(format!("--root {}: no such folder", root.display())));
        }
        Some(root) => Files::below(root),
        None => Files::of_this_machine(),
    };
    Ok(Facts::read(files, Asked::default(), None))
}

fn draw(args: &PlanArgs) -> Result<(), Failure> {
    let plan = Plan::draw(&facts(args.root.as_deref())?, args.cores).map_err(Failure::usage)?;
    let out = args.out.display();
    plan::write(&plan, &args.out).map_err(|error| Failure::error(format!("{out}: {error}")))?;
    if args.json {
        let text = serde_json::to_string(&plan)
            .map_err(|error| Failure::error(format!("the plan as JSON: {error}")))?;
        return print(&format!("{text}\n"));
    }
    print(&format!(
        "{out}: {} files for stage threads on {}, quiet {}, the rest on {}; nothing is applied: read \
         {out}/README.md\n",
        plan.files.len(),
        plan.cores,
        plan.quiet,
        plan.rest
    ))
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let plan = plan::load(&args.folder).map_err(Failure::usage)?;
    let findings = plan::check(&plan, &facts(args.root.as_deref())?);
    let (failed, unknown) = (count(&findings, Verdict::Fail), count(&findings, Verdict::Unknown));
    if args.json {
        let row = json!({
            "follows": failed + unknown == 0,
            "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        });
        print(&format!("{row}\n"))?;
    } else {
        print(&table(&findings))?;
    }
    if failed + unknown == 0 {
        return Ok(());
    }
    Err(Failure::error(format!(
        "the machine does not follow {}: {failed} differ, {unknown} cannot be read; {} says how to install it",
        args.folder.display(),
        args.folder.join("README.md").display()
    )))
}

/// A list of cores on the command line.
pub(super) fn cores(text: &str) -> Result<CoreSet, String> {
    CoreSet::parse_list(text)
        .filter(|set| !set.is_empty())
        .ok_or_else(|| "expected a list of cores: 2-3,6".to_owned())
}

/// The findings for people: a line each; of those that are to mend also what was expected, why, and how.
pub(super) fn table(findings: &[Finding]) -> String {
    let wide = findings.iter().map(|finding| finding.id.len()).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for finding in findings {
        let verdict = finding.verdict.as_str();
        text.push_str(&format!("{verdict:<8} {:<wide$}  {}\n", finding.id, finding.found));
        if let Some(remedy) = &finding.remedy {
            let (expected, why) = (&finding.expected, &finding.why);
            text.push_str(&format!(
                "{:9}expected: {expected} ({why})\n{:9}mend: {remedy}\n",
                "", ""
            ));
        }
    }
    let totals: Vec<String> = Verdict::ALL
        .iter()
        .map(|verdict| format!("{} {}", count(findings, *verdict), verdict.as_str()))
        .collect();
    text.push_str(&format!("{}\n", totals.join(", ")));
    text
}

/// Prints to stdout. A reader that left early (`| head`) is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("cannot write to stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_the_kernels() {
        assert_eq!(cores("2-3,6").unwrap().len(), 3);
        for text in ["", "x", "3-1", "5000"] {
            assert!(cores(text).is_err(), "{text}");
        }
    }
}
