//! Any text through `margrave eval`: an answer or a named error, never a panic. The first byte chooses the kind.
#![no_main]

use libfuzzer_sys::fuzz_target;
use margrave_eval::{Kind, line};

fuzz_target!(|data: &[u8]| {
    let [kind, text @ ..] = data else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let kind = [Kind::Price, Kind::Math, Kind::Svi, Kind::Margin][usize::from(kind % 4)];
    let answer = line(kind, text);
    assert!(answer.is_object());
});
