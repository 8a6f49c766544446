//! Writing a plan into a folder: the files, what undoes them, and a page that says what each does.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::host::plan::Plan;

/// Name of the plan itself in its folder.
pub const PLAN: &str = "plan.json";

/// Writes a plan into a folder that is new or empty; nothing outside of it is touched.
///
/// # Errors
/// The folder holds something, or cannot be written.
pub fn write(plan: &Plan, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    if fs::read_dir(folder)?.next().is_some() {
        let text = "it holds files already; a plan is never overwritten: give another --out";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    for file in &plan.files {
        put(&folder.join("files"), &file.target, &file.text, file.executable)?;
        if let Some(before) = &file.before {
            put(&folder.join("before"), &file.target, before, file.executable)?;
        }
    }
    put(folder, "undo.sh", &undo(plan), true)?;
    put(folder, "README.md", &page(plan), false)?;
    let json = serde_json::to_string_pretty(plan).map_err(io::Error::other)?;
    put(folder, PLAN, &format!("{json}\n"), false)
}

fn put(folder: &Path, name: &str, text: &str, executable: bool) -> io::Result<()> {
    let path = folder.join(name.trim_start_matches('/'));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text)?;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(&path, fs::Permissions::from_mode(mode))
}

/// A shell script that puts everything back to what this machine said when the plan was drawn.
fn undo(plan: &Plan) -> String {
    let mut text = "#!/bin/sh\n# Undoes this plan; run it as root in the plan's folder.\nset -u\n\
                    cd \"$(dirname \"$0\")\" || exit 1\n\
                    [ \"$(id -u)\" = 0 ] || { echo 'run this as root' >&2; exit 1; }\n"
        .to_owned();
    let mut line = |command: String| {
        text.push_str(&command);
        text.push('\n');
    };
    line("systemctl disable --now pinion-irq".to_owned());
    for file in &plan.files {
        let target = quoted(&file.target);
        match file.before {
            Some(_) => line(format!("cp -p before{target} {target}")),
            None => line(format!("rm -f {target}")),
        }
    }
    for setting in &plan.settings {
        let (name, before) = (quoted(&setting.name), quoted(&setting.before));
        match setting.name.starts_with('/') {
            true => line(format!("echo {before} >{name}")),
            false => line(format!("sysctl -w {name}={before}")),
        }
    }
    line("systemctl daemon-reload".to_owned());
    line("update-grub && echo 'restart the machine: kernel arguments end with it' >&2".to_owned());
    text
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn page(plan: &Plan) -> String {
    let mut text = format!(
        "# A host for pinion\n\n\
         Nothing here is in force: these are files to read, then to install.\n\n\
         | cores | numbers |\n|---|---|\n\
         | stage threads | {} |\n| kept quiet (these and their siblings) | {} |\n| everything else | {} |\n\n\
         1. Read the files below `files/`.\n\
         2. As root, in this folder: `cp -r files/. /`, then the commands of the table.\n\
         3. Restart the machine: kernel arguments need it.\n\
         4. `pinion host check .` says what is in force; `pinion doctor --profile colo` and `pinion jitter` say \
         whether it helped.\n\
         5. `undo.sh` puts back what this machine said when the plan was drawn.\n\n\
         Kernel arguments, for boot loaders other than GRUB: `{}`\n\n\
         | file | does | in force by |\n|---|---|---|\n",
        plan.cores,
        plan.quiet,
        plan.rest,
        plan.arguments.join(" ")
    );
    for file in &plan.files {
        text.push_str(&format!("| `{}` | {} | `{}` |\n", file.target, file.purpose, file.apply));
    }
    text.push_str("\n| value | today | wanted |\n|---|---|---|\n");
    for setting in &plan.settings {
        text.push_str(&format!(
            "| `{}` | {} | {} |\n",
            setting.name, setting.before, setting.wanted
        ));
    }
    text
}
