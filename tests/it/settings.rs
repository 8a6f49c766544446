//! Tests of: settings.

use pinion_tests::pinion;

#[test]
fn help_names_the_installed_command() {
    let output = pinion().arg("--help").output().expect("starts");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("help is text");
    assert!(text.contains("Usage: pinion <COMMAND>"), "{text}");
}
