"""What the tests share: committed vectors, the accounts that the compiled program made, and answers in the form of `margrave eval`."""
import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

import margrave

ROOT = Path(__file__).resolve().parents[3]
VALUED = ("group", "usdcBank", "solBank", "underlying", "alice", "carol", "maker")
LEVELS = ("equity", "initial_margin", "liquidation_end", "maintenance_margin")
NEVER_OFF_CHAIN = ("stable",)


def vectors(kind):
    """Requests of a committed file with what was expected of them by the reference model."""
    return [json.loads(line) for line in (ROOT / "tests/vectors" / f"{kind}.jsonl").read_text().splitlines()]


def market_of(request):
    return margrave.Market(request["underlyings"], request.get("params"))


def portfolio_of(request):
    return {name: request[name] for name in ("positions", "collateral", "mode") if name in request}


def answer(kind, request):
    """The module's answer to a line of `margrave eval`, in its form."""
    fields = {name: value for name, value in request.items() if name not in ("id", "expect")}
    if kind == "price":
        return margrave.black76(**fields)._asdict()
    if kind == "svi":
        return margrave.svi(**fields)._asdict()
    return as_eval(request, market_of(request).margin(**portfolio_of(request)))


def as_eval(request, margin):
    numbers = {name: margrave.dollars(getattr(margin, name)) for name in (*LEVELS, "scan", "expected_shortfall")}
    charges = margin.charges._asdict()
    assert all(charges.pop(name) == 0 for name in NEVER_OFF_CHAIN)
    return {
        **numbers,
        "worst": margin.worst and margin.worst._asdict(),
        "arrays": {symbol: [margrave.dollars(cell) for cell in cells] for symbol, cells in margin.arrays.items()},
        "compressed": {symbol: {"exponent": stored.exponent, "mantissas": list(stored.mantissas)}
                       for symbol, stored in margin.compressed.items()},
        "contingencies": {name: margrave.dollars(charge) for name, charge in charges.items()},
        "greeks": {symbol: greeks._asdict() for symbol, greeks in margin.greeks.items()},
    }


def exact(value):
    """An answer with its decimals as numbers, whatever holds them; names stay."""
    if isinstance(value, dict):
        return {name: exact(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [exact(each) for each in value]
    try:
        return value if isinstance(value, bool) or value is None else Decimal(value)
    except ArithmeticError:
        return value


@pytest.fixture(scope="session")
def native():
    """`margrave-eval`, the same engine without Python."""
    return os.environ["MARGRAVE_EVAL"]


@pytest.fixture(scope="session")
def world():
    """What the compiled program made and answered, beside the numbers that Rust reads in it."""
    return json.loads((ROOT / "app/client/fixtures/world.json").read_text())


@pytest.fixture
def accounts(world):
    of = world["accounts"]
    return margrave.Accounts({of[name]["address"]: bytes.fromhex(of[name]["data"]) for name in VALUED})
