"""Writes tests/vectors/{price,math,svi,margin}.jsonl: seeded random requests of `margrave eval`, each with what to expect.

    python generate.py [--out DIR]

A rerun writes the same bytes. Prices, functions and smiles are mpmath's at 50 digits, and every price is asserted to agree
with QuantLib's; portfolios are model.py's, and each is asserted to obey the model's laws first. Every number in a request is
a short decimal, so that all implementations read the same inputs.
"""
import argparse
import copy
import json
import math
from pathlib import Path
from random import Random

import mpmath

import model

SEED = 20261121
COUNTS = dict(price=2000, math=1500, svi=300, margin=400)
HOUR = 1.0 / 8760.0
QUANTITY_DIGITS, PRICE_DIGITS, RATIO_DIGITS = 9, 10, 9
TINY = mpmath.mpf("1e-40")
PRICE_AGREEMENT = 1e-12


# Drawing and printing

def decimal(x, digits):
    """A float as a plain decimal string of at most so many fractional digits."""
    text = f"{x:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def ratio(x):
    return decimal(x, RATIO_DIGITS)


def usd_price(x):
    return decimal(x, PRICE_DIGITS)


def amount(x):
    return decimal(x, QUANTITY_DIGITS)


def exact(x, digits=17):
    """An mpmath number as a plain decimal string; what is below 1e-40 as zero."""
    return "0" if abs(x) < TINY else mpmath.nstr(x, digits, min_fixed=-mpmath.inf, max_fixed=mpmath.inf)


def log_uniform(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def chance(rng, probability):
    return rng.random() < probability


# Option prices

def price_request(kind, forward, moneyness, vol, years, discount):
    forward = usd_price(forward)
    return dict(kind=kind, forward=forward, strike=usd_price(float(forward) * moneyness), vol=ratio(vol), years=ratio(years),
                discount=ratio(discount))


def price_requests(rng, count):
    """Corners of the ranges first (as many as there are places), then random ones."""
    ranges = [("call", "put"), (0.2, 1.0, 5.0), (0.05, 5.0), (HOUR, 3.0), (0.7, 1.0)]
    corners = [[]]
    for values in ranges:
        corners = [corner + [value] for corner in corners for value in values]
    requests = [price_request(kind, 10.0 ** (i % 11 - 4), *rest) for i, (kind, *rest) in enumerate(corners)]
    while len(requests) < count:
        discount = 1.0 if chance(rng, 0.1) else rng.uniform(0.7, 1.0)
        requests.append(price_request(rng.choice(("call", "put")), log_uniform(rng, 1e-4, 1e6), log_uniform(rng, 0.2, 5.0),
                                      log_uniform(rng, 0.05, 5.0), log_uniform(rng, HOUR, 3.0), discount))
    return [dict(id=f"price-{i}", **request) for i, request in enumerate(requests[:count])]


def price_inputs(request):
    return [request[name] for name in ("kind", "forward", "strike", "vol", "years", "discount")]


def greek_scales(request):
    """Largest sizes the greeks of such an option can have; what their tolerances are measured in."""
    f, v, t, d = (float(request[name]) for name in ("forward", "vol", "years", "discount"))
    peak, root, rate = 1.0 / math.sqrt(2.0 * math.pi), math.sqrt(t), -math.log(d) / t
    return dict(value=f, delta=1.0, gamma=d * peak / (f * v * root), vega=d * f * root * peak,
                theta=d * f * peak * v / (2.0 * root) + abs(rate) * f)


def price_answer(request):
    """50-digit value and greeks; asserts that QuantLib agrees."""
    kind, *numbers = price_inputs(request)
    answer, other = model.price_exact(kind, *numbers), model.price(kind, *map(float, numbers))
    for name, scale in greek_scales(request).items():
        # Greeks feel the rounding of ln(F/K)/sd, which is 1e-16/sd: at worst 1e-12.
        limit = PRICE_AGREEMENT if name == "value" else 5.0 * PRICE_AGREEMENT
        assert abs(float(answer[name]) - other[name]) <= limit * scale, (name, request)
    return {name: exact(x) for name, x in answer.items()}


# Elementary functions

MATH_RANGES = dict(norm_cdf=(-9.0, 9.0), norm_pdf=(-9.0, 9.0), ln=(1e-9, 1e9), exp=(-20.0, 20.0), sqrt=(1e-9, 1e12),
                   pow=(1e-3, 1e3))
MATH_CORNERS = dict(
    norm_cdf=("-9", "-8", "-1", "-0.000000001", "0", "0.000000001", "1", "8", "9"), norm_pdf=("-9", "-1", "0", "1", "9"),
    ln=("0.000000001", "0.5", "0.999999999", "1", "1.000000001", "2", "1000000000"),
    exp=("-20", "-1", "-0.000000001", "0", "0.000000001", "1", "20"),
    sqrt=("0.000000001", "0.25", "0.999999999", "1", "1.000000001", "2", "1000000000000"))
POW_CORNERS = [(x, y) for x in ("0.001", "0.5", "1", "2", "1000") for y in ("-3", "-1", "-0.13", "0", "0.3", "1", "3")]


def math_requests(rng, count):
    requests = [dict(fn=fn, x=x) for fn, corners in MATH_CORNERS.items() for x in corners]
    requests += [dict(fn="pow", x=x, y=y) for x, y in POW_CORNERS]
    while len(requests) < count:
        fn = list(MATH_RANGES)[len(requests) % len(MATH_RANGES)]
        low, high = MATH_RANGES[fn]
        x = log_uniform(rng, low, high) if low > 0.0 else rng.uniform(low, high)
        requests.append(dict(fn=fn, x=decimal(max(x, 1e-9) if low > 0.0 else x, 9)))
        if fn == "pow":
            requests[-1]["y"] = decimal(rng.uniform(-3.0, 3.0), 9)
    return [dict(id=f"math-{i}", **request) for i, request in enumerate(requests[:count])]


def math_answer(request):
    return dict(value=exact(model.evaluate_math(request["fn"], request["x"], request.get("y")), 30))


# Smiles

def svi_slice(rng, years):
    """A random slice that a setter accepts, as decimal strings."""
    while True:
        variance = rng.uniform(0.25, 1.5) ** 2 * years
        width = log_uniform(rng, 0.05, 1.0)
        rho, m, b = rng.uniform(-0.8, 0.6), rng.uniform(-0.3, 0.3) * width, variance * rng.uniform(0.1, 1.5) / width
        a = variance - b * (-rho * m + math.hypot(m, width))
        smile = dict(a=ratio(a), b=ratio(b), rho=ratio(rho), m=ratio(m), sigma=ratio(width))
        if model.svi_accepted(**{name: float(x) for name, x in smile.items()}):
            return smile


def svi_requests(rng, count):
    requests = []
    for i in range(count):
        years = ratio(log_uniform(rng, 0.003, 3.0))
        k = ("0", "-4", "4", "-4.5", "4.5")[i] if i < 5 else ratio(rng.uniform(-4.5, 4.5))
        requests.append(dict(id=f"svi-{i}", **svi_slice(rng, float(years)), k=k, years=years))
    return requests


def svi_answer(request):
    with mpmath.workdps(model.EXACT_DIGITS):
        numbers = {name: mpmath.mpf(x) for name, x in request.items() if name != "id"}
        return dict(vol=exact(model.svi(**numbers, sqrt=mpmath.sqrt), 30))


# Portfolios

SHAPES = ("empty", "perps", "futures", "long_options", "short_options", "calendar", "spread", "chain", "tails", "near_expiry",
          "long_dated", "basis", "own_asset", "mixed", "mixed", "mixed")
SHAPE_YEARS = dict(near_expiry=(1e-6, 1.1 * model.SETTLEMENT_WINDOW), long_dated=(31 * model.DAY, 2.5))
WEIGHT_UNITS = 10 ** RATIO_DIGITS


def cell_weights(rng):
    """31 positive fractions that sum to one exactly: Student's t over the core nodes times a quarter, a half and a quarter for
    the volatility; edges, tails and skew small."""
    width = rng.uniform(0.3, 0.8)
    nodes = [(1.0 + (node / width) ** 2 / 3.0) ** -2 for node in model.CORE_NODES]
    raw = [node * part for node in nodes for part in (0.25, 0.5, 0.25)]
    raw += [rng.uniform(0.001, 0.02) for _ in range(model.CELL_COUNT - len(raw))]
    units = [max(1, int(x / sum(raw) * WEIGHT_UNITS)) for x in raw]
    units[model.UNMOVED] += WEIGHT_UNITS - sum(units)
    return [ratio(x / WEIGHT_UNITS) for x in units]


def parameter_overrides(rng):
    """Some parameters changed, within bounds that keep MM <= IM and merging harmless."""
    ranges = dict(
        maintenance_scan=(0.5, 1.0), liquidation_buffer=(0.0, 1.0), net_charge=(0.01, 0.2), hedged_charge=(0.0, 0.02),
        naked_maintenance=(0.0, 0.01), naked_initial=(0.0, 0.01), basis_base=(0.0, 1.0), basis_per_year=(0.0, 4.0),
        vega_charge=(0.0, 0.3), size_slope=(0.01, 0.2), size_cap=(0.02, 0.3), profit_haircut_maintenance=(0.0, 0.1),
        profit_haircut_initial=(0.1, 0.5), vol_up=(0.1, 1.0), vol_down=(0.1, 0.45), vol_power_short=(0.1, 0.5),
        vol_power_long=(0.05, 0.3), vol_floor=(0.0, 1.0), skew_cap=(0.05, 0.5), skew_cap_slope=(0.0, 0.3),
        skew_width=(1.0, 4.0), skew_min_width=(0.005, 0.05), long_factor=(0.8, 1.0), short_factor=(1.0, 1.2),
        depeg_threshold=(0.95, 1.0), depeg_factor=(0.0, 10.0))
    return {name: decimal(rng.uniform(*ranges[name]), 6) for name in rng.sample(sorted(ranges), rng.randrange(1, 6))}


def expiry_terms(rng, spot, years):
    forward = spot * (1.0 + rng.uniform(-0.02, 0.15) * min(1.0, years) + rng.uniform(-0.002, 0.002))
    terms = dict(years=ratio(years), forward=usd_price(forward))
    if chance(rng, 0.6):
        terms["discount"] = ratio(math.exp(-rng.uniform(0.0, 0.1) * years))
    if years >= 0.003 and chance(rng, 0.5):
        terms["svi"] = svi_slice(rng, float(terms["years"]))
    else:
        terms["vol"] = ratio(log_uniform(rng, 0.15, 2.5))
    return terms


def underlying_terms(rng, symbol, shape, notional):
    """One underlying with up to four expiries; depth and profit cap near the portfolio's size."""
    spot = log_uniform(rng, 0.1, 1e5)
    draw = rng.random()
    scan_range = 0.18 if draw < 0.3 else 0.75 if draw < 0.35 else rng.uniform(0.01, 0.7)
    terms = dict(symbol=symbol, spot=decimal(spot, rng.choice((2, 4, 8, 10))), range=decimal(scan_range, 6))
    spot = float(terms["spot"])
    optional = dict(
        confidence=(0.6, lambda: usd_price(spot * rng.uniform(0.0, 0.02))),
        depth=(0.3, lambda: decimal(notional * rng.uniform(0.05, 2.0) + 0.5, 2)),
        profit_cap=(0.3, lambda: decimal(notional * rng.uniform(0.0, 0.2), 2)),
        ramp=(0.3, lambda: decimal(rng.uniform(0.4, 1.0), 6)))
    terms |= {name: value() for name, (probability, value) in optional.items() if chance(rng, probability)}
    low, high = SHAPE_YEARS.get(shape, (HOUR, 2.0))
    years = sorted(log_uniform(rng, low, high) for _ in range(rng.randrange(2, 5)))
    if shape == "mixed" and chance(rng, 0.2):
        years[0] = log_uniform(rng, *SHAPE_YEARS["near_expiry"])
    if shape == "near_expiry" and chance(rng, 0.2):
        years[0] = 0.0
    terms["expiries"] = [expiry_terms(rng, spot, x) for x in years]
    return terms


class PositionWriter:
    """Collects positions of random sizes on one underlying, one per instrument."""

    def __init__(self, rng, terms, notional, positions):
        self.rng, self.terms, self.notional, self.positions, self.seen = rng, terms, notional, positions, set()

    def add(self, kind, sign, expiry=None, strike=None, share=None):
        """A position of about `share` of the notional, long for sign > 0; nothing if the instrument is already held."""
        if (kind, expiry, strike) in self.seen:
            return
        self.seen.add((kind, expiry, strike))
        forward = float(self.terms["spot"] if expiry is None else self.terms["expiries"][expiry]["forward"])
        share = self.rng.uniform(0.05, 0.5) if share is None else share
        quantity = max(1e-9, share * self.notional / max(forward, float(strike or 0)))
        position = dict(underlying=self.terms["symbol"], kind=kind, quantity=amount(math.copysign(quantity, sign)))
        if expiry is not None:
            position["expiry"] = expiry
        if strike is not None:
            position["strike"] = strike
        elif chance(self.rng, 0.7):
            position["entry"] = usd_price(forward * math.exp(self.rng.uniform(-0.3, 0.3)))
        self.positions.append(position)

    def side(self):
        return self.rng.choice((-1, 1))

    def expiry(self):
        return self.rng.randrange(len(self.terms["expiries"]))

    def strike(self, expiry, spread=2.5):
        """Three significant digits, at most `spread` times away from the forward (exactly at it now and then)."""
        forward = self.terms["expiries"][expiry]["forward"]
        if float(self.terms["expiries"][expiry]["years"]) > 0.0 and chance(self.rng, 0.05):
            return forward
        strike = float(forward) * log_uniform(self.rng, 1.0 / spread, spread)
        return decimal(float(f"{strike:.3g}"), PRICE_DIGITS)

    def option(self, sign=None, expiry=None, spread=2.5):
        expiry = self.expiry() if expiry is None else expiry
        self.add(self.rng.choice(("call", "put")), sign or self.side(), expiry, self.strike(expiry, spread))

    def write(self, shape):
        rng, expiry = self.rng, self.expiry()
        if shape == "perps":
            self.add("perp", self.side())
        elif shape == "futures":
            for index in range(len(self.terms["expiries"])):
                self.add("future", self.side(), index)
        elif shape in ("long_options", "short_options"):
            for _ in range(rng.randrange(1, 5)):
                self.option(1 if shape == "long_options" else -1)
        elif shape == "calendar":
            kind, strike, side = rng.choice(("call", "put", "future")), self.strike(expiry, 1.5), self.side()
            for index, sign in ((0, side), (1, -side)):
                self.add(kind, sign, index, None if kind == "future" else strike, 0.3)
        elif shape == "spread":
            kind, side = rng.choice(("call", "put")), self.side()
            self.add(kind, side, expiry, self.strike(expiry, 1.5), 0.3)
            self.add(kind, -side, expiry, self.strike(expiry, 1.5), 0.3)
        elif shape == "chain":
            for strike in {self.strike(expiry, 1.6): None for _ in range(rng.randrange(2, 4))}:
                self.add("call", self.side(), expiry, strike)
                self.add("put", self.side(), expiry, strike)
            if chance(rng, 0.5):
                self.add("future", self.side(), expiry)
        elif shape == "tails":
            spread = 2.5 if float(self.terms["range"]) > 0.7 else 5.0
            for _ in range(rng.randrange(2, 6)):
                self.option(expiry=rng.choice((0, expiry)), spread=spread)
        elif shape == "basis":
            self.add("perp", self.side(), share=0.4)
            self.add("future", -1 if float(self.positions[-1]["quantity"]) > 0 else 1, expiry, share=0.4)
        elif shape == "own_asset":
            self.add("perp", -1, share=0.4)
            self.add("call", -1, expiry, self.strike(expiry))
        elif shape in ("near_expiry", "long_dated", "mixed"):
            for _ in range(rng.randrange(2, 7)):
                self.option(spread=1.1 if shape == "near_expiry" and chance(rng, 0.7) else 2.5)
            if chance(rng, 0.6):
                self.add("future", self.side(), expiry)
            if chance(rng, 0.6):
                self.add("perp", self.side())


def collateral_items(rng, underlyings, notional, isolated, own_asset):
    """Cash (sometimes owed) and, by chance, own assets and another token; an isolated account has no other token."""
    items = []
    if chance(rng, 0.9):
        cash = notional * rng.uniform(-0.5 if chance(rng, 0.3) else 0.0, 1.0)
        items.append(dict(asset="USDC", amount=amount(cash), price="1"))
    for terms in underlyings:
        if not (own_asset or chance(rng, 0.25)):
            continue
        sign = -1.0 if chance(rng, 0.2) and not own_asset else 1.0
        quantity = notional * rng.uniform(0.05, 0.5) / float(terms["spot"])
        items.append(dict(asset=terms["symbol"], underlying=terms["symbol"], amount=amount(sign * quantity), price=terms["spot"]))
    if not isolated and chance(rng, 0.4):
        token_price = usd_price(log_uniform(rng, 0.1, 1e4))
        quantity = notional * rng.uniform(-0.2 if chance(rng, 0.3) else 0.0, 0.5) / float(token_price)
        items.append(dict(asset="OTHER", amount=amount(quantity), price=token_price))
    for item in items:
        if item["asset"] != "USDC":
            maintenance = rng.uniform(0.0, 0.2)
            item["haircut_maintenance"] = decimal(maintenance, 6)
            item["haircut_initial"] = decimal(maintenance + rng.uniform(0.0, 0.2), 6)
    return items


def assign_groups(rng, underlyings):
    """Some alone, the others in one of two groups whose members mostly share a kappa."""
    kappas = {group: rng.choice((0.0, 0.8, rng.uniform(0.0, 0.8))) for group in ("majors", 2)}
    for terms in underlyings:
        if chance(rng, 0.75):
            terms["group"] = rng.choice(list(kappas))
        kappa = kappas.get(terms.get("group"), 0.5)
        terms["kappa"] = decimal(rng.uniform(0.0, 0.8) if chance(rng, 0.2) else kappa, 6)


def margin_request(rng, shape, mode):
    """One portfolio whose gross notional is between about a dollar and a hundred million."""
    notional = log_uniform(rng, 2.0, 5e7)
    several = mode != "isolated" and (shape == "mixed" or chance(rng, 0.4))
    count = rng.randrange(2, 5) if several else 1
    share = notional / count
    underlyings = [underlying_terms(rng, f"U{i}", shape, share) for i in range(count)]
    assign_groups(rng, underlyings)
    positions = []
    for terms in underlyings:
        PositionWriter(rng, terms, share, positions).write(shape)
        if shape == "perps" and chance(rng, 0.5):
            terms["expiries"] = []
    params = parameter_overrides(rng) if chance(rng, 0.3) else {}
    if chance(rng, 0.2):
        params["quote_price"] = decimal(rng.uniform(0.9, 1.0), 6)
    params["cell_weights"] = cell_weights(rng)
    collateral = collateral_items(rng, underlyings, share, mode == "isolated", shape == "own_asset")
    if shape == "empty" and (mode == "isolated" or chance(rng, 0.3)):
        underlyings = collateral = []
    elif chance(rng, 0.1):
        # Nothing is held on it, so it must change nothing.
        underlyings.append(underlying_terms(rng, "UNUSED", shape, share))
    return dict(mode=mode, params=params, underlyings=underlyings, positions=positions, collateral=collateral)


def margin_requests(rng, count):
    """Shapes and modes in turn, so that every pair of them comes up."""
    modes = ("portfolio", "cross", "portfolio", "isolated", "portfolio")
    return [dict(id=f"margin-{i}", **margin_request(rng, SHAPES[i % len(SHAPES)], modes[i % len(modes)])) for i in range(count)]


KEPT = ("equity", "initial_margin", "liquidation_end", "maintenance_margin", "scan", "worst", "contingencies", "arrays",
        "expected_shortfall", "gross")


def plain(value):
    """Floats to decimal strings of a tenth of a micro-dollar, in whatever holds them."""
    if isinstance(value, dict):
        return {name: plain(x) for name, x in value.items()}
    if isinstance(value, list):
        return [plain(x) for x in value]
    return decimal(value, 7) if isinstance(value, float) else value


def margin_answer(request):
    answer = model.margin(request)
    check_laws(request, answer)
    return {name: plain(answer[name]) for name in KEPT}


# Laws of the model that every portfolio must obey

def close(left, right, scale):
    return abs(left - right) <= 1e-12 * scale + 1e-9


def check_laws(request, answer):
    """MM <= end <= IM; expected shortfall within the scan; the compressed array on the safe side; nothing depends on order;
    and without the size charge, which grows faster than the portfolio, merging two accounts raises neither margin (an isolated
    account without positions counts no collateral but cash, so it is left out)."""
    scale = answer["gross"] + abs(answer["equity"])
    slack = 1e-12 * scale
    maintenance, end, initial = (answer[name] for name in ("maintenance_margin", "liquidation_end", "initial_margin"))
    assert 0.0 <= maintenance <= end + slack and end <= initial + slack, request
    assert 0.0 <= answer["expected_shortfall"] <= answer["scan"] + slack, request
    for symbol, array in answer["arrays"].items():
        step = 2 ** answer["compressed"][symbol]["exponent"]
        for cell, mantissa in zip(array, answer["compressed"][symbol]["mantissas"]):
            assert 0 <= math.floor(cell * 1e6) - mantissa * step < step and -32768 <= mantissa <= 32767, request

    turned = copy.deepcopy(request)
    for name in ("underlyings", "positions", "collateral"):
        turned[name].reverse()
    other = model.margin(turned)
    for name in ("equity", "initial_margin", "liquidation_end", "maintenance_margin", "scan", "expected_shortfall"):
        assert close(answer[name], other[name], scale), (name, request)
    if request["mode"] == "isolated":
        return

    parts = []
    for odd in (0, 1):
        part = copy.deepcopy(request)
        part["positions"], part["collateral"] = part["positions"][odd::2], part["collateral"][odd::2]
        for terms in part["underlyings"]:
            terms.pop("depth", None)
        parts.append(part)
    whole = copy.deepcopy(parts[0])
    for name in ("positions", "collateral"):
        whole[name] = parts[0][name] + parts[1][name]
    merged, (left, right) = model.margin(whole), map(model.margin, parts)
    for name in ("initial_margin", "maintenance_margin"):
        assert merged[name] <= left[name] + right[name] + slack + 1e-9, (name, request)


def check_parity(rng):
    """A call less a put of one strike less D futures never gains or loses, in any cell, and bears no vega, naked or net delta."""
    terms = underlying_terms(rng, "U0", "mixed", 1e6)
    terms["range"] = decimal(min(0.7, float(terms["range"])), 6)
    writer = PositionWriter(rng, terms, 1e6, [])
    expiry = writer.expiry()
    forward, strike = float(terms["expiries"][expiry]["forward"]), writer.strike(expiry)
    discount = float(terms["expiries"][expiry].get("discount", 1))
    legs = [dict(kind="call", strike=strike, quantity=2.0), dict(kind="put", strike=strike, quantity=-2.0),
            dict(kind="future", quantity=-2.0 * discount)]
    answer = model.margin(dict(id="parity", mode="portfolio", underlyings=[terms], collateral=[],
                               positions=[dict(leg, underlying="U0", expiry=expiry) for leg in legs]))
    assert max(map(abs, answer["arrays"]["U0"])) <= 1e-12 * forward, terms
    assert answer["contingencies"]["vega"] <= 1e-12 * forward and answer["contingencies"]["naked_maintenance"] == 0.0, terms
    assert abs(answer["greeks"]["U0"]["delta"]) <= 1e-12, terms


KINDS = dict(price=(price_requests, price_answer), math=(math_requests, math_answer), svi=(svi_requests, svi_answer),
             margin=(margin_requests, margin_answer))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "vectors")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for seed in range(200):
        check_parity(Random(seed))
    for kind, (draw, answer) in KINDS.items():
        requests = draw(Random(f"{SEED} {kind}"), COUNTS[kind])
        lines = [json.dumps(dict(request, expect=answer(request)), separators=(",", ":")) for request in requests]
        (out / f"{kind}.jsonl").write_text("\n".join(lines) + "\n")
        print(f"{kind}.jsonl: {len(lines)} lines")


if __name__ == "__main__":
    main()
