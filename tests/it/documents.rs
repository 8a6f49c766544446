//! The documents say what the code says.

use std::path::Path;

use pinion_core::topology;
use pinion_tests::pinion;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).expect("a document of the project")
}

#[test]
fn architecture_command_and_code_show_one_topology() {
    let text = document("ARCHITECTURE.md");
    let (_, rest) = text.split_once("<!-- topology:begin -->").expect("the table begins");
    let (table, _) = rest.split_once("<!-- topology:end -->").expect("the table ends");
    assert_eq!(table.trim(), topology::render().trim(), "copy `pinion config show --topology`");
    let shown = pinion().args(["config", "show", "--topology"]).output().expect("runs");
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), topology::render().trim());
}

#[test]
fn readme_names_only_verbs_that_exist() {
    let help = pinion().arg("--help").output().expect("runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let text = document("README.md");
    let verbs: Vec<&str> =
        text.split("`pinion ").skip(1).filter_map(|rest| rest.split([' ', '`']).next()).collect();
    assert!(verbs.len() >= 7, "{verbs:?}");
    for verb in verbs {
        assert!(help.contains(&format!("  {verb} ")), "`pinion {verb}` is not in --help");
    }
}
