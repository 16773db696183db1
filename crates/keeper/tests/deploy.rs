//! What is deployed beside the keeper asks for numbers that the keeper has.

use std::{collections::BTreeSet, fs, path::Path};

fn deploy(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words = text.split(|character| !word(character)).filter(|it| it.starts_with("margrave_keeper_"));
    words.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

#[test]
fn the_board_and_the_alerts_ask_for_metrics_that_exist() {
    let known = names(include_str!("../src/metrics.rs"));
    let looks = names(include_str!("../src/keeper.rs"));
    assert!(looks.is_subset(&known), "not described: {:?}", looks.difference(&known));
    for file in ["prometheus/alerts.yml", "grafana/dashboards/keeper.json"] {
        let asked = names(&deploy(file));
        assert!(!asked.is_empty());
        assert!(asked.is_subset(&known), "{file}: {:?}", asked.difference(&known));
    }
    let documented = names(include_str!("../../../docs/keeper.md"));
    assert_eq!(documented, known, "docs/keeper.md lists other metrics");
}

#[test]
fn the_board_can_be_read_and_no_panel_covers_another() {
    let board: serde_json::Value = serde_json::from_str(&deploy("grafana/dashboards/keeper.json")).unwrap();
    let mut taken = BTreeSet::new();
    for panel in board["panels"].as_array().unwrap() {
        assert!(panel["targets"].as_array().is_some_and(|it| it.iter().all(|it| it["expr"].is_string())), "{panel}");
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for (x, y) in (at("x")..at("x") + at("w")).flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y))) {
            assert!(x < 24 && taken.insert((x, y)), "{} covers another panel", panel["title"]);
        }
    }
}
