//! `pinion doctor`: whether this machine is fit for what it is to do, and how to mend it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pinion_io::affinity::CoreSet;
use pinion_io::host::{
    Asked, Facts, Files, Finding, Profile, Reading, Verdict, Weight, checks, count,
};
use serde_json::json;

use crate::Failure;
use crate::cmd::host::{cores, print, table};
use crate::config::SettingsArgs;
use crate::config::secret::line_assigns_secret;

/// How long counters are watched.
const WINDOW: Duration = Duration::from_millis(500);

/// Arguments of `pinion doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What the machine is for; it decides how much a shortcoming weighs.
    #[arg(long, value_name = "NAME", default_value = "paper", value_parser = Profile::TEXTS.to_vec())]
    profile: String,
    /// Only these checks or groups, comma separated: cpu,time.clock_source.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Warnings, and what cannot be read, count as failures.
    #[arg(long)]
    strict: bool,
    /// Settings file to check with the machine.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Cores of the stage threads; else those of the settings, else those that the program would choose.
    #[arg(long, value_name = "LIST", value_parser = cores)]
    cores: Option<CoreSet>,
    /// Folder in which runs are written.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    runs: PathBuf,
    /// File that holds a key; files of a systemd credential folder are found without.
    #[arg(long = "key-file", value_name = "FILE")]
    key_files: Vec<PathBuf>,
    /// Judge a copy of a machine's /proc, /sys and /etc below a folder instead of this machine.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Judges the machine and prints every finding.
///
/// # Errors
/// Exit 1 when a check fails (with `--strict`: or warns, or cannot be read), 2 for an unknown check and for a
/// settings file or a root that does not exist.
pub fn run(args: &Args) -> Result<(), Failure> {
    let profile = Profile::from_text(&args.profile)
        .ok_or_else(|| Failure::usage(format!("--profile {}: unknown", args.profile)))?;
    let mut findings = Vec::new();
    let mut configured = None;
    if let Some(file) = &args.config {
        let (readings, cores) = config_findings(file)?;
        configured = cores;
        for (id, why, reading) in readings {
            findings.push(Finding::judge(id, why, Weight::Vital, profile, reading));
        }
    }
    known(&args.only, &findings)?;
    let facts = facts(args, args.cores.or(configured))?;
    findings.extend(checks::judge(&facts, profile));
    findings.retain(|finding| {
        let named = |name: &String| *name == finding.id || name == finding.group();
        args.only.is_empty() || args.only.iter().any(named)
    });
    let failed = count(&findings, Verdict::Fail);
    let loose = count(&findings, Verdict::Warn) + count(&findings, Verdict::Unknown);
    let fit = failed == 0 && !(args.strict && loose > 0);
    if args.json {
        let totals = Verdict::ALL
            .iter()
            .map(|verdict| (verdict.as_str().to_owned(), json!(count(&findings, *verdict))));
        let row = json!({
            "profile": profile.as_str(),
            "strict": args.strict,
            "fit": fit,
            "stage_cores": facts.hot.to_string(),
            "totals": totals.collect::<serde_json::Map<_, _>>(),
            "findings": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        });
        print(&format!("{row}\n"))?;
    } else {
        print(&table(&findings))?;
    }
    if fit {
        return Ok(());
    }
    let names: Vec<&str> = findings
        .iter()
        .filter(|finding| {
            let loose = matches!(finding.verdict, Verdict::Warn | Verdict::Unknown);
            finding.verdict == Verdict::Fail || (args.strict && loose)
        })
        .map(|finding| finding.id.as_str())
        .collect();
    Err(Failure::error(format!(
        "not fit for {}: {}; each finding says how to mend it",
        profile.as_str(),
        names.join(", ")
    )))
}

/// Every name of `--only` must be a check or a group.
fn known(only: &[String], own: &[Finding]) -> Result<(), Failure> {
    let mut ids: Vec<&str> = checks::all().map(|check| check.id).collect();
    ids.extend(own.iter().map(|finding| finding.id.as_str()));
    let groups = ids.iter().filter_map(|id| id.split('.').next());
    let mut names: Vec<&str> = groups.collect();
    names.dedup();
    for name in only {
        if !names.contains(&name.as_str()) && !ids.contains(&name.as_str()) {
            return Err(Failure::usage(format!(
                "--only {name}: no such check; groups are {}, and a check is one of {}",
                names.join(", "),
                ids.join(", ")
            )));
        }
    }
    Ok(())
}

fn facts(args: &Args, hot: Option<CoreSet>) -> Result<Facts, Failure> {
    let absolute = |path: &Path| -> Result<String, Failure> {
        let path = std::path::absolute(path)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(path.to_string_lossy().into_owned())
    };
    let (files, asked) = match &args.root {
        Some(root) if !root.is_dir() => {
            let found = format!("--root {}: no such folder", root.display());
            return Err(Failure::usage(found));
        }
        Some(root) => (Files::below(root), Asked::default()),
        None => (Files::of_this_machine(), Asked::this_machine(&args.runs, WINDOW)),
    };
    let mut facts = Facts::read(files, asked, hot);
    facts.runs = absolute(&args.runs)?;
    for path in &args.key_files {
        facts.key_files.push(absolute(path)?);
    }
    if let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|_| args.root.is_none())
    {
        let folder = absolute(Path::new(&folder))?;
        let names = facts.files.names(&folder);
        facts.key_files.extend(names.iter().map(|name| format!("{folder}/{name}")));
    }
    Ok(facts)
}

type ConfigFinding = (&'static str, &'static str, Reading);

/// What is to say of a settings file, and the cores that it names.
fn config_findings(file: &Path) -> Result<(Vec<ConfigFinding>, Option<CoreSet>), Failure> {
    let args = SettingsArgs { profile: None, config: Some(file.to_path_buf()), sets: Vec::new() };
    let expected = "settings without a problem";
    let shown = file.display();
    let (valid, cores) = match args.check()? {
        Ok(loaded) => {
            let numbers = loaded.settings.engine_cores.iter();
            let cores: CoreSet = numbers.filter_map(|core| usize::try_from(*core).ok()).collect();
            let found = format!("hash {}", loaded.config_hash);
            (Reading::good(found, expected), (!cores.is_empty()).then_some(cores))
        }
        Err(problems) => {
            let text = Failure::from(problems).message;
            let first = text.lines().next().unwrap_or_default().to_owned();
            let remedy = format!("pinion config check --config {shown}");
            (Reading::bad(first, expected, &remedy), None)
        }
    };
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::error(format!("{shown}: {error}")))?;
    let mode = Files::below(Path::new("/")).mode(&absolute_text(file));
    let rows = vec![
        ("config.valid", "a run with wrong settings does not start", valid),
        ("config.mode", "whoever writes it trades with the account", mode_of(&text, mode, file)),
    ];
    Ok((rows, cores))
}

fn absolute_text(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf()).to_string_lossy().into_owned()
}

/// Who else may write a settings file; and read it, where it holds a secret.
fn mode_of(text: &str, mode: Option<u32>, file: &Path) -> Reading {
    let holds = text.lines().any(line_assigns_secret);
    let (mask, expected) = if holds {
        (0o077, "mode 0600: it holds a secret")
    } else {
        (0o022, "writable by its owner alone")
    };
    match mode {
        None => Reading::unknown(&file.display().to_string(), expected),
        Some(mode) if mode & mask == 0 => Reading::good(format!("{mode:04o}"), expected),
        Some(mode) => {
            let wanted = if holds { "0600" } else { "go-w" };
            let remedy = format!("chmod {wanted} {}", file.display());
            Reading::bad(format!("{mode:04o}"), expected, &remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_io::host::Grade;

    #[test]
    fn a_settings_file_with_a_secret_is_for_its_owner_alone() {
        let file = Path::new("a.toml");
        let (plain, secret) = ("scan_ns = 1", "api_key = \"hush\"");
        for (text, mode, grade) in [
            (plain, Some(0o644), Grade::Good),
            (plain, Some(0o664), Grade::Bad),
            (plain, Some(0o646), Grade::Bad),
            (secret, Some(0o600), Grade::Good),
            (secret, Some(0o640), Grade::Bad),
            (plain, None, Grade::Unknown),
        ] {
            let reading = mode_of(text, mode, file);
            assert_eq!(reading.grade, grade, "{text} {mode:?}");
            assert!(!format!("{reading:?}").contains("hush"));
        }
    }

    #[test]
    fn only_names_of_checks_and_groups_are_taken() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(known(&names(&["cpu", "time.clock_source"]), &[]).is_ok());
        let fault = known(&names(&["cpu", "cpus"]), &[]).unwrap_err();
        assert_eq!(fault.exit, crate::Exit::Usage);
        assert!(fault.message.contains("--only cpus") && fault.message.contains("cpu.isolated"));
    }
}
