//! A virtual machine for test programs that take an account of inputs and fill an account of answers.

use crate::portfolios::input;
use anyhow::{Result, anyhow};
use litesvm::LiteSVM;
use margrave_client::{AccountMeta, Instruction, Pubkey};
use margrave_engine_probe::{ANSWER_WORDS, Portfolio};
use solana_account::Account;
use solana_compute_budget::compute_budget::ComputeBudget;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_signer::Signer;
use solana_transaction::Transaction;

pub struct Vm {
    svm: LiteSVM,
    payer: Keypair,
    program: Pubkey,
}

impl Vm {
    /// Loads `file` of the deployment folder. Transactions may cost a billion units: this is not about what fits a block.
    pub fn new(file: &str) -> Self {
        let mut budget = ComputeBudget::new_with_defaults(false);
        budget.compute_unit_limit = 1_000_000_000;
        let mut svm = LiteSVM::new().with_compute_budget(budget);
        let (payer, program) = (Keypair::new(), Pubkey::new_unique());
        svm.airdrop(&payer.pubkey(), 1_000_000_000_000).unwrap();
        let path = margrave_sim::program_path().with_file_name(file);
        svm.add_program_from_file(program, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { svm, payer, program }
    }

    /// The compute units of one instruction, or why it failed.
    pub fn send(&mut self, accounts: Vec<AccountMeta>, data: &[u8]) -> Result<u64> {
        self.svm.expire_blockhash();
        let instruction = Instruction { program_id: self.program, accounts, data: data.to_vec() };
        let message = Message::new(&[instruction], Some(&self.payer.pubkey()));
        let transaction = Transaction::new(&[&self.payer], message, self.svm.latest_blockhash());
        let sent = self.svm.send_transaction(transaction);
        sent.map(|meta| meta.compute_units_consumed)
            .map_err(|failed| anyhow!("{}\n{}", failed.err, failed.meta.logs.join("\n")))
    }

    /// What the program answers to `input` and instruction `data` in `length` bytes that start as 0xAA, and the units it took.
    pub fn ask(&mut self, input: Vec<u8>, length: usize, data: &[u8]) -> Result<(Vec<u8>, u64)> {
        let (inputs, outputs) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        let account =
            |data: Vec<u8>| Account { lamports: 10_000_000_000, data, owner: self.program, ..Account::default() };
        self.svm.set_account(inputs, account(input)).map_err(|error| anyhow!("{error}"))?;
        self.svm.set_account(outputs, account(vec![0xAA; length])).map_err(|error| anyhow!("{error}"))?;
        let accounts = vec![AccountMeta::new_readonly(inputs, false), AccountMeta::new(outputs, false)];
        let units = self.send(accounts, data)?;
        Ok((self.svm.get_account(&outputs).map(|account| account.data).unwrap_or_default(), units))
    }
}

/// What the engine probe says of some portfolios.
pub fn answers(vm: &mut Vm, portfolios: &[Portfolio]) -> Result<Vec<[i64; ANSWER_WORDS]>> {
    let (bytes, _) = vm.ask(input(portfolios), portfolios.len() * ANSWER_WORDS * 8, &[])?;
    let words = bytes.chunks_exact(8).map(|word| i64::from_le_bytes(word.try_into().unwrap()));
    let words: Vec<i64> = words.collect();
    Ok(words.chunks_exact(ANSWER_WORDS).map(|answer| answer.try_into().unwrap()).collect())
}
