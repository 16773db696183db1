use crate::common::*;
use margrave::{
    constants::MAX_RECEIVERS,
    instructions::CreateGroupArgs,
    state::{Group, GroupTerms, OptionParameters, OutflowLimit, Roles},
};
use margrave_client::instruction;

fn args(world: &World) -> CreateGroupArgs {
    terms::group_args(0, world.roles())
}

fn create(world: &mut World, args: CreateGroupArgs) -> Result<Receipt, Refusal> {
    let create = instruction::create_group(world.admin.pubkey(), world.usdc_mint, args);
    world.send(&[create], &[])
}

#[test]
fn the_upgrade_authority_creates_a_group() {
    let mut world = World::empty(World::START).unwrap();
    let args = args(&world);
    create(&mut world, args).unwrap();
    let group: Group = world.load(&pda::group(0));
    assert_eq!((group.version, group.roles, group.quote_mint), (1, world.roles(), world.usdc_mint));
    assert_eq!((group.launched, group.paused_now(0), group.quote_bank), (0, 0, Pubkey::default()));
    assert!(group.accepts_receiver(&RECEIVER));
    assert!(!group.accepts_receiver(&Pubkey::default()), "an unused place accepts nobody");
    let limit: OutflowLimit = world.load(&pda::outflow_limit(&pda::group(0)));
    assert_eq!((limit.version, limit.group, limit.window.net), (1, pda::group(0), 0));
}

/// P-10: whoever sees the deployment first must not be the one to set it up.
#[test]
fn nobody_else_creates_a_group() {
    let mut world = World::empty(World::START).unwrap();
    let args = args(&world);
    for authority in [Some(Pubkey::new_unique()), None] {
        world.set_upgrade_authority(authority);
        world.refuses(SignerIsNotUpgradeAuthority, |world| create(world, args.clone()));
    }
}

/// P-10: an account is initialised once.
#[test]
fn a_group_is_created_once() {
    let mut world = World::empty(World::START).unwrap();
    let args = args(&world);
    create(&mut world, args.clone()).unwrap();
    let before = world.snapshot();
    assert!(create(&mut world, args).is_err());
    assert!(before == world.snapshot());
}

#[test]
fn parameters_out_of_bounds_are_refused() {
    let mut world = World::empty(World::START).unwrap();
    let good = args(&world);
    let nobody = Pubkey::default();
    let bad_terms = [
        GroupTerms { maintenance_scan_ppm: 499_999, ..good.terms },
        GroupTerms { maintenance_scan_ppm: 1_000_001, ..good.terms },
        GroupTerms { liquidation_buffer_ppm: 1_000_001, ..good.terms },
        GroupTerms { timelock_secs: 3_599, ..good.terms },
        GroupTerms { timelock_secs: 30 * 86_400 + 1, ..good.terms },
        GroupTerms { peg_threshold_ppm: 1_000_001, ..good.terms },
        GroupTerms { peg_factor_ppm: 8_000_000, ..good.terms },
        GroupTerms { liquidation_start_ppm: 1_000_001, ..good.terms },
        GroupTerms { liquidation_insurance_ppm: 1_000_001, ..good.terms },
        GroupTerms { auction_start_ppm: 1_000_001, ..good.terms },
        GroupTerms { auction_cut_ppm: good.terms.auction_start_ppm + 1, ..good.terms },
        GroupTerms { liquidation_ramp_secs: 0, ..good.terms },
        GroupTerms { auction_fast_secs: 0, ..good.terms },
        GroupTerms { auction_slow_secs: 86_401, ..good.terms },
        GroupTerms { deleverage_notice_secs: 9, ..good.terms },
        GroupTerms { loss_notice_secs: 86_401, ..good.terms },
    ];
    let bad_roles = [
        Roles { admin: nobody, ..good.roles },
        Roles { manager: nobody, ..good.roles },
        Roles { operator: nobody, ..good.roles },
        Roles { guardian: nobody, ..good.roles },
    ];
    let bad_options = [
        // A long option would lose less in the cells than it is worth, a short one cost less than its value.
        OptionParameters { long_factor_ppm: 1_000_001, ..good.options },
        OptionParameters { short_factor_ppm: 999_999, ..good.options },
    ];
    let with_terms = bad_terms.map(|terms| CreateGroupArgs { terms, ..good.clone() });
    let with_roles = bad_roles.map(|roles| CreateGroupArgs { roles, ..good.clone() });
    let with_options = bad_options.map(|options| CreateGroupArgs { options, ..good.clone() });
    let without_receiver = CreateGroupArgs { receivers: [nobody; MAX_RECEIVERS], ..good.clone() };
    for bad in with_terms.into_iter().chain(with_roles).chain(with_options).chain([without_receiver]) {
        world.refuses(ParameterOutOfBounds, |world| create(world, bad));
    }
    let nine_decimals = instruction::create_group(world.admin.pubkey(), world.sol_mint, good.clone());
    world.refuses(ParameterOutOfBounds, |world| world.send(&[nine_decimals], &[]));
    create(&mut world, good).unwrap();
}
