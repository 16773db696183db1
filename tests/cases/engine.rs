//! The engine on the VM gives the same bits as here: every number of every answer (I-09, I-14).

use fastrand::Rng;
use margrave_engine_probe::{ANSWER_WORDS, answer, encode};
use margrave_tests::{
    portfolios,
    vm::{Vm, answers},
};

/// Portfolios compared; the program's heap takes a few at a time.
const PORTFOLIOS: usize = 100_000;
const BATCH: usize = 3;
const THREADS: usize = 2;

#[test]
fn a_hundred_thousand_random_portfolios_agree_bit_for_bit() {
    let refused: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || compare(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    // Nearly all are valued: the comparison is of numbers, not of error codes.
    assert!(refused < PORTFOLIOS / 20, "{refused} of {PORTFOLIOS} were refused");
}

/// Compares a thread's share and returns how many were refused.
fn compare(thread: usize) -> usize {
    let mut vm = Vm::new("margrave_engine_probe.so");
    let mut rng = Rng::with_seed(20_261_121 + u64::try_from(thread).unwrap());
    let mut refused = 0;
    for _ in 0..PORTFOLIOS / THREADS / BATCH {
        let batch: Vec<_> = (0..BATCH).map(|_| portfolios::random(&mut rng)).collect();
        let there = answers(&mut vm, &batch).unwrap();
        for (portfolio, there) in batch.iter().zip(there) {
            let mut here = [0; ANSWER_WORDS];
            answer(&encode(portfolio), &mut here);
            assert_eq!(there, here, "{portfolio:#?}");
            refused += usize::from(here[0] != 0);
        }
    }
    refused
}
