//! Token accounts and mints as far as this program reads them. Told from anything else by the tests that the token programs' own
//! unpacking makes, at a tenth of its compute units: nothing but what is needed is copied.

use anchor_lang::prelude::*;

/// A token account.
#[derive(Clone, Copy, Debug)]
pub struct TokenAccount {
    pub mint: Pubkey,
    /// Atoms.
    pub amount: u64,
}

/// A mint.
#[derive(Clone, Copy, Debug)]
pub struct Mint {
    pub decimals: u8,
}

/// Length of a token account without extensions; a mint with extensions is padded to it.
const ACCOUNT_LEN: usize = 165;
const MINT_LEN: usize = 82;
const MULTISIG_LEN: usize = 355;
/// What the byte after a padded base says it is.
const TYPE_MINT: u8 = 1;
const TYPE_ACCOUNT: u8 = 2;

static PROGRAMS: [Pubkey; 2] = [anchor_spl::token::ID, anchor_spl::token_2022::ID];

/// Four bytes that say whether an optional field is there.
fn is_tag(tag: &[u8]) -> bool {
    matches!(tag, [0 | 1, 0, 0, 0])
}

impl AccountDeserialize for TokenAccount {
    fn try_deserialize_unchecked(data: &mut &[u8]) -> Result<Self> {
        let (Some((base, rest)), true) = (data.split_first_chunk::<ACCOUNT_LEN>(), data.len() != MULTISIG_LEN) else {
            return Err(ProgramError::InvalidAccountData.into());
        };
        let state = base[108];
        if state > 2 || !is_tag(&base[72..76]) || !is_tag(&base[109..113]) || !is_tag(&base[129..133]) {
            return Err(ProgramError::InvalidAccountData.into());
        }
        if state == 0 {
            return Err(ProgramError::UninitializedAccount.into());
        }
        if rest.first().is_some_and(|kind| *kind != TYPE_ACCOUNT) {
            return Err(ProgramError::InvalidAccountData.into());
        }
        let (mut mint, mut amount) = ([0; 32], [0; 8]);
        mint.copy_from_slice(&base[..32]);
        amount.copy_from_slice(&base[64..72]);
        Ok(Self { mint: Pubkey::new_from_array(mint), amount: u64::from_le_bytes(amount) })
    }
}

impl AccountDeserialize for Mint {
    fn try_deserialize_unchecked(data: &mut &[u8]) -> Result<Self> {
        let (Some((base, rest)), true) = (data.split_first_chunk::<MINT_LEN>(), data.len() != MULTISIG_LEN) else {
            return Err(ProgramError::InvalidAccountData.into());
        };
        let initialized = base[45];
        if initialized > 1 || !is_tag(&base[..4]) || !is_tag(&base[46..50]) {
            return Err(ProgramError::InvalidAccountData.into());
        }
        if initialized == 0 {
            return Err(ProgramError::UninitializedAccount.into());
        }
        let (padding, after) = rest.split_at(rest.len().min(ACCOUNT_LEN - MINT_LEN));
        let is_mint = after.first() == Some(&TYPE_MINT) && padding.iter().all(|byte| *byte == 0);
        if !rest.is_empty() && !is_mint {
            return Err(ProgramError::InvalidAccountData.into());
        }
        Ok(Self { decimals: base[44] })
    }
}

macro_rules! of_token_programs {
    ($($type:ident)+) => { $(
        // Nothing is written: only the token programs do.
        impl AccountSerialize for $type {}

        impl Owners for $type {
            fn owners() -> &'static [Pubkey] {
                &PROGRAMS
            }
        }

        #[cfg(feature = "idl-build")]
        impl anchor_lang::IdlBuild for $type {}

        // Wanted by the IDL's build and not part of the IDL.
        #[cfg(feature = "idl-build")]
        impl Discriminator for $type {
            const DISCRIMINATOR: &'static [u8] = &[];
        }
    )+ };
}

of_token_programs!(TokenAccount Mint);

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_spl::token_interface;

    /// Both views of the same bytes say the same, and refuse for the same reason.
    fn same(data: &[u8]) -> (bool, bool) {
        let reason = |error: Error| match error {
            Error::ProgramError(error) => error.program_error,
            Error::AnchorError(error) => panic!("{error}"),
        };
        let theirs = token_interface::TokenAccount::try_deserialize_unchecked(&mut &*data);
        let ours = TokenAccount::try_deserialize_unchecked(&mut &*data);
        let theirs = theirs.map(|account| (account.mint, account.amount)).map_err(reason);
        let ours = ours.map(|account| (account.mint, account.amount)).map_err(reason);
        assert_eq!(ours, theirs, "{} bytes", data.len());
        let is_account = ours.is_ok();
        let theirs = token_interface::Mint::try_deserialize_unchecked(&mut &*data).map(|mint| mint.decimals);
        let ours = Mint::try_deserialize_unchecked(&mut &*data).map(|mint| mint.decimals);
        let (ours, theirs) = (ours.map_err(reason), theirs.map_err(reason));
        assert_eq!(ours, theirs, "{} bytes", data.len());
        (is_account, ours.is_ok())
    }

    #[test]
    fn the_token_programs_view_is_ours() {
        let (mut account, mut mint) = (vec![0; ACCOUNT_LEN], vec![0; MINT_LEN]);
        (account[0], account[64], account[71], account[108]) = (7, 1, 2, 1);
        (mint[44], mint[45]) = (9, 1);
        let mut long = mint.clone();
        long.resize(ACCOUNT_LEN + 40, 0);
        long[ACCOUNT_LEN] = TYPE_MINT;
        assert_eq!((same(&account), same(&mint), same(&long)), ((true, false), (false, true), (false, true)));
        let (mut accounts, mut mints) = (0, 0);
        for base in [&account, &mint, &long] {
            for length in [0, 1, 81, 82, 83, 164, 165, 166, 167, 205, 354, 355, 356] {
                for kind in [0, TYPE_MINT, TYPE_ACCOUNT, 3] {
                    let mut data = base.clone();
                    data.resize(length, 0);
                    if let Some(byte) = data.get_mut(ACCOUNT_LEN) {
                        *byte = kind;
                    }
                    for place in 0..length.min(170) {
                        for value in [0, 1, 2, 3, 255] {
                            let before = core::mem::replace(&mut data[place], value);
                            let (is_account, is_mint) = same(&data);
                            (accounts, mints) = (accounts + u32::from(is_account), mints + u32::from(is_mint));
                            data[place] = before;
                        }
                    }
                }
            }
        }
        assert!(accounts > 1_000 && mints > 1_000, "{accounts} {mints}");
    }
}
