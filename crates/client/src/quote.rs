//! Quotes, off chain: a maker builds and signs one without any network, a taker checks it and takes it to the chain.
//!
//! ```
//! use margrave_client::{Instrument, Leg, Pubkey, Quote, SignedQuote};
//! use solana_keypair::{Keypair, Signer};
//!
//! let owner = Keypair::new();
//! let quote = Quote {
//!     group: Pubkey::new_unique(),
//!     maker: Pubkey::new_unique(),
//!     quotes_since: 1_700_000_000,
//!     taker: Pubkey::default(),
//!     expires_at: 1_700_000_060,
//!     nonce: 1,
//!     units: 100,
//!     legs: vec![Leg { underlying: 0, instrument: Instrument::PERP, quantity: 10_000_000, price: 350_000_000_000 }],
//! };
//! let signed = SignedQuote::sign(quote, &owner);
//! assert!(signed.verify());
//! ```

use anchor_lang::{prelude::Pubkey, solana_program::instruction::Instruction};
use margrave::quote::Quote;
use solana_signature::Signature;
use solana_signer::Signer;

/// A quote with its signature: what a maker sends to takers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedQuote {
    pub quote: Quote,
    /// The maker's owner or delegate.
    pub signer: Pubkey,
    pub signature: Signature,
}

impl SignedQuote {
    /// Signs with the key of the maker's owner or delegate.
    pub fn sign(quote: Quote, signer: &dyn Signer) -> Self {
        let signature = signer.sign_message(&quote.message());
        Self { quote, signer: signer.pubkey(), signature }
    }

    /// Whether the signature is the signer's. Whether the signer may trade for the maker is the chain's to say.
    pub fn verify(&self) -> bool {
        self.signature.verify(self.signer.as_ref(), &self.quote.message())
    }

    /// The instruction that has the runtime check the signature; `fill_quote` names its place in the transaction.
    pub fn instruction(&self) -> Instruction {
        solana_ed25519_program::new_ed25519_instruction_with_signature(
            &self.quote.message(),
            self.signature.as_array(),
            &self.signer.to_bytes(),
        )
    }
}
