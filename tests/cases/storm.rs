//! The storm in small: `./dev storm` blows over thousands.

use margrave_sim::storm;

/// F-02, F-03, I-25, I-26, P-22, P-41: half the price in one step, five competing keepers. Everybody ends healthy, closed or resolved,
/// the books are exact, and a second run ends in the same bytes. `storm::run` fails on whatever the chain refuses of what the client
/// promised.
#[test]
fn a_storm_is_weathered_twice_the_same() {
    let report = storm::run(80, 2).unwrap();
    println!("{report}");
    assert_eq!(report.stuck, Vec::<String>::new());
    assert!(report.breached > 20 && report.bankrupt > 10, "{report}");
    // Every way out was needed.
    for kind in [
        "flag",
        "positions",
        "collateral",
        "slice",
        "settle",
        "coverdeficit",
        "nominate",
        "deleverage",
        "registerprofit",
    ] {
        assert!(report.row(kind).count > 0, "no {kind}:\n{report}");
    }
    assert!(report.borne.iter().take(4).all(|dollars| *dollars > 0), "{:?}", report.borne);
    assert_eq!(storm::run(80, 2).unwrap(), report);
}
