//! Account layouts are a promise to everyone who has stored one.

use margrave::state::*;
use std::mem::{align_of, offset_of, size_of};

#[test]
fn sizes_and_alignment_are_fixed() {
    assert_eq!([size_of::<Group>(), size_of::<Bank>()], [1_232, 728]);
    assert_eq!([size_of::<Underlying>(), size_of::<MarginAccount>()], [10_232, 4_224]);
    // Account data begins at an 8-byte boundary after its discriminator.
    let alignments = [align_of::<Group>(), align_of::<Bank>(), align_of::<Underlying>(), align_of::<MarginAccount>()];
    assert!(alignments.iter().all(|alignment| *alignment <= 8), "{alignments:?}");
}

#[test]
fn offsets_that_clients_filter_by_are_fixed() {
    assert_eq!([offset_of!(MarginAccount, status), offset_of!(MarginAccount, number)], [2, 4]);
    assert_eq!([offset_of!(MarginAccount, group), offset_of!(MarginAccount, owner)], [8, 40]);
    assert_eq!(offset_of!(MarginAccount, collateral), 128);
    assert_eq!(offset_of!(MarginAccount, positions), 640);
    assert_eq!(offset_of!(MarginAccount, risk), 2_688);
    assert_eq!(offset_of!(RiskSlot, exponent), 32);
    assert_eq!(offset_of!(Underlying, oracle), 56);
    assert_eq!(offset_of!(Underlying, terms), 208);
    assert_eq!(offset_of!(Underlying, perp), 240);
    assert_eq!(offset_of!(Bank, vault), 72);
}

/// The compressed array is 64 bytes in place: exponent and 31 mantissas.
#[test]
fn a_stored_risk_array_is_64_bytes() {
    assert_eq!(offset_of!(RiskSlot, price) - offset_of!(RiskSlot, exponent), 64);
}
