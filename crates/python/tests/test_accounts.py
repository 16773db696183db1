"""Accounts of a portfolio that was traded on the compiled program: Python says what the chain has stored and answered."""
import struct
from decimal import Decimal

import pytest

import margrave
from conftest import VALUED

KINDS = ("perp", "future", "call", "put")
CAMEL = ("equity", "initialMargin", "liquidationEnd", "maintenanceMargin")


@pytest.fixture
def alice(world):
    return world["accounts"]["alice"]["address"]


@pytest.fixture
def carol(world):
    return world["accounts"]["carol"]["address"]


@pytest.fixture
def sol(world):
    return world["accounts"]["underlying"]["address"]


def test_the_last_valuation_on_chain_is_found_again_byte_for_byte(world, accounts, alice):
    stored = accounts.stored(alice)
    assert (stored.valued_at, stored.valued_sequence) == (world["now"], stored.sequence)
    assert accounts.value(alice, world["now"]) == stored[:4]
    assert accounts.revalued(alice, world["now"]) == bytes.fromhex(world["accounts"]["alice"]["data"])
    fields = world["accounts"]["alice"]["fields"]
    assert list(stored[:4]) == [int(fields[name]) for name in CAMEL]


@pytest.mark.parametrize("name", ["alice", "carol", "maker"])
def test_a_valuation_is_the_rust_clients(world, accounts, name):
    address, valued = world["accounts"][name]["address"], world["valued"][name]["fields"]
    assert list(accounts.value(address, world["now"])) == [int(valued[field]) for field in CAMEL]
    again = margrave.Accounts({address: accounts.revalued(address, world["now"])}).stored(address)
    assert list(again.arrays.values()) == [tuple(int(cell) for cell in world["valued"][name]["cells"])]


def change_of(world, view):
    """What a `preview` instruction asks, in the module's words."""
    instruction = world["views"][view]["instruction"]
    data, at = bytes.fromhex(instruction["data"]), 8
    sheet = world["accounts"]["underlying"]["fields"]
    (count,) = struct.unpack_from("<I", data, at)
    at += 4
    trades = []
    for _ in range(count):
        _, kind, expiry, strike, _, quantity, price = struct.unpack_from("<HBBHIqq", data, at)
        at += 26
        trade = {"kind": KINDS[kind], "quantity": Decimal(quantity).scaleb(-9), "price": Decimal(price).scaleb(-10)}
        if kind > 0:
            trade["expiry"] = int(sheet["expiries"][expiry]["time"])
        if kind > 1:
            trade["strike"] = Decimal(sheet["strikes"][strike]["price"][0]).scaleb(-10)
        trades.append(trade)
    (count,) = struct.unpack_from("<I", data, at)
    places = data[at + 4:at + 4 + count]
    at += 4 + count
    remaining = [account["address"] for account in instruction["accounts"][2:]]
    for trade, place in zip(trades, places):
        trade["underlying"] = remaining[place]
    (count,) = struct.unpack_from("<I", data, at)
    balances = [struct.unpack_from("<Bq", data, at + 4 + 9 * each) for each in range(count)]
    return trades, [{"bank": remaining[bank], "amount": Decimal(amount).scaleb(-9)} for bank, amount in balances]


@pytest.mark.parametrize("view", ["previewNothing", "previewLegs", "previewLegsAndBalance"])
def test_a_preview_is_the_chains_return_data(world, accounts, alice, view):
    trades, balances = change_of(world, view)
    numbers = struct.unpack("<4qBB4qBBqQ", bytes.fromhex(world["views"][view]["answer"]))
    preview = accounts.preview(alice, world["now"], trades=trades, balances=balances)
    assert (*preview.before, *preview.after, preview.premium, preview.sequence) == (*numbers[:4], *numbers[6:10], *numbers[12:])
    assert (preview.before == preview.after) == (view == "previewNothing")


def test_an_explanation_is_the_chains_return_data(world, accounts, alice, sol):
    answer = struct.unpack("<4qBBq10q31q4qBQI", bytes.fromhex(world["views"]["explain"]["answer"]))
    explained = accounts.explain(alice, world["now"])
    assert explained[:4] == answer[:4]
    assert explained.worst == (sol, answer[5])
    assert explained.scan == answer[6]
    names = ("basis", "delta", "naked_maintenance", "vega", "size", "naked_initial", "confidence", "collateral", "depeg", "stable")
    assert tuple(getattr(explained.charges, name) for name in names) == answer[7:17]
    assert explained.arrays == {sol: answer[17:48]}
    assert explained.greeks == {sol: answer[48:52]}
    assert (explained.sequence, explained.refusal) == (answer[53], None)
    assert explained.maintenance_health == answer[0] - answer[3] > 0


def test_positions_are_those_that_were_traded(world, accounts, alice, sol):
    positions = accounts.positions(alice, world["now"])
    expiry = int(world["accounts"]["underlying"]["fields"]["expiries"][0]["time"])
    assert [position[:5] for position in positions] == [
        (sol, "perp", None, None, Decimal(-57)),
        (sol, "future", expiry, None, Decimal(40)),
        (sol, "put", expiry, Decimal(30), Decimal(25)),
        (sol, "call", expiry, Decimal(40), Decimal(-53)),
    ]
    for position in positions:
        named = {"kind": position.kind, "expiry": position.expiry, "strike": position.strike}
        assert position.mark == accounts.mark(sol, world["now"], **named)
        if position.strike:
            # Both are within the bound of an option's value, 1e-8 of the forward.
            bound = Decimal("1e-8") * accounts.mark(sol, world["now"]) * abs(position.quantity)
            assert abs(margrave.dollars(position.value) - position.mark * position.quantity) <= bound


def test_what_an_account_needs_is_enough_and_nothing_less_is(world, accounts, alice):
    needed = accounts.needed(alice)
    data = {each["address"]: bytes.fromhex(each["data"]) for each in world["accounts"].values()}
    enough = margrave.Accounts({address: data[address] for address in (alice, *needed)})
    assert enough.value(alice, world["now"]) == accounts.value(alice, world["now"])
    for missing in needed:
        fewer = margrave.Accounts({address: data[address] for address in (alice, *needed) if address != missing})
        with pytest.raises(margrave.ProgramError):
            fewer.value(alice, world["now"])


def test_a_price_that_moves_moves_a_perps_equity_by_its_quantity(world, accounts, carol, sol):
    now = world["now"]
    quantity = accounts.positions(carol, now)[0].quantity
    before, mark = accounts.value(carol, now), accounts.mark(sol, now)
    assert len(accounts.positions(carol, now)) == 1 and quantity == -70
    for change in ("-2.5", "1", "0.25"):
        moved = accounts.suppose(carol, now, moves=[{"underlying": sol, "price": mark + Decimal(change)}])
        gained = moved.value(carol, now).equity - before.equity
        assert abs(gained - quantity * Decimal(change) * 1_000_000) <= 1
        assert moved.mark(sol, now) == mark + Decimal(change)
    # The accounts that were asked about are as they were.
    assert accounts.value(carol, now) == before


def test_a_trade_that_is_supposed_is_previewed_alike(world, accounts, alice, sol):
    trades = [{"underlying": sol, "kind": "perp", "quantity": 12}]
    preview = accounts.preview(alice, world["now"], trades=trades)
    supposed = accounts.suppose(alice, world["now"], trades=trades)
    assert supposed.value(alice, world["now"]) == preview.after != preview.before
    assert supposed.positions(alice, world["now"])[0].quantity == Decimal(-45)


def test_a_sheet_is_what_was_listed_and_makes_a_market(world, accounts, sol):
    sheet, fields = accounts.sheet(sol), world["accounts"]["underlying"]["fields"]
    assert (sheet.symbol, sheet.publish_time) == ("SOL", int(fields["oracle"]["publishTime"]))
    prices = [Decimal(fields["oracle"][name]).scaleb(-10) for name in ("price", "confidence", "stablePrice")]
    assert [sheet.price, sheet.confidence, sheet.stable_price] == prices
    assert abs(sheet.scan_range - Decimal(fields["range"]["range"]) / 2 ** 30) <= Decimal("1e-12")
    (expiry,) = sheet.expiries
    assert expiry.time == int(fields["expiries"][0]["time"])
    assert abs(expiry.years - Decimal(expiry.time - sheet.publish_time) / 31_536_000) < Decimal("1e-11")
    assert [strike.strike for strike in expiry.strikes] == [30, 35, 40]
    assert all(abs(strike.vol - Decimal(fields["strikes"][0]["vol"]) / 2 ** 30) <= Decimal("1e-12") for strike in expiry.strikes)
    # An option marked with these numbers is worth what the chain marks it at.
    for listed in expiry.strikes:
        value = margrave.black76("put", expiry.forward, listed.strike, listed.vol, expiry.years, expiry.discount).value
        mark = accounts.mark(sol, world["now"], kind="put", expiry=expiry.time, strike=listed.strike)
        assert abs(value - mark) <= Decimal("1e-8") * expiry.forward
    market = margrave.Market([{"symbol": sheet.symbol, "spot": sheet.price, "range": sheet.scan_range, "confidence": sheet.confidence}])
    cells = market.margin([{"underlying": "SOL", "kind": "perp", "quantity": -70}]).arrays["SOL"]
    assert cells == accounts.explain(world["accounts"]["carol"]["address"], world["now"]).arrays[sol]


def test_volatility_and_time_count(world, accounts, alice, sol):
    now = world["now"]
    call = {"kind": "call", "expiry": 1670284800, "strike": 40}
    mark = accounts.mark(sol, now, **call)
    up = accounts.suppose(alice, now, moves=[{"underlying": sol, "vol_change": "0.5"}])
    later = accounts.suppose(alice, now, moves=[{"underlying": sol, "seconds": 86_400}])
    assert up.mark(sol, now, **call) > mark > later.mark(sol, now + 86_400, **call)
    # Of the sheet as Rust reads it: the volatility of this strike, half as much again, priced by Black's formula.
    vol = Decimal(world["accounts"]["underlying"]["fields"]["strikes"][2]["vol"]) / 2 ** 30 * Decimal("1.5")
    years = Decimal(1670284800 - now) / 31_536_000
    forward = accounts.mark(sol, now, kind="future", expiry=1670284800)
    expected = margrave.black76("call", forward, 40, round(vol, 9), round(years, 12)).value
    assert abs(up.mark(sol, now, **call) - expected) <= Decimal("1e-8") * forward


def test_many_accounts_in_their_order(world, accounts):
    now = world["now"]
    addresses = [world["accounts"][name]["address"] for name in ("alice", "carol", "maker")] * 50
    expected = [accounts.value(address, now) for address in addresses]
    for threads in (1, 2):
        assert accounts.values(addresses, now, threads=threads) == expected
    nobody = world["accounts"]["usdcBank"]["address"]
    both = accounts.values([nobody, addresses[0]], now, return_exceptions=True)
    assert isinstance(both[0], margrave.ProgramError) and both[1] == expected[0]
    with pytest.raises(margrave.ProgramError):
        accounts.values([addresses[0], nobody], now)


def test_an_address_may_be_text_bytes_or_what_prints_it(world, accounts, alice):
    class Pubkey:
        def __str__(self):
            return alice

    number = 0
    for character in alice:
        number = number * 58 + "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".index(character)
    for address in (Pubkey(), number.to_bytes(32, "big")):
        assert accounts.stored(address) == accounts.stored(alice)


def test_types_of_accounts_are_told(world):
    accounts = margrave.Accounts()
    told = {name: accounts.put(world["accounts"][name]["address"], bytes.fromhex(world["accounts"][name]["data"])) for name in VALUED}
    assert told == {name: world["accounts"][name]["type"] for name in VALUED}
