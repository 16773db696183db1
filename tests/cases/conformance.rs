//! The toolchain: arithmetic on the VM equals arithmetic here, byte for byte, with whichever toolchain built the programs.

use litesvm::LiteSVM;
use margrave_client::{AccountMeta, Instruction, Pubkey};
use margrave_conformance::{INPUT_LEN, OUTPUT_LEN, PANIC_MESSAGE, evaluate};
use solana_account::Account;
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

struct Vm {
    svm: LiteSVM,
    payer: Keypair,
    program: Pubkey,
}

impl Vm {
    fn new() -> Self {
        // Enough for a batch: this measures correctness, not cost.
        let mut budget = ComputeBudget::new_with_defaults(false);
        budget.compute_unit_limit = 1_000_000_000;
        let mut svm = LiteSVM::new().with_compute_budget(budget);
        let (payer, program) = (Keypair::new(), Pubkey::new_unique());
        svm.airdrop(&payer.pubkey(), 1_000_000_000).unwrap();
        let path = margrave_sim::program_path().with_file_name("margrave_conformance.so");
        svm.add_program_from_file(program, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { svm, payer, program }
    }

    fn send(&mut self, accounts: Vec<AccountMeta>, data: &[u8]) -> Result<(), String> {
        self.svm.expire_blockhash();
        let instruction = Instruction { program_id: self.program, accounts, data: data.to_vec() };
        let message = Message::new(&[instruction], Some(&self.payer.pubkey()));
        let transaction = Transaction::new(&[&self.payer], message, self.svm.latest_blockhash());
        let sent = self.svm.send_transaction(transaction);
        sent.map(|_| ()).map_err(|failed| format!("{}\n{}", failed.err, failed.meta.logs.join("\n")))
    }

    /// Runs `pairs` on the VM and here, and compares.
    fn compare(&mut self, pairs: &[(u128, u128)]) {
        let (input, output) = (Pubkey::new_unique(), Pubkey::new_unique());
        let account =
            |data: Vec<u8>| Account { lamports: 10_000_000_000, data, owner: self.program, ..Account::default() };
        let bytes = pairs.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect::<Vec<u8>>();
        assert_eq!(bytes.len(), pairs.len() * INPUT_LEN);
        self.svm.set_account(input, account(bytes)).unwrap();
        self.svm.set_account(output, account(vec![0xAA; pairs.len() * OUTPUT_LEN])).unwrap();
        self.send(vec![AccountMeta::new_readonly(input, false), AccountMeta::new(output, false)], &[]).unwrap();
        let results = self.svm.get_account(&output).unwrap().data;
        for (pair, results) in pairs.iter().zip(results.chunks_exact(OUTPUT_LEN)) {
            let mut results = results.chunks_exact(16);
            let mut index = 0;
            evaluate(pair.0, pair.1, |native| {
                let vm = u128::from_le_bytes(results.next().unwrap().try_into().unwrap());
                assert_eq!(vm, native, "result {index} of {pair:x?}");
                index += 1;
            });
        }
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
    let mut vm = Vm::new();
    for batch in pairs.chunks(500) {
        vm.compare(batch);
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
    let mut vm = Vm::new();
    for batch in pairs.chunks(500) {
        vm.compare(batch);
    }
}

#[test]
fn a_panic_says_what_and_where() {
    let logs = Vm::new().send(vec![], &[42]).unwrap_err();
    assert!(logs.contains(PANIC_MESSAGE), "{logs}");
    assert!(logs.contains("conformance/src/lib.rs at"), "the place without a path of this machine: {logs}");
}
