//! A full check of a portfolio by the engine on the VM: all 31 cells, charges, correlation, three margin levels.

use crate::Measurement;
use anyhow::Result;
use margrave_engine_probe::Stage;
use margrave_tests::{
    portfolios::{SHAPES, input},
    vm::Vm,
};

/// Every shape, with the preparation of its expiries (which a program may store) and without.
pub fn measure() -> Result<Vec<Measurement>> {
    let mut vm = Vm::new("margrave_engine_probe.so");
    let mut table = vec![];
    for shape in SHAPES {
        let portfolio = input(&[shape.portfolio()]);
        let mut up_to = |stage: Stage| vm.ask(portfolio.clone(), 8, &[stage as u8]).map(|(_, units)| units);
        let (decoded, prepared, evaluated) = (up_to(Stage::Decode)?, up_to(Stage::Prepare)?, up_to(Stage::Evaluate)?);
        table.push(Measurement {
            shape: format!("check, {}", shape.name),
            units: evaluated - decoded,
            part: prepared - decoded,
            ceiling: shape.ceiling,
        });
    }
    Ok(table)
}
