//! Quotes that a maker signs off chain and any allowed taker brings on chain. The runtime's ed25519 program checks the
//! signature in another instruction of the same transaction; here its content is read back and bound to the trade.

use crate::{constants::*, error::*, state::*, trading::Leg};
use anchor_lang::prelude::*;
use solana_instructions_sysvar::load_instruction_at_checked;

/// The first bytes of every signed quote: a signature for anything else is never taken for one.
pub const QUOTE_DOMAIN: &[u8; 16] = b"margrave quote 1";

/// An offer by the owner of a margin account, or a delegate, to trade so many units of the legs.
///
/// What is signed is [`QUOTE_DOMAIN`] followed by this in borsh.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub group: Pubkey,
    /// The margin account that will be traded for.
    pub maker: Pubkey,
    /// The account's `quotes_since`: a new one of the same number is another maker, and a liquidation voids what was signed
    /// before it.
    pub quotes_since: i64,
    /// The only margin account that may take the quote; all zeros: any.
    pub taker: Pubkey,
    /// Unix seconds; not to be filled after it.
    pub expires_at: i64,
    /// Told from the maker's other quotes; those below the account's `quote_floor` are cancelled.
    pub nonce: u64,
    /// How many times the legs may be traded altogether.
    pub units: u64,
    /// One unit, from the taker's side.
    pub legs: Vec<Leg>,
}

impl Quote {
    /// The bytes to sign.
    pub fn message(&self) -> Vec<u8> {
        let mut bytes = QUOTE_DOMAIN.to_vec();
        // A vector takes whatever is written to it.
        let _ = self.serialize(&mut bytes);
        bytes
    }

    /// Reads the bytes that were signed: all of them, and nothing else.
    pub fn from_message(bytes: &[u8]) -> Result<Self> {
        let body = bytes.strip_prefix(QUOTE_DOMAIN).ok_or(MargraveError::NotAQuote)?;
        Self::try_from_slice(body).map_err(|_| error!(MargraveError::NotAQuote))
    }

    /// The quote and who signed it, from the ed25519 instruction at `index` of this transaction.
    pub fn signed(instructions: &AccountInfo, index: u16) -> Result<(Self, Pubkey)> {
        let instruction = load_instruction_at_checked(usize::from(index), instructions)
            .map_err(|_| error!(MargraveError::QuoteNotSigned))?;
        require_keys_eq!(instruction.program_id, ED25519_PROGRAM, MargraveError::QuoteNotSigned);
        let (signer, message) = one_signature(&instruction.data).ok_or(MargraveError::QuoteNotSigned)?;
        Ok((Self::from_message(message)?, signer))
    }
}

/// The runtime's signature checker.
const ED25519_PROGRAM: Pubkey = pubkey!("Ed25519SigVerify111111111111111111111111111");
/// In its offsets: this very instruction.
const THIS_INSTRUCTION: u16 = u16::MAX;

/// Key and message of an ed25519 instruction that checks one signature and holds everything itself: an offset into another
/// instruction could point to bytes that nobody checked.
fn one_signature(data: &[u8]) -> Option<(Pubkey, &[u8])> {
    // Count, padding, then: signature offset and instruction, key offset and instruction, message offset, size and instruction.
    if data.first() != Some(&1) {
        return None;
    }
    let field = |index: usize| {
        let at = 2 + 2 * index;
        data.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_le_bytes)
    };
    if [field(1)?, field(3)?, field(6)?] != [THIS_INSTRUCTION; 3] {
        return None;
    }
    let slice = |offset: u16, size: usize| data.get(usize::from(offset)..usize::from(offset).checked_add(size)?);
    let key: [u8; 32] = slice(field(2)?, 32)?.try_into().ok()?;
    Some((Pubkey::new_from_array(key), slice(field(4)?, usize::from(field(5)?))?))
}

impl MarginAccount {
    /// Counts `units` more of a quote as filled (I-04): no more than it offers, never again when it is used up, cancelled or
    /// void. Not checked here: that there are any; a leg over nothing is refused.
    pub fn fill_quote(&mut self, quote: &Quote, units: u64, now: i64) -> Result<()> {
        require!(now <= quote.expires_at, MargraveError::QuoteExpired);
        require!(quote.expires_at <= now.saturating_add(MAX_QUOTE_SECS), MargraveError::QuoteLivesTooLong);
        require!(quote.nonce >= self.quote_floor, MargraveError::QuoteCancelled);
        let slot = self.quote_slot(quote.nonce, now)?;
        if slot.nonce != quote.nonce || slot.expires_at == 0 {
            *slot = QuoteSlot { nonce: quote.nonce, filled: 0, expires_at: quote.expires_at };
        }
        require!(slot.filled != u64::MAX, MargraveError::QuoteCancelled);
        let filled = slot.filled.checked_add(units).filter(|filled| *filled <= quote.units);
        slot.filled = filled.ok_or(MargraveError::QuoteFilled)?;
        // Two quotes under one nonce share what is filled, and are remembered as long as the longer one lives.
        slot.expires_at = slot.expires_at.max(quote.expires_at);
        Ok(())
    }

    /// Cancels the quotes with one nonce, or with every nonce below it.
    pub fn cancel_quotes(&mut self, nonce: u64, all_below: bool, now: i64) -> Result<()> {
        if all_below {
            self.quote_floor = self.quote_floor.max(nonce);
            return Ok(());
        }
        if nonce < self.quote_floor {
            return Ok(());
        }
        // Remembered until the floor has passed it: how long the quote lives is not known here.
        *self.quote_slot(nonce, now)? = QuoteSlot { nonce, filled: u64::MAX, expires_at: i64::MAX };
        Ok(())
    }

    /// Where a nonce is remembered. The slot must be free: empty, of the same nonce, void, or cancelled by the floor.
    fn quote_slot(&mut self, nonce: u64, now: i64) -> Result<&mut QuoteSlot> {
        let floor = self.quote_floor;
        let index = usize::try_from(nonce % (MAX_QUOTES as u64)).map_err(|_| MargraveError::ValueOutOfRange)?;
        let slot = &mut self.quotes[index];
        let free = slot.expires_at == 0 || slot.nonce == nonce || now > slot.expires_at || slot.nonce < floor;
        require!(free, MargraveError::QuoteSlotTaken);
        Ok(slot)
    }
}
