//! What cannot be answered is answered with the field and the rule it broke, and never with a panic.

use margrave_eval::{Kind, line};
use serde_json::{Value, json};

fn refused(kind: Kind, request: &Value, expected: &str) {
    let answer = line(kind, &request.to_string());
    let error = answer["error"].as_str().unwrap_or_else(|| panic!("{request} was answered with {answer}"));
    assert!(error.contains(expected), "{error:?} does not say {expected:?} for {request}");
    assert_eq!(answer["id"], request["id"]);
}

fn option(field: &str, value: Value) -> Value {
    let mut request = json!({
        "id": 7, "kind": "call", "forward": "100", "strike": "100", "vol": "0.5", "years": "0.5", "discount": "1",
    });
    request[field] = value;
    request
}

#[test]
fn options_out_of_range_are_refused_by_name() {
    for (field, value, expected) in [
        ("kind", json!("straddle"), "neither call nor put"),
        ("kind", json!(null), "kind is missing"),
        ("forward", json!("0"), "forward: 0 is not positive"),
        ("forward", json!("-1"), "forward: -1 is not positive"),
        ("strike", json!("NaN"), "strike: 'NaN' is not a decimal number"),
        ("strike", json!("1e400"), "strike"),
        ("strike", json!("inf"), "strike: 'inf'"),
        ("strike", json!([]), "strike is neither"),
        ("strike", json!("0.00000000000000000000001"), "more than 10^16 apart"),
        ("vol", json!("0"), "vol: a volatility must be positive"),
        ("vol", json!("-0.5"), "vol: a volatility must be positive"),
        ("vol", json!("1000000"), "at most 3,200 %"),
        ("vol", json!("0.00000000000001"), "vol: a volatility must be positive"),
        ("years", json!("-0.1"), "years: a time to expiry must be 0 to 8 years"),
        ("years", json!("9"), "years: a time to expiry must be 0 to 8 years"),
        ("discount", json!("0"), "discount: 0 is not above 0 and at most 1"),
        ("discount", json!("1.1"), "discount: 1.1 is not above 0 and at most 1"),
    ] {
        refused(Kind::Price, &option(field, value), expected);
    }
    let expired = line(Kind::Price, &option("years", json!("0")).to_string());
    assert_eq!((&expired["value"], &expired["gamma"]), (&json!("0"), &json!("0")));
    assert!(line(Kind::Price, "{").get("error").is_some());
    assert!(line(Kind::Price, "[1]")["error"].as_str().unwrap().contains("not a JSON object"));
}

#[test]
fn functions_out_of_range_are_refused_by_name() {
    for (request, expected) in [
        (json!({"id": 1, "fn": "ln", "x": "0"}), "positive argument"),
        (json!({"id": 1, "fn": "ln", "x": "-3"}), "positive argument"),
        (json!({"id": 1, "fn": "exp", "x": "41"}), "beyond 40"),
        (json!({"id": 1, "fn": "sqrt", "x": "-1"}), "negative"),
        (json!({"id": 1, "fn": "pow", "x": "10", "y": "30"}), "at most 44"),
        (json!({"id": 1, "fn": "pow", "x": "10"}), "y is missing"),
        (json!({"id": 1, "fn": "gamma", "x": "10"}), "none of norm_cdf"),
    ] {
        refused(Kind::Math, &request, expected);
    }
    let smile = |field: &str, value: &str| {
        let mut request =
            json!({"id": 1, "a": "0.01", "b": "0.1", "rho": "0", "m": "0", "sigma": "0.2", "k": "0", "years": "1"});
        request[field] = json!(value);
        request
    };
    for (field, value) in [("b", "-0.1"), ("rho", "1"), ("sigma", "0"), ("a", "-0.1"), ("m", "9")] {
        refused(Kind::Svi, &smile(field, value), "a smile needs");
    }
    refused(Kind::Svi, &smile("years", "0"), "0 to 8 years");
}

fn portfolio() -> Value {
    json!({
        "id": "p",
        "underlyings": [{"symbol": "SOL", "spot": "35", "expiries": [{"years": "0.1", "forward": "35", "vol": "0.8"}]},
                        {"symbol": "BTC", "spot": "60000"}],
        "positions": [{"underlying": "SOL", "kind": "call", "expiry": 0, "strike": "40", "quantity": "1"}],
        "collateral": [{"asset": "USDC", "amount": "100", "price": "1"}],
    })
}

#[test]
fn portfolios_out_of_range_are_refused_by_name() {
    assert_eq!(line(Kind::Margin, &portfolio().to_string()).get("error"), None);
    for (path, value, expected) in [
        ("/mode", json!("naked"), "mode: 'naked' is none of"),
        ("/params", json!({"net_chrage": "1"}), "params.net_chrage is not known"),
        ("/params", json!({"long_factor": "1.04", "short_factor": "0.95"}), "0 <= long <= 1 <= short"),
        ("/params", json!({"maintenance_scan": "1.5"}), "params.maintenance_scan: 1.5 is not between 0 and 1"),
        ("/params", json!({"net_charge": "-1"}), "params.net_charge: -1 is negative"),
        ("/params", json!({"net_charge": "0.01", "hedged_charge": "0.021"}), "the charges of underlyings[0]"),
        ("/params", json!({"cell_weights": ["1"]}), "has 1 numbers instead of 31"),
        ("/underlyings/0/spot", json!("0"), "underlyings[0].spot: a price must be positive"),
        ("/underlyings/0/range", json!("0"), "underlyings[0].range is not above 0"),
        ("/underlyings/0/range", json!("4"), "underlyings[0].range is not above 0 and at most 3"),
        ("/underlyings/0/confidence", json!("1000"), "underlyings[0].confidence: a ratio must be below 8"),
        ("/underlyings/1/symbol", json!("SOL"), "underlyings[1].symbol: 'SOL' is there twice"),
        ("/underlyings/0/expiries/0/vol", json!("0"), "expiries[0].vol: a volatility must be positive"),
        ("/underlyings/0/expiries/0/vol", json!(null), "neither vol nor svi"),
        ("/positions/0/underlying", json!("ETH"), "'ETH' is not among the underlyings"),
        ("/positions/0/kind", json!("swap"), "kind: 'swap' is none of"),
        ("/positions/0/expiry", json!(3), "'3' is not an index of the 1 expiries of SOL"),
        ("/positions/0/strike", json!("-4"), "positions[0]: strike: a price must be positive"),
        ("/positions/0/quantity", json!("much"), "'much' is not a decimal number"),
        ("/positions/0/quantity", json!("99999999999"), "a value exceeds"),
        ("/positions/0/quantity", json!("0.1234567890123456789"), "more than 18 decimals"),
        ("/collateral/0/amount", json!("1e15"), "collateral[0]: a value exceeds"),
        ("/collateral/0/haircut_maintenance", json!("2"), "is not between 0 and 1"),
        ("/collateral/0/haircut_initial", json!("-1"), "below the maintenance one"),
    ] {
        let mut request = portfolio();
        match request.pointer_mut(path) {
            Some(place) => *place = value,
            None => {
                let (parent, field) = path.rsplit_once('/').unwrap();
                request.pointer_mut(parent).unwrap()[field] = value;
            }
        }
        refused(Kind::Margin, &request, expected);
    }
}

#[test]
fn an_isolated_account_holds_one_underlying_and_nobody_holds_65_items() {
    let perp = |symbol: &str| json!({"underlying": symbol, "kind": "perp", "quantity": "1"});
    let mut request = portfolio();
    request["mode"] = json!("isolated");
    request["positions"] = json!([perp("SOL"), perp("BTC")]);
    refused(Kind::Margin, &request, "an isolated account holds positions on one underlying only");
    request["mode"] = json!("cross");
    assert_eq!(line(Kind::Margin, &request.to_string()).get("error"), None);
    request["positions"] = json!(vec![perp("SOL"); 64]);
    assert_eq!(line(Kind::Margin, &request.to_string()).get("error"), None);
    request["positions"] = json!(vec![perp("SOL"); 65]);
    refused(Kind::Margin, &request, "more than 64 positions and balances");
}
