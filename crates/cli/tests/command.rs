//! The compiled command without a network: what it prints where, and its exit codes.

use std::process::{Command, Output};

fn margrave(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_margrave"));
    command.args(arguments).env("HOME", env!("CARGO_TARGET_TMPDIR")).env("NO_COLOR", "1");
    command.output().expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_makes_no_sense_ends_with_2_and_a_reason() {
    for arguments in [
        &["frobnicate"][..],
        &["deposit", "USDC"],
        &["account", "mode", "turbo"],
        &["quote"],
        &["--output", "xml", "solvency"],
        &["--url", "http://127.0.0.1:1", "quote", "--maker-url"],
        &["liquidate"],
        // A number would be one of the wallet's own.
        &["liquidate", "0"],
        &["--url", "http://127.0.0.1:1", "shock", "SOL", "-100"],
        &["--url", "http://127.0.0.1:1", "shock", "SOL", "much"],
        &["--url", "http://example.invalid", "--keypair", "none", "shock", "SOL", "-1"],
    ] {
        let output = margrave(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_done_ends_with_1_and_what_to_do() {
    let output = margrave(&["--url", "http://127.0.0.1:1", "solvency"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).starts_with("error: no good answer from http://127.0.0.1:1"),
        "{}",
        text(&output.stderr)
    );
    let output = margrave(&["--url", "http://127.0.0.1:1", "--keypair", "/nowhere/id.json", "faucet"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("make one with solana-keygen new"), "{}", text(&output.stderr));
    let output = margrave(&["-C", "/nowhere/config.yml", "solvency"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read /nowhere/config.yml"));
}

#[test]
fn every_command_is_documented_and_completed() {
    let help = text(&margrave(&["--help"]).stdout);
    let completions = text(&margrave(&["completions", "bash"]).stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let is_in = |text: &str| text.contains(&format!("`{name}")) || text.contains(&format!("margrave {name}"));
        assert!(name == "help" || is_in(include_str!("../../../docs/cli.md")), "{name} is not in docs/cli.md");
        assert!(completions.contains(name), "{name} is not completed");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(!margrave(&["completions", shell]).stdout.is_empty());
    }
}
