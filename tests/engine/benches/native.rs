//! Native speed of the engine, one core: whole portfolios re-priced in all 31 cells, and scans from stored arrays.
//! `./dev bench` runs it; the figures are in docs/performance.md.

#[path = "../../portfolios.rs"]
#[allow(dead_code)]
mod portfolios;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use margrave_risk::{Cell, StoredArray, Usd, stored_scan};
use portfolios::SHAPES;
use std::hint::black_box;

fn exact(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("exact");
    group.throughput(Throughput::Elements(1));
    for shape in &SHAPES {
        let portfolio = shape.portfolio();
        let prepared = portfolio.prepare().unwrap();
        group.bench_function(shape.name, |bencher| {
            bencher.iter(|| black_box(&portfolio).evaluate(black_box(&prepared), |_, _| ()).unwrap());
        });
    }
    group.finish();
}

fn stored(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stored");
    group.throughput(Throughput::Elements(1));
    for shape in &SHAPES {
        let portfolio = shape.portfolio();
        let mut arrays = vec![];
        let valuation = portfolio
            .evaluate(&portfolio.prepare().unwrap(), |index, risk| {
                let basis = risk.dated.map_or(Usd::ZERO, |dated| dated.basis);
                arrays.push(StoredArray {
                    group: portfolio.underlyings[index].market.group,
                    array: risk.array().compress_down(),
                    basis,
                });
                assert!(risk.worst.index() <= Cell::BASIS.index());
            })
            .unwrap();
        assert!(stored_scan(&arrays) >= valuation.scan);
        group.bench_function(shape.name, |bencher| bencher.iter(|| stored_scan(black_box(&arrays))));
    }
    group.finish();
}

criterion_group!(benches, exact, stored);
criterion_main!(benches);
