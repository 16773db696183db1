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
fn help_and_completions_name_every_command() {
    let help = text(&margrave(&["--help"]).stdout);
    let completions = text(&margrave(&["completions", "bash"]).stdout);
    for name in [
        "account",
        "deposit",
        "withdraw",
        "transfer",
        "positions",
        "quote",
        "fill",
        "trade",
        "risk",
        "explain",
        "oracle",
        "solvency",
        "liquidate",
        "admin",
        "export",
        "faucet",
        "shock",
        "eval",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {name} ")), "{name} is not in the help");
        assert!(completions.contains(name), "{name} is not completed");
    }
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(!margrave(&["completions", shell]).stdout.is_empty());
    }
}
