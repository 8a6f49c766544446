//! Tests of: what the host commands say of made-up machines and of this one.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by it as tests do")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pinion_tests::pinion;
use serde_json::Value;

const MACHINES: [&str; 4] = ["bare", "vm", "container", "arm"];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/host")
}

/// Unfolds a machine of `tests/data/host` into a root folder.
fn machine(name: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(data().join(format!("{name}.machine"))).unwrap();
    for part in text.split("=== ").skip(1) {
        let (path, content) = part.split_once('\n').unwrap();
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

fn at(root: &tempfile::TempDir, arguments: &[&str]) -> Output {
    pinion().args(arguments).arg("--root").arg(root.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        unreachable!("{error}: {} {}", text(&output.stdout), text(&output.stderr))
    })
}

fn verdict<'t>(report: &'t Value, id: &str) -> &'t str {
    let findings = report["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["id"] == id).unwrap();
    finding["verdict"].as_str().unwrap()
}

#[test]
fn each_machine_is_judged_as_before() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(data());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for name in MACHINES {
            let root = machine(name);
            for profile in ["paper", "colo"] {
                let arguments = ["doctor", "--profile", profile, "--runs", "/runs"];
                let output = at(&root, &arguments);
                let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
                insta::assert_snapshot!(format!("{name}-{profile}"), said);
            }
        }
    });
}

#[test]
fn exit_codes_follow_the_worst_finding() {
    for (name, profile, strict, code) in [
        ("bare", "colo", false, 0),
        ("bare", "colo", true, 1),
        ("vm", "colo", false, 1),
        ("vm", "paper", false, 0),
        ("vm", "paper", true, 1),
        ("container", "paper", false, 0),
        ("container", "live", false, 1),
        ("arm", "live", false, 0),
    ] {
        let mut arguments = vec!["doctor", "--json", "--profile", profile, "--runs", "/runs"];
        arguments.extend(strict.then_some("--strict"));
        let output = at(&machine(name), &arguments);
        assert_eq!(output.status.code(), Some(code), "{name} {profile}: {}", text(&output.stderr));
        let report = json(&output);
        assert_eq!(report["fit"], code == 0);
        let total: u64 =
            report["totals"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(total, report["findings"].as_array().unwrap().len() as u64);
        if code == 1 {
            assert!(text(&output.stderr).contains("Error: not fit for"), "{name}");
        }
    }
}

#[test]
fn what_a_container_hides_is_unknown_and_never_ok() {
    let report = json(&at(&machine("container"), &["doctor", "--json", "--profile", "colo"]));
    for id in
        ["cpu.isolated", "cpu.siblings", "time.clock_source", "network.cards", "memory.huge_pages"]
    {
        assert_eq!(verdict(&report, id), "unknown", "{id}");
    }
    assert_eq!(verdict(&report, "cpu.quota"), "fail");
    assert_eq!(verdict(&report, "memory.limit"), "fail");
}

#[test]
fn only_named_checks_are_told() {
    let root = machine("vm");
    let report = json(&at(&root, &["doctor", "--json", "--only", "time,cpu.quota"]));
    let findings = report["findings"].as_array().unwrap();
    assert!(
        findings.iter().all(|finding| finding["group"] == "time" || finding["id"] == "cpu.quota")
    );
    assert!(findings.len() > 2);
    let wrong = at(&root, &["doctor", "--only", "tme"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("groups are"), "{}", text(&wrong.stderr));
}

#[test]
fn cores_of_the_settings_are_those_that_are_judged() {
    let root = machine("bare");
    let file = root.path().join("pinion.toml");
    fs::write(&file, "[engine]\ncores = [4, 5, 6]\n").unwrap();
    let file = file.to_str().unwrap();
    let report = json(&at(&root, &["doctor", "--json", "--profile", "colo", "--config", file]));
    assert_eq!(report["stage_cores"], "4-6");
    assert_eq!(verdict(&report, "config.valid"), "ok");
    assert_eq!(verdict(&report, "cpu.isolated"), "warn");
    let given = json(&at(&root, &["doctor", "--json", "--cores", "29", "--config", file]));
    assert_eq!(given["stage_cores"], "29");
    fs::write(root.path().join("pinion.toml"), "[engine]\ncroes = [4]\n").unwrap();
    let wrong = at(&root, &["doctor", "--json", "--only", "config", "--config", file]);
    assert_eq!(wrong.status.code(), Some(1));
    assert_eq!(verdict(&json(&wrong), "config.valid"), "fail");
}

#[test]
fn this_machine_is_judged_without_privileges() {
    let folder = tempfile::tempdir().unwrap();
    let output = pinion().current_dir(folder.path()).args(["doctor", "--json"]).output().unwrap();
    let report = json(&output);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    assert!(report["findings"].as_array().unwrap().len() > 40);
    for id in ["time.synchronised", "disk.space", "cpu.steal", "cpu.cores"] {
        assert_ne!(verdict(&report, id), "unknown", "{id}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it writes nothing");
}

#[test]
fn a_machine_that_follows_its_plan_passes_its_check() {
    let root = machine("vm");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("plan");
    let out = out.to_str().unwrap();
    let drawn = at(&root, &["host", "plan", "--json", "--out", out]);
    assert_eq!(drawn.status.code(), Some(0), "{}", text(&drawn.stderr));
    let plan = json(&drawn);
    assert_eq!((plan["cores"].as_str(), plan["rest"].as_str()), (Some("1"), Some("0")));
    let before = at(&root, &["host", "check", "--json", out]);
    assert_eq!(before.status.code(), Some(1));
    assert_eq!(json(&before)["follows"], false);

    // Install it into the made-up machine, as its README says.
    let copied =
        Command::new("cp").arg("-r").arg(format!("{out}/files/.")).arg(root.path()).status();
    assert!(copied.unwrap().success());
    let arguments: Vec<&str> =
        plan["arguments"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    fs::write(root.path().join("proc/cmdline"), arguments.join(" ")).unwrap();
    for setting in plan["settings"].as_array().unwrap() {
        let (name, wanted) =
            (setting["name"].as_str().unwrap(), setting["wanted"].as_str().unwrap());
        let path = match name.strip_prefix('/') {
            Some(path) => path.to_owned(),
            None => format!("proc/sys/{}", name.replace('.', "/")),
        };
        fs::write(root.path().join(path), wanted).unwrap();
    }
    let after = at(&root, &["host", "check", out]);
    assert_eq!(after.status.code(), Some(0), "{}", text(&after.stdout));

    let again = at(&root, &["host", "plan", "--out", out]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("never overwritten"));
    let nowhere = at(&root, &["host", "check", folder.path().to_str().unwrap()]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn a_plan_of_the_same_machine_has_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut plans = Vec::new();
    for name in ["one", "two"] {
        let out = folder.path().join(name);
        let out = out.to_str().unwrap();
        assert!(at(&machine("bare"), &["host", "plan", "--out", out]).status.success());
        let read = |file: &str| fs::read(Path::new(out).join(file)).unwrap();
        plans.push((read("plan.json"), read("undo.sh"), read("README.md")));
    }
    assert_eq!(plans[0], plans[1]);
}

#[test]
fn jitter_tells_every_core_and_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let hgrm = folder.path().join("gaps.hgrm");
    let earlier = folder.path().join("earlier.json");
    let output = pinion()
        .args(["jitter", "--json", "--seconds", "0.05", "--hgrm"])
        .arg(&hgrm)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let noise = json(&output);
    let cores = noise["cores"].as_array().unwrap();
    assert!(!cores.is_empty());
    let words = ["quiet", "usable", "noisy"];
    for core in cores {
        assert!(words.contains(&core["verdict"].as_str().unwrap()));
        assert!(core["window_ns"].as_u64().unwrap() >= 50_000_000);
        assert!(core["threshold_ns"].as_u64().unwrap() >= 200);
    }
    assert!(words.contains(&noise["verdict"].as_str().unwrap()));
    assert!(fs::read_to_string(hgrm).unwrap().contains("1/(1-Percentile)"));
    if cores.len() > 1 {
        assert!(!noise["hops"].as_array().unwrap().is_empty());
    }

    fs::write(&earlier, &output.stdout).unwrap();
    let first = cores[0]["core"].to_string();
    let one = pinion()
        .args(["jitter", "--seconds", "0.05", "--cpus", &first, "--compare"])
        .arg(&earlier)
        .output()
        .unwrap();
    let said = text(&one.stdout);
    assert!(
        said.contains("verdict: ") && said.contains(&format!("core {first} before:")),
        "{said}"
    );
    let none = pinion().args(["jitter", "--cpus", "1000"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn the_unit_is_one_that_systemd_understands() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/pinion@.service");
    let unit = fs::read_to_string(unit).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The command is not installed where this test runs.
    let runnable = unit.replace("/usr/local/bin/pinion", "/bin/true");
    assert_ne!(unit, runnable);
    let path = folder.path().join("pinion@.service");
    let verify = |text: &str| {
        fs::write(&path, text).unwrap();
        Command::new("systemd-analyze").arg("verify").arg(&path).output()
    };
    let Ok(output) = verify(&runnable) else {
        skipped("systemd-analyze is not on this machine");
        return;
    };
    let complaints = text(&output.stderr);
    // What it says of the machine's own units is not about this one.
    let own = |said: &str| said.lines().filter(|line| line.contains("pinion@")).count();
    assert_eq!(own(&complaints), 0, "{complaints}");
    let spoiled = verify(&runnable.replace("WatchdogSec=5", "WatchdogSec=five")).unwrap();
    assert!(own(&text(&spoiled.stderr)) > 0, "a mistake would be seen");
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

#[test]
fn a_plan_s_units_are_ones_that_systemd_understands() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("plan");
    assert!(
        at(&machine("bare"), &["host", "plan", "--out", out.to_str().unwrap()]).status.success()
    );
    let units = out.join("files/etc/systemd/system");
    let service = fs::read_to_string(units.join("pinion-irq.service")).unwrap();
    let service = service.replace("/usr/local/sbin/pinion-irq-affinity", "/bin/true");
    fs::write(units.join("pinion-irq.service"), service).unwrap();
    for unit in ["pinion-irq.service", "pinion.slice"] {
        let output = Command::new("systemd-analyze").arg("verify").arg(units.join(unit)).output();
        let Ok(output) = output else {
            skipped("systemd-analyze is not on this machine");
            return;
        };
        let complaints = text(&output.stderr);
        assert!(!complaints.contains(unit), "{complaints}");
    }
}

#[test]
fn the_container_s_health_check_is_a_command_that_exists() {
    let text_of = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/Dockerfile");
    let dockerfile = fs::read_to_string(text_of).unwrap();
    let line =
        dockerfile.lines().skip_while(|line| !line.starts_with("HEALTHCHECK")).nth(1).unwrap();
    let command: Vec<String> =
        serde_json::from_str(line.trim().strip_prefix("CMD ").unwrap()).unwrap();
    assert_eq!(command[0], "pinion");
    let folder = tempfile::tempdir().unwrap();
    let output = pinion().current_dir(folder.path()).args(&command[1..]).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    assert!(dockerfile.contains("\nUSER pinion\n"), "it does not run as root");
}
