"""Bad input gets an error that names the field, the rule and its bound."""
import json
import math
import pickle
import subprocess

import numpy
import pytest

import margrave

X = {"symbol": "X", "spot": 100, "expiries": [{"years": 1, "forward": 100, "vol": 0.5}]}
PERP = {"underlying": "X", "kind": "perp", "quantity": 1}


def margin(**fields):
    return margrave.Market([X]).margin(**fields)


@pytest.mark.parametrize("ask, rule", [
    (lambda: margrave.Market([{"symbol": "X"}]), "underlyings[0].spot is missing"),
    (lambda: margrave.Market([{**X, "rnage": 1}]), "underlyings[0].rnage is not known; known are symbol, spot"),
    (lambda: margrave.Market([{**X, "range": 4}]), "underlyings[0].range is not above 0 and at most 3"),
    (lambda: margrave.Market([X, X]), "underlyings[1].symbol: 'X' is there twice"),
    (lambda: margrave.Market([X], {"net_chrage": 1}), "params.net_chrage is not known"),
    (lambda: margrave.Market({"symbol": "X"}), "underlyings is not a list"),
    (lambda: margrave.Market([{**X, "spot": object()}]), "underlyings[0].spot: a object is no number, text, list or mapping"),
    (lambda: margrave.Market([{**X, "spot": True}]), "underlyings[0].spot is neither a decimal in quotes nor a number"),
    (lambda: margrave.Market([{**X, "spot": 11e6}]), "underlyings[0].spot: a price must be positive and at most 10 million dollars"),
    (lambda: margrave.Market([{1: 2}]), "underlyings[0]: the key 1 is not a text"),
    (lambda: margin(mode="crossed"), "mode: 'crossed' is none of portfolio, cross, isolated"),
    (lambda: margin(positions=[{**PERP, "quantity": "much"}]), "positions[0].quantity: 'much' is not a decimal number"),
    (lambda: margin(positions=[PERP, {**PERP, "underlying": "Y"}]), "positions[1].underlying: 'Y' is not among the underlyings"),
    (lambda: margin(positions=[{**PERP, "kind": "call", "expiry": 1, "strike": 1}]), "expiry: '1' is not an index of the 1 expiries of X"),
    (lambda: margin(positions=[PERP] * 65), "a portfolio has more than 64 positions and balances"),
    (lambda: margin(positions=[{**PERP, "quantity": 1e9}]), "a value exceeds 2^50 micro-dollars"),
    (lambda: margin(collateral=[{"amount": 1, "price": -1}]), "collateral[0].price: -1 is negative"),
    (lambda: margin(collateral=[{"amount": 1, "price": 1, "haircut_inital": 1}]), "collateral[0].haircut_inital is not known"),
    (lambda: margin(positions=[{**PERP, "quantity": math.nan}]), "positions[0].quantity: NaN is not a finite number"),
    (lambda: margrave.Market([X]).margins([{}, {"positions": [{"x": 1}]}]), "portfolios[1]: positions[0].x is not known"),
    (lambda: margrave.Market([X]).margins([{}, {"position": []}]), "portfolios[1]: position is not known; known are positions"),
    (lambda: margrave.Market([X]).margins([], threads=0), "threads: 0 is not between 1 and 256"),
    (lambda: margrave.scenarios(0), "range is not above 0 and at most 3"),
    (lambda: margrave.black76("call", 1, 1, 0, 1), "a volatility must be positive and at most 3,200 %"),
    (lambda: margrave.black76("call", numpy.inf, 1, 1, 1), "forward: inf is not a finite number"),
    (lambda: margrave.black76("straddle", 1, 1, 1, 1), "kind: 'straddle' is neither call nor put"),
    (lambda: margrave.black76("put", 1, 1, 1, 9), "a time to expiry must be 0 to 8 years"),
    (lambda: margrave.black76("put", 1, 1, 1, 1, 1.5), "1.5 is not above 0 and at most 1"),
    (lambda: margrave.implied_vol("call", 100, 90, 10, 1), "value: the price is at or below the intrinsic value"),
    (lambda: margrave.implied_vol("call", 100, 90, 101, 1), "or above what any volatility gives"),
    (lambda: margrave.svi(0, 9, 0, 0, 1, 0, 1), "a smile needs b of 0 to 8"),
])
def test_the_rule_and_the_field_are_named(ask, rule):
    with pytest.raises(margrave.RiskError) as raised:
        ask()
    assert rule in str(raised.value)
    assert isinstance(raised.value, ValueError) and not isinstance(raised.value, margrave.ProgramError)


def test_a_refusal_is_worded_as_by_the_native_engine(native):
    for request in ({"underlyings": [{"symbol": "X"}]}, {"underlyings": [X], "positions": [{**PERP, "strike": "x", "kind": "call", "expiry": 0}]},
                    {"underlyings": [{**X, "kappa": 1, "group": "g"}]}):
        line = subprocess.run([native, "margin"], input=json.dumps(request), stdout=subprocess.PIPE, text=True, check=True).stdout
        with pytest.raises(margrave.RiskError) as raised:
            margrave.Market(request["underlyings"]).margin(request.get("positions"))
        assert str(raised.value) == json.loads(line)["error"]


def test_what_refers_to_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(margrave.RiskError, match="nested deeper than 8"):
        margrave.Market(endless)


def test_an_exception_in_ones_own_code_is_ones_own():
    def portfolios():
        yield {}
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        margrave.Market([X]).margins(portfolios())


def test_errors_take_their_portfolios_place():
    answers = margrave.Market([X]).margins([{}, {"mode": 1}, {"positions": [PERP]}, {"positions": [{"x": object()}]}], return_exceptions=True)
    assert [type(each) for each in answers] == [margrave.Margin, margrave.RiskError, margrave.Margin, margrave.RiskError]
    assert "portfolios[3]: positions[0].x: a object" in str(answers[3])


@pytest.mark.parametrize("ask, rule", [
    (lambda accounts, alice, sol: accounts.value("alice", 0), "'alice' is not an address of 32 bytes in base58"),
    (lambda accounts, alice, sol: accounts.value(b"short", 0), "is not an address of 32 bytes in base58"),
    (lambda accounts, alice, sol: accounts.put(alice, bytes(8)), "these 8 bytes are no group, bank, underlying or margin account"),
    (lambda accounts, alice, sol: accounts.preview(alice, 0, trades=[{"underlying": sol, "kind": "perp", "quantity": "1e-10"}]),
     "trades[0]: quantity: 0.0000000001 has more than 9 decimals"),
    (lambda accounts, alice, sol: accounts.preview(alice, 0, trades=[{"underlying": alice, "kind": "perp", "quantity": 1}]),
     "trades[0]: underlying: " ),
    (lambda accounts, alice, sol: accounts.preview(alice, 0, trades=[{"underlying": sol, "kind": "call", "quantity": 1, "expiry": 7, "strike": 1}]),
     "expiry: nothing of it is listed; listed are 1670284800"),
    (lambda accounts, alice, sol: accounts.sheet(alice), "underlying: DJHxDb6tmF18QkNrqevPvqtsNZnMR99uD3VjaeJefAYw is not here"),
    (lambda accounts, alice, sol: accounts.mark(sol, 0, kind="put", expiry=1670284800, strike=31), "strike: nothing of it is listed; listed are 30, 35, 40"),
    (lambda accounts, alice, sol: accounts.suppose(alice, 0, moves=[{"underlying": sol, "vol_change": -1}]), "vol_change: -1 is not above -1"),
    (lambda accounts, alice, sol: accounts.suppose(alice, 0, moves=[{"underlying": sol, "price": 0}]), "price: a price must be positive"),
    (lambda accounts, alice, sol: accounts.suppose(alice, 0, balances=[{"bank": sol, "amount": 1}]), f"balances[0].bank: "),
])
def test_questions_about_accounts_are_checked(world, accounts, ask, rule):
    alice, sol = world["accounts"]["alice"]["address"], world["accounts"]["underlying"]["address"]
    with pytest.raises(margrave.RiskError) as raised:
        ask(accounts, alice, sol)
    assert rule in str(raised.value)


def test_a_refusal_of_the_program_has_its_number_name_and_remedy(world, accounts):
    alice = world["accounts"]["alice"]["address"]
    with pytest.raises(margrave.ProgramError) as raised:
        accounts.value(alice, world["now"] + 3_600)
    error = raised.value
    assert (error.code, error.name) == (6204, "PriceTooOld")
    assert error.sentence in str(error) and error.remedy in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, str(again)) == (error.code, str(error))
    # The view answers with the stale price, and says so.
    assert accounts.explain(alice, world["now"] + 3_600).refusal.code == 6204


def test_bytes_of_every_length_are_refused_or_read(world):
    data = bytes.fromhex(world["accounts"]["alice"]["data"])
    address = world["accounts"]["alice"]["address"]
    for length in [*range(64), len(data) // 2, len(data) - 1]:
        with pytest.raises(margrave.RiskError):
            margrave.Accounts().put(address, data[:length])
    # Bytes that are no account's may be of one's type and length: the question is refused, the process goes on.
    wild = margrave.Accounts({address: data[:200] + b"\xff" * (len(data) - 200)})
    for question in (wild.explain, wild.value, wild.positions, wild.revalued):
        with pytest.raises(margrave.RiskError):
            question(address, world["now"])
