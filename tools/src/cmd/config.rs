//! `pinion config`: checks, shows, lists and describes settings.

use std::io::Write as _;

use clap::Subcommand;
use serde_json::json;

use crate::Failure;
use crate::config::{SettingsArgs, schema, view};

/// Arguments of `pinion config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say whether the settings may be used, or everything that is wrong with them.
    Check(CheckArgs),
    /// List every key: type, unit, default, range, who writes it and when it applies.
    Keys(KeysArgs),
    /// Print a JSON Schema of the settings file, for editors.
    Schema,
    /// Print the settings in force and where each comes from; secrets are redacted.
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct KeysArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print a settings file that loads to the same.
    #[arg(long, conflicts_with = "json")]
    toml: bool,
    /// Every key (the default).
    #[arg(long, conflicts_with = "changed")]
    all: bool,
    /// Only what differs from the defaults.
    #[arg(long)]
    changed: bool,
    /// The stages, their links and sizes instead of the settings.
    #[arg(long, conflicts_with_all = ["json", "toml", "all", "changed"])]
    topology: bool,
}

/// Runs the verb.
///
/// # Errors
/// Exit 4 when the configuration is wrong, 2 when its file does not exist.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.verb {
        Verb::Check(args) => check(args),
        Verb::Keys(args) if args.json => print(&format!("{}\n", view::keys_json())),
        Verb::Keys(_) => print(&view::keys_text()),
        Verb::Schema => print(&format!("{:#}\n", schema::schema())),
        Verb::Show(args) => show(args),
    }
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let checked = args.settings.check()?;
    if args.json {
        let (hash, problems) = match &checked {
            Ok(loaded) => (Some(&loaded.config_hash), json!([])),
            Err(problems) => (None, problems.to_json()),
        };
        let ok = checked.is_ok();
        print(&format!("{}\n", json!({ "ok": ok, "config_hash": hash, "problems": problems })))?;
    }
    let loaded = checked?;
    if args.json { Ok(()) } else { print(&format!("ok, hash {}\n", loaded.config_hash)) }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let loaded = args.settings.load()?;
    if args.topology {
        return print(&topology());
    }
    if args.json {
        print(&format!("{}\n", view::show_json(&loaded, args.changed)))
    } else if args.toml {
        print(&view::show_toml(&loaded, args.changed))
    } else {
        print(&view::show_text(&loaded, args.changed))
    }
}

/// The stages and links of a run.
fn topology() -> String {
    String::from("no stages are declared in this build\n")
}

/// Prints to stdout. A reader that left early (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("cannot write to stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
