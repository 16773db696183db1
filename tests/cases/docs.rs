//! The documents say what the code does, as far as a test can tell.

use margrave_tests::pages;
use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All test sources: `tests/cases` and the engine's own.
fn tests() -> String {
    let folders =
        ["tests/cases", "tests/cases/stories", "crates/risk/tests", "crates/sim/src", "programs/margrave/src/state"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let sources = files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    sources.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// Each row of the invariants' table names tests that exist, and its id is cited by a test or by what tests call.
#[test]
fn every_invariant_is_checked_by_a_test_that_exists() {
    let (document, tests) = (read("docs/invariants.md"), tests());
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| I-")).collect();
    assert!(rows.len() > 15);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (id, checked_by) = (cells[1], cells[4]);
        assert!(tests.contains(id), "no test cites {id}");
        for name in checked_by.split('`').skip(1).step_by(2) {
            let exists = match name.strip_suffix(".rs") {
                Some(_) => ["tests/cases", "crates/risk/tests", "programs/margrave/src/state"]
                    .iter()
                    .any(|folder| root().join(folder).join(name).exists()),
                None => tests.contains(&format!("fn {name}(")),
            };
            assert!(exists, "{id}: there is no {name}");
        }
    }
}

/// Every parameter of the program is in the table of parameters, which the error message points to.
#[test]
fn every_parameter_is_documented() {
    let document = read("docs/parameters.md");
    let sources =
        ["group", "bank", "underlying", "venue"].map(|name| read(&format!("programs/margrave/src/state/{name}.rs")));
    let fields = sources.iter().flat_map(|source| source.lines());
    let names = fields.filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':')).map(|(name, _)| name);
    // Fields, not functions; and not what the program itself keeps.
    let fields = names.filter(|name| !name.contains(' ') && *name != "largest_haircut_ppm" && *name != "observed_secs");
    let parameters: Vec<&str> = fields.filter(|name| name.ends_with("_ppm") || name.ends_with("_secs")).collect();
    assert!(parameters.len() > 12);
    for name in parameters {
        assert!(document.contains(&format!("`{name}`")), "{name} is not in docs/parameters.md");
    }
}

/// The figures of the readme, which has one for every instruction, and of the page on performance are the baseline's.
#[test]
fn the_pages_compute_units_are_the_measured_ones() {
    let baseline = read("tests/cu/baseline.md");
    for page in pages::PAGES {
        let text = read(page);
        assert!(text == pages::page(page, &text, &baseline).unwrap(), "{page} is not what ./dev cu --write writes");
    }
}

/// The readme's sizes and rents are the program's.
#[test]
fn the_readme_s_account_sizes_are_the_program_s() {
    use margrave::state::*;
    let readme = read("README.md");
    let accounts = [
        ("Group", 8 + size_of::<Group>()),
        ("OutflowLimit", 8 + size_of::<OutflowLimit>()),
        ("Bank, without its vault", 8 + size_of::<Bank>()),
        ("Underlying, with 12 expiries and 256 strikes", 8 + size_of::<Underlying>()),
        ("MarginAccount", 8 + size_of::<MarginAccount>()),
        ("Proposal", Proposal::SPACE),
        ("Venue", 8 + size_of::<Venue>()),
        ("Consent", 8 + size_of::<Consent>()),
    ];
    for (name, bytes) in accounts {
        // 3,480 lamports for a byte and year, for two years, and 128 bytes on top.
        let rent = (bytes + 128) * 6_960;
        let thousands =
            if bytes < 1_000 { bytes.to_string() } else { format!("{},{:03}", bytes / 1_000, bytes % 1_000) };
        let row = format!("| {name} | {thousands} | {}.{:05} |", rent / 1_000_000_000, rent % 1_000_000_000 / 10_000);
        assert!(readme.contains(&row), "the readme lacks {row}");
    }
}
