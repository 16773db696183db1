"""The engine in Python against the native one, bit for bit, and against what was not made by it."""
import json
import pickle
from decimal import Decimal
from random import Random

import mpmath
import numpy
import pytest
import QuantLib as ql

import compare
import generate
import margrave
import model
import shared_vectors
from conftest import ROOT, answer, as_eval, exact, market_of, portfolio_of, vectors

SHARED = ROOT.parent / "shared/vectors"


@pytest.mark.parametrize("kind", ["price", "svi", "margin"])
def test_every_committed_vector_is_answered_as_by_the_native_engine(native, kind):
    requests = vectors(kind)
    expected = compare.ask(native, kind, requests)
    assert not [line for line in expected if "error" in line]
    for request, line in zip(requests, expected):
        line.pop("id")
        cells = line.pop("cells", None)
        assert exact(answer(kind, request)) == exact(line), request["id"]
        if cells:
            # The grid is that of the first underlying in the engine's order: of the ungrouped ones if there is one.
            ranges = {underlying.get("range", "0.18") for underlying in request["underlyings"]} or {1}
            assert exact(cells) in [exact([cell._asdict() for cell in margrave.scenarios(each)]) for each in ranges]


@pytest.mark.parametrize("kind, count", [("price", 4_000), ("svi", 500), ("margin", 200)])
def test_random_requests_are_answered_as_by_quantlib_and_the_reference_model(kind, count):
    table = compare.Table()
    for request in generate.KINDS[kind][0](Random(f"python {kind}"), count):
        compare.CHECKS[kind](table, request, json.loads(json.dumps(answer(kind, request), default=str)))
    assert table.report() and sum(table.counts.values()) >= count


@pytest.mark.skipif(not SHARED.is_dir(), reason="there is no ../shared/vectors beside the project")
def test_outside_reference_values_are_met():
    checked = 0
    with mpmath.workdps(model.EXACT_DIGITS):
        for file, rows in shared_vectors.FILES.items():
            for check in rows(file, json.loads((SHARED / f"{file}.json").read_text())):
                asked = check.kind in ("price", "svi", "margin") and check.scope == "both" and check.request.get("vol") != 0.0
                if not asked:
                    continue
                request = check.request if check.kind == "margin" else check.rounded()
                value = check.read(shared_vectors.as_numbers(json.loads(json.dumps(answer(check.kind, request), default=str))))
                assert abs(value - check.expected) <= check.tolerance + check.slack(), (file, check.request)
                checked += 1
    assert checked > 100


def test_implied_volatility_is_quantlibs():
    rng, compared = Random("implied"), 0
    for _ in range(1_000):
        kind = rng.choice(["call", "put"])
        forward, vol, years = rng.uniform(0.5, 90_000), rng.uniform(0.05, 2.5), rng.uniform(0.003, 3.0)
        strike, discount = forward * rng.uniform(0.5, 2.0), rng.uniform(0.9, 1.0)
        sd = vol * years ** 0.5
        value = ql.blackFormula(model.OPTION_TYPES[kind], strike, forward, sd, discount)
        vega = model.price(kind, forward, strike, vol, years, discount)["vega"]
        # Where a value within the engine's bound says nothing of the volatility, there is nothing to compare.
        if vega < 1e-4 * forward:
            continue
        found = float(margrave.implied_vol(kind, forward, strike, value, years, discount))
        theirs = ql.blackFormulaImpliedStdDev(model.OPTION_TYPES[kind], strike, forward, value, discount, 0.0, sd, 1e-12, 1000)
        assert abs(found - theirs / years ** 0.5) * vega <= 2 * compare.PRICE_OF_FORWARD * forward
        compared += 1
    assert compared > 700


def test_a_hand_calculated_portfolio():
    # A perp long 2 at 100 marked at 110: equity 1,000 + 20, and 220 dollars times the move in the 21 cells within the range.
    market = margrave.Market([{"symbol": "X", "spot": 110, "range": "0.2"}])
    margin = market.margin([{"underlying": "X", "kind": "perp", "quantity": 2, "entry": 100}],
                           [{"asset": "USDC", "amount": 1_000, "price": 1}])
    assert margin.equity == 1_020_000_000
    cells = list(zip(margrave.scenarios("0.2"), margin.arrays["X"]))
    assert (cells[0][0].move, cells[20][0].move) == (Decimal("-0.2"), Decimal("0.2"))
    for cell, profit in cells[:21]:
        assert abs(profit - 220_000_000 * cell.move) <= 1
    assert margin.worst == margrave.results.WorstCell("X", margin.arrays["X"].index(min(margin.arrays["X"])))
    assert margin.initial_health == margin.equity - margin.initial_margin


def test_numbers_may_be_written_in_every_way():
    def margin(quantity, spot):
        market = margrave.Market([{"symbol": "X", "spot": spot, "expiries": ({"years": "0.5", "forward": spot, "vol": 0.5},)}])
        return market.margin(({"underlying": "X", "kind": "call", "expiry": 0, "strike": spot, "quantity": quantity},))

    written = [("0.1", "250"), (Decimal("0.1"), Decimal("2.5E+2")), (0.1, 250), (numpy.float64(0.1), numpy.int64(250)),
               ("0.1", 250.0), (0.1, numpy.float32(250.0))]
    assert len({str(margin(*each)) for each in written}) == 1
    assert margin("0.2", "250") != margin("0.1", "250")


def test_arrays_of_numbers_are_lists():
    weights = numpy.full(31, 0.0)
    weights[10] = 1.0
    market = margrave.Market([{"symbol": "X", "spot": 1}], {"cell_weights": weights})
    assert market.margin([{"underlying": "X", "kind": "perp", "quantity": 1}]).expected_shortfall == 0


def test_many_at_once_are_the_same_as_one_by_one():
    request = max(vectors("margin"), key=lambda request: len(request["positions"]))
    market, portfolio = market_of(request), portfolio_of(request)
    portfolios = [{**portfolio, "positions": portfolio["positions"][:count]} for count in range(len(portfolio["positions"]))] * 30
    expected = [market.margin(**each) for each in portfolios]
    assert len(set(map(str, expected))) > 10
    for threads in (1, 2, 3):
        assert market.margins(portfolios, threads=threads) == expected
    assert market.margins(iter(portfolios)) == expected
    assert market.margins([]) == []


def test_answers_pickle_and_make_columns():
    request = vectors("margin")[5]
    margin = market_of(request).margin(**portfolio_of(request))
    assert pickle.loads(pickle.dumps(margin)) == margin
    assert as_eval(request, margin)["equity"] * 1_000_000 == margin.equity
    columns = numpy.array([margin[:6], margin[:6]], dtype=numpy.int64)
    assert columns[1].tolist() == list(margin[:6])
    assert margrave.dollars(columns[1][0]) == margrave.dollars(margin.equity) == Decimal(margin.equity) / 1_000_000
    with pytest.raises(TypeError):
        margrave.dollars(0.5)
