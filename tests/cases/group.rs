use crate::common::*;
use margrave::{constants::MAX_RECEIVERS, instructions::CreateGroupArgs, state::Group};
use margrave_client::instruction;

fn args(world: &World) -> CreateGroupArgs {
    let mut receivers = [Pubkey::default(); MAX_RECEIVERS];
    receivers[0] = RECEIVER;
    CreateGroupArgs {
        id: 0,
        admin: world.admin.pubkey(),
        receivers,
        maintenance_scan_ppm: 800_000,
        liquidation_buffer_ppm: 150_000,
    }
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
    assert_eq!((group.version, group.admin, group.quote_mint), (1, world.admin.pubkey(), world.usdc_mint));
    assert!(group.accepts_receiver(&RECEIVER));
    assert!(!group.accepts_receiver(&Pubkey::default()), "an unused place accepts nobody");
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
    for bad in [
        CreateGroupArgs { maintenance_scan_ppm: 499_999, ..good.clone() },
        CreateGroupArgs { maintenance_scan_ppm: 1_000_001, ..good.clone() },
        CreateGroupArgs { liquidation_buffer_ppm: 1_000_001, ..good.clone() },
        CreateGroupArgs { receivers: [Pubkey::default(); MAX_RECEIVERS], ..good.clone() },
    ] {
        world.refuses(ParameterOutOfBounds, |world| create(world, bad));
    }
    let nine_decimals = instruction::create_group(world.admin.pubkey(), world.sol_mint, good);
    world.refuses(ParameterOutOfBounds, |world| world.send(&[nine_decimals], &[]));
}
