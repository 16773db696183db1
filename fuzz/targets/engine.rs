//! Any words as a portfolio: numbers or a named error, never a panic, and the levels in order. Overflow tests are on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use margrave_engine_probe::decode;

fuzz_target!(|data: &[u8]| {
    let words: Vec<i64> = data.chunks_exact(8).map(|bytes| bytes.try_into().map_or(0, i64::from_le_bytes)).collect();
    let Ok(portfolio) = decode(&words) else { return };
    let Ok(prepared) = portfolio.prepare() else { return };
    let Ok(valuation) = portfolio.evaluate(&prepared, |_, risk| {
        let array = risk.array();
        let stored = array.compress_down().expand();
        assert!(stored.cells().iter().zip(array.cells()).all(|(stored, exact)| stored <= exact));
    }) else {
        return;
    };
    assert!(valuation.maintenance_margin <= valuation.liquidation_end);
    assert!(valuation.liquidation_end <= valuation.initial_margin);
});
