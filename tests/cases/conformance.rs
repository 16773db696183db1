//! The toolchain: arithmetic on the VM equals arithmetic here, byte for byte, with whichever toolchain built the programs.

use margrave_conformance::{INPUT_LEN, OUTPUT_LEN, PANIC_MESSAGE, evaluate};
use margrave_tests::vm::Vm;

fn vm() -> Vm {
    Vm::new("margrave_conformance.so")
}

/// Runs `pairs` on the VM and here, and compares.
fn compare(vm: &mut Vm, pairs: &[(u128, u128)]) {
    let bytes = pairs.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect::<Vec<u8>>();
    assert_eq!(bytes.len(), pairs.len() * INPUT_LEN);
    let (results, _) = vm.ask(bytes, pairs.len() * OUTPUT_LEN, &[]).unwrap();
    for (pair, results) in pairs.iter().zip(results.chunks_exact(OUTPUT_LEN)) {
        let mut results = results.chunks_exact(16);
        let mut index = 0;
        evaluate(pair.0, pair.1, |native| {
            let there = u128::from_le_bytes(results.next().unwrap().try_into().unwrap());
            assert_eq!(there, native, "result {index} of {pair:x?}");
            index += 1;
        });
    }
}

/// Signed and unsigned division, remainder, multiplication and shifts of i8 to i128 at every corner and sign pair.
#[test]
fn corners_of_every_width_agree() {
    let mut corners: Vec<u128> = vec![0, 1, 2, 3, 7, 10, 100];
    for bits in [7, 8, 15, 16, 31, 32, 33, 63, 64, 65, 96, 126, 127] {
        let power = 1u128 << bits;
        corners.extend([power - 1, power, power + 1]);
    }
    let all: Vec<u128> = corners.iter().flat_map(|value| [*value, value.wrapping_neg()]).collect();
    let pairs: Vec<(u128, u128)> = all.iter().flat_map(|a| all.iter().map(|b| (*a, *b))).collect();
    let mut vm = vm();
    for batch in pairs.chunks(500) {
        compare(&mut vm, batch);
    }
}

/// 10,000 random inputs of all sizes.
#[test]
fn random_inputs_agree() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut operand = move || {
        let wide = (u128::from(next()) << 64) | u128::from(next());
        let sized = wide >> (next() % 128);
        if next() % 2 == 0 { sized } else { sized.wrapping_neg() }
    };
    let pairs: Vec<(u128, u128)> = (0..10_000).map(|_| (operand(), operand())).collect();
    let mut vm = vm();
    for batch in pairs.chunks(500) {
        compare(&mut vm, batch);
    }
}

#[test]
fn a_panic_says_what_and_where() {
    let logs = vm().send(vec![], &[42]).unwrap_err().to_string();
    assert!(logs.contains(PANIC_MESSAGE), "{logs}");
    assert!(logs.contains("conformance/src/lib.rs at"), "the place without a path of this machine: {logs}");
}
