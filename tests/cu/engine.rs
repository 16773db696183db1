//! A full check of a portfolio by the engine on the VM: all 31 cells, charges, correlation, three margin levels.

use crate::Measurement;
use anyhow::Result;
use margrave_engine_probe::Stage;
use margrave_tests::{
    portfolios::{SHAPES, input},
    vm::Vm,
};

/// Every shape: what preparing its expiries and grids costs, which a program does when a price is accepted and stores, and the
/// check itself.
pub fn measure() -> Result<Vec<Measurement>> {
    let mut vm = Vm::new("margrave_engine_probe.so");
    let mut table = vec![];
    for shape in SHAPES {
        let portfolio = input(&[shape.portfolio()]);
        let mut up_to = |stage: Stage| vm.ask(portfolio.clone(), 8, &[stage as u8]).map(|(_, units)| units);
        let (decoded, prepared, evaluated) = (up_to(Stage::Decode)?, up_to(Stage::Prepare)?, up_to(Stage::Evaluate)?);
        let mut add = |what: &str, units: u64, ceiling: u64| {
            table.push(Measurement { shape: format!("{what}, {}", shape.name), units, token_program: 0, ceiling });
        };
        add("check", evaluated - prepared, shape.ceiling);
        if shape.expiries_each > 0 {
            add("prepare", prepared - decoded, 13_000);
        }
    }
    Ok(table)
}
