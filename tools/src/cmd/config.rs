//! `pinion config`: checks, shows, lists and describes settings.

use std::io::Write as _;

use clap::Subcommand;
use pinion_core::topology;
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
    Schema(SchemaArgs),
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
struct SchemaArgs {
    /// For symmetry with other verbs: a schema is JSON in any case.
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
    #[arg(long, conflicts_with_all = ["toml", "all", "changed"])]
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
        Verb::Schema(_) => print(&format!("{:#}\n", schema::schema())),
        Verb::Show(args) => show(args),
    }
}

fn check(args: &CheckArgs) -> Result<(), Failure> {
    let checked = args.settings.check()?;
    if args.json {
        let (hash, problems, notices) = match &checked {
            Ok(loaded) => (Some(&loaded.config_hash), json!([]), json!(loaded.notices)),
            Err(problems) => (None, problems.to_json(), json!([])),
        };
        let row = json!({
            "ok": checked.is_ok(),
            "config_hash": hash,
            "problems": problems,
            "notices": notices,
        });
        print(&format!("{row}\n"))?;
    }
    let loaded = checked?;
    loaded.tell_notices();
    if args.json { Ok(()) } else { print(&format!("ok, hash {}\n", loaded.config_hash)) }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let loaded = args.settings.load()?;
    if args.topology && args.json {
        return print(&format!("{}\n", topology_json()));
    }
    if args.topology {
        return print(&topology::render());
    }
    if args.json {
        print(&format!("{}\n", view::show_json(&loaded, args.changed)))
    } else if args.toml {
        print(&view::show_toml(&loaded, args.changed))
    } else {
        print(&view::show_text(&loaded, args.changed))
    }
}

fn topology_json() -> serde_json::Value {
    let stages: Vec<_> = topology::STAGES
        .iter()
        .map(|stage| json!({ "stage": stage.end.as_str(), "does": stage.does }))
        .collect();
    let links: Vec<_> = topology::LINKS
        .iter()
        .map(|link| {
            json!({
                "link": link.name,
                "from_live": link.live.map(topology::End::as_str),
                "from_paper": link.paper.map(topology::End::as_str),
                "to": link.consumer.as_str(),
                "message": link.message,
                "bytes": link.bytes,
                "depth": link.depth,
                "when_full_paced": link.paced.as_str(),
                "when_full_at_full_speed": link.replay.as_str(),
            })
        })
        .collect();
    json!({ "stages": stages, "links": links })
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
