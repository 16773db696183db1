//! Indexers decode events by these layouts: a published line never changes, and what must be said differently gets a new name.

use serde_json::Value;

/// One line per event and per type that events hold: discriminator, fields and their types in order.
fn layouts() -> String {
    let text = include_str!("../../idl/margrave.json");
    let idl: Value = serde_json::from_str(text).expect("the committed interface");
    let types = idl["types"].as_array().expect("types");
    let definition = |name: &str| types.iter().find(|it| it["name"] == name).map(|it| it["type"].clone());
    let mut lines = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for event in idl["events"].as_array().expect("events") {
        let name = event["name"].as_str().expect("a name");
        let bytes = event["discriminator"].as_array().expect("a discriminator");
        let hex: String = bytes.iter().map(|byte| format!("{:02x}", byte.as_u64().expect("a byte"))).collect();
        let layout = definition(name).expect("every event has a type");
        lines.push(format!("event {name} {hex} {}", fields(&layout, &mut open)));
    }
    let mut known = Vec::new();
    while let Some(name) = open.pop() {
        if !known.contains(&name) {
            let layout = definition(&name).expect("every type is defined");
            lines.push(format!("type {name} {}", fields(&layout, &mut open)));
            known.push(name);
        }
    }
    lines.sort();
    lines.join("\n") + "\n"
}

/// Names and types in order; types that are defined elsewhere are noted in `open`.
fn fields(layout: &Value, open: &mut Vec<String>) -> String {
    note(layout, open);
    let list = layout.get("fields").or_else(|| layout.get("variants"));
    list.map_or_else(|| "{}".to_owned(), Value::to_string)
}

fn note(value: &Value, open: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(name) = map.get("defined").and_then(|defined| defined["name"].as_str()) {
                open.push(name.to_owned());
            }
            map.iter().filter(|(key, _)| *key != "docs").for_each(|(_, value)| note(value, open));
        }
        Value::Array(list) => list.iter().for_each(|value| note(value, open)),
        _ => {}
    }
}

#[test]
fn event_layouts_are_fixed() {
    // What documentation says of a field may change.
    let bare = |text: &str| -> Vec<String> { text.lines().map(without_docs).collect() };
    let (now, fixed) = (layouts(), include_str!("events.txt"));
    for (now, fixed) in bare(&now).iter().zip(bare(fixed)) {
        assert_eq!(*now, fixed);
    }
    assert_eq!(now.lines().count(), fixed.lines().count());
}

fn without_docs(line: &str) -> String {
    let (head, list) = line.split_at(line.find('[').or(line.find('{')).unwrap_or(line.len()));
    let mut value: Value = serde_json::from_str(list).unwrap_or(Value::Null);
    strip(&mut value);
    format!("{head}{value}")
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("docs");
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}
