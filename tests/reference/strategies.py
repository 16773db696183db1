"""The margin of ten standard strategies: Margrave beside the published formulas of four venues.

    python tests/reference/strategies.py            prints the tables
    python tests/reference/strategies.py --write    puts them between the markers of docs/margin-model.md
    python tests/reference/strategies.py --check    compares the venues' functions with the venues' published numbers

Every function returns (initial, maintenance): the dollars an account needs beyond the mark value of its positions, options at
mark counted as equity. A venue that compares equity with a requirement asks for just that; one that publishes a margin balance
which already contains the mark (Derive) asks for the mark less that balance.
"""
import json
import math
import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import model

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- strategies: begin -->", "<!-- strategies: end -->"
CALENDAR = 365


def cdf(x):
    return math.erfc(-x / math.sqrt(2)) / 2


@dataclass(frozen=True)
class Asset:
    """A market: flat volatility and, unless said otherwise, a flat forward curve without interest."""

    symbol: str
    spot: float
    range: float
    vol: float
    forward: float = 0
    rate: float = 0


@dataclass(frozen=True)
class Leg:
    """A position: perp, future, call or put. A perp has no expiry; `vol` overrides the market's."""

    asset: Asset
    kind: str
    quantity: float
    strike: float = 0
    days: float = 0
    vol: float = 0

    @property
    def years(self):
        return self.days / CALENDAR

    @property
    def is_option(self):
        return self.kind in ("call", "put")

    @property
    def mark_vol(self):
        return self.vol or self.asset.vol

    def black(self, move=0, vol=None, age=0):
        """Black (1976): (dollar value, delta) of one option once the forward has moved and `age` days have passed."""
        forward, years = (self.asset.forward or self.asset.spot) * (1 + move), (self.days - age) / CALENDAR
        sd = max(1e-12, (self.mark_vol if vol is None else vol) * math.sqrt(years))
        d1 = math.log(forward / self.strike) / sd + sd / 2
        sign = 1 if self.kind == "call" else -1
        value = sign * (forward * cdf(sign * d1) - self.strike * cdf(sign * (d1 - sd)))
        return math.exp(-self.asset.rate * years) * value, sign * cdf(sign * d1)

    def value(self, move=0, vol=None, age=0):
        """Dollars; a perp or a future is worth nothing when it is opened."""
        if self.is_option:
            return self.quantity * self.black(move, vol, age)[0]
        return self.quantity * self.asset.spot * move

    def delta(self, move=0, age=0):
        """In coins."""
        return self.quantity * (self.black(move, age=age)[1] if self.is_option else 1)


def mark_vol(leg):
    return leg.mark_vol


def pnl(legs, move, vol=mark_vol, age=0):
    """Dollars gained when the price moves, each volatility becomes `vol` and `age` days pass."""
    return sum(leg.value(move, vol(leg), age) - leg.value() for leg in legs)


def by(key, legs):
    groups = {}
    for leg in legs:
        groups.setdefault(key(leg), []).append(leg)
    return groups


def per_market(margin):
    """For a venue that gives no offset between two assets: the sum of the requirements of each."""

    def total(legs):
        return tuple(map(sum, zip(*(margin(group) for group in by(lambda leg: leg.asset.symbol, legs).values()))))

    return total


def tenor(days):
    """The factor a volatility shock is multiplied by, the same at Derive, Deribit and Paradex."""
    return (30 / max(days, 1)) ** (0.30 if days <= 30 else 0.13)


def shocks(up, down, floor):
    """Volatility down, same, up, as functions of the leg; the shocks shrink with time to expiry, up has a floor."""
    return (
        lambda leg: leg.mark_vol * max(0, 1 - down * tenor(leg.days)),
        mark_vol,
        lambda leg: max(floor, leg.mark_vol * (1 + up * tenor(leg.days))),
    )


def synthetic(legs):
    """Where no dated future is listed: a short future as a short call and a long put at the forward, and the reverse."""
    for leg in legs:
        if leg.kind == "future":
            strike = leg.asset.forward or leg.asset.spot
            yield replace(leg, kind="call", strike=strike)
            yield replace(leg, kind="put", strike=strike, quantity=-leg.quantity)
        else:
            yield leg


# Derive. Parameters: docs.derive.xyz, "Portfolio Margin Parameters [New]"; formulas: "PM2" there, and PMRM_2 and PMRMLib_2 of
# github.com/derivexyz/v2-core.
DERIVE = {
    "step": 0.045, "edge": 0.18, "tail": 0.1386, "tails": (-0.66, -0.33, 0.5, 1, 2, 3, 4, 5),
    "up": 0.50, "down": 0.30, "floor": 0.40,
    "skew_cap": 0.25, "skew_slope": -0.10, "skew_floor": 0.01, "skew_width": 4, "skew_vol": 0.6, "skew_vol_slope": 0,
    "long": (0.95, 0, 0.16), "short": (1.04, 0, 0.16),
    "basis": (0.5, 2.0), "perp": (0.03, 0.01), "naked": (0.003, 0.002), "maintenance": 0.8,
}


def derive_cells(legs, p=DERIVE):
    """PMRM_2's scenarios: 23 regular, the tails, the two of the skew.

    An expiry's shocked value is multiplied by a discount below one if it is positive, above one (but never above the value
    without interest) if it is negative; in a tail the result is multiplied by 0.1386/|move|, in the skew scenarios each expiry
    loses whatever its rotation costs in either direction.
    """
    expiries = by(lambda leg: leg.days, [leg for leg in legs if leg.is_option])
    linear = sum(leg.quantity * leg.asset.spot for leg in legs if leg.kind == "perp")

    def change(days, options, move, vol):
        value, years, rate = sum(o.value(move, vol(o)) for o in options), days / CALENDAR, options[0].asset.rate
        (base, mult, add), cap = p["long" if value >= 0 else "short"], math.exp(years * rate)
        growth = math.exp(years * (rate * mult + add))
        return value * (base / growth if value >= 0 else min(cap, base * growth)) - sum(o.value() for o in options)

    def skewed(absolute):
        def vol(leg):
            root = math.sqrt(leg.years)
            cap = p["skew_cap"] + p["skew_slope"] * root
            width = max(p["skew_floor"], root * p["skew_width"] * (p["skew_vol"] + root * p["skew_vol_slope"]))
            k = math.log(leg.strike / (leg.asset.forward or leg.asset.spot))
            return leg.mark_vol * max(0, 1 + max(-cap, min(cap, (abs(k) if absolute else k) * cap / width)))

        return vol

    def cell(move, vol, damp=1):
        return damp * (linear * move + sum(change(days, options, move, vol) for days, options in expiries.items()))

    vols = shocks(p["up"], p["down"], p["floor"])
    core = [cell(i * p["step"], vol) for i in range(-3, 4) for vol in vols]
    edges = [cell(move, vols[2]) for move in (-p["edge"], p["edge"])]
    tails = [cell(move, vols[2], p["tail"] / abs(move)) for move in p["tails"]]
    skew = [sum(-abs(change(*expiry, 0, skewed(absolute))) for expiry in expiries.items()) for absolute in (False, True)]
    return core + edges + tails + skew


def derive_market(legs, p=DERIVE):
    """PMRM_2: worst of the scenarios and of the basis contingency, plus contingencies for perps and naked short options.

    Basis: per expiry the loss at one step either way, times 0.5 + 2 T. Naked: short calls less long puts of one strike, and the
    reverse. The oracle and de-peg terms are zero here: every feed is taken as certain and the dollar token as worth a dollar.
    """
    basis = naked = 0
    for days, options in by(lambda leg: leg.days, [leg for leg in legs if leg.is_option]).items():
        loss = max(0, *(-pnl(options, move) for move in (-p["step"], p["step"])))
        basis += loss * (p["basis"][0] + p["basis"][1] * days / CALENDAR)
        naked += sum(max(0, -sum(o.quantity for o in line)) for line in by(lambda leg: leg.strike, options).values())
    worst = max(basis, -min(derive_cells(legs, p)), 0)
    perps, spot = sum(abs(leg.quantity) for leg in legs if leg.kind == "perp"), legs[0].asset.spot
    maintenance = spot * (perps * p["perp"][0] + naked * p["naked"][0])
    initial = spot * (perps * p["perp"][1] + naked * p["naked"][1])
    return worst + maintenance + initial, p["maintenance"] * worst + maintenance


def derive(legs):
    return per_market(derive_market)(list(synthetic(legs)))


# Deribit. Parameters of btc_usd (June 2024) and of the currency usd: docs.deribit.com, example of private/pme/simulate; of
# eth_usd (February 2026): a response of the same method. Components: support.deribit.com, "Portfolio Margin".
DERIBIT = {
    "BTC": {"range": 0.16, "up": 0.50}, "ETH": {"range": 0.18, "up": 0.40},
    "down": 0.25, "floor": 0.50, "buckets": 4, "factor": 1, "dampener": 25_000,
    "tails": (-0.66, -0.33, 0.5, 1, 2, 3, 4, 5), "roll": (0.01, 0.10), "maintenance": 0.8,
}


def deribit_matrix(legs, p=DERIBIT):
    """The standard table (9 prices by 3 volatilities) and the extended one before its dampener, dollars gained."""
    pair = p[legs[0].asset.symbol]
    vols = shocks(pair["up"], p["down"], p["floor"])
    moves = [pair["range"] * i / p["buckets"] for i in range(-p["buckets"], p["buckets"] + 1)]
    standard = [pnl(legs, *cell) for cell in product(moves, vols)]
    return standard, [pnl(legs, move, vols[2]) * p["factor"] * pair["range"] / abs(move) for move in p["tails"]]


def deribit_market(legs, p=DERIBIT):
    """Segregated portfolio margin of a dollar-settled book: worst cell plus roll shock; no margin for orders.

    A loss of the extended table is reduced by (|move|/R - 1) dampeners of 25,000 dollars, so one coin never pays there.
    Roll: per expiry |delta| times the larger of 1 % and 10 % a year; a perp counts as an expiry of its own. The delta shock
    starts at 20 million dollars and is zero here.
    """
    standard, extended = deribit_matrix(legs, p)
    reach = p[legs[0].asset.symbol]["range"]
    reduced = [-x - (abs(move) / reach - 1) * p["dampener"] for move, x in zip(p["tails"], extended)]
    roll = sum(
        abs(sum(leg.delta() for leg in expiry)) * legs[0].asset.spot * max(p["roll"][0], p["roll"][1] * days / CALENDAR)
        for days, expiry in by(lambda leg: leg.days, legs).items()
    )
    matrix = max(0, -min(standard), *reduced) + roll
    return matrix, p["maintenance"] * matrix


deribit = per_market(deribit_market)


# Paradex. docs.paradex.trade/risk/portfolio-margin: 24 scenarios (move, volatility, weight), delta floor, IMR and MMR.
PARADEX = [(0.16, 0.40, 1)]
PARADEX += [(move, vol, 1) for move in (0.12, 0.08, 0.04, 0, -0.04, -0.08, -0.12) for vol in (0.40, -0.22)]
PARADEX += [(-0.16, 0.40, 1), (-0.66, 0.40, 0.24), (-0.33, 0.40, 0.48), (0.5, 0.40, 0.32), (1, 0.40, 0.16)]
PARADEX += [(2, 0.40, 0.08), (3, 0.40, 0.0533), (4, 0.40, 0.04), (5, 0.40, 0.032)]


def paradex_floor(deltas, spot):
    """(net, gross, hedged, dollars): 2 % of the net delta and 1 % of the hedged one."""
    net, gross = sum(deltas), sum(map(abs, deltas))
    hedged = (gross - abs(net)) / 2
    return net, gross, hedged, (0.02 * abs(net) + 0.01 * hedged) * spot


def paradex_market(legs):
    """IMR = the greater of the worst weighted scenario and the delta floor; MMR = half of it.

    Both carry a provision for funding and fees on top, zero here: funding at zero, fees left out at every venue.
    """
    scan = max(
        -weight * pnl(legs, move, lambda leg: leg.mark_vol * (1 + vol * tenor(leg.days))) for move, vol, weight in PARADEX
    )
    required = max(0, scan, paradex_floor([leg.delta() for leg in legs], legs[0].asset.spot)[3])
    return required, required / 2


def paradex(legs):
    return per_market(paradex_market)(list(synthetic(legs)))


# CME SPAN. cmegroup.com, "CME SPAN: Standard Portfolio Analysis of Risk" and the SPAN risk parameter file layouts: the sixteen
# scenarios, composite delta, intra-commodity charge, inter-commodity credit, short option minimum. The rates are assumptions.
SPAN = {
    "vol": 0.25, "look_ahead": 1, "extreme": (3, 0.33), "weights": (0.270, 0.217, 0.110, 0.037),
    "calendar": 0.10, "short_option": 0.05, "credit": 0.50, "initial": 1.10,
}
SPAN_SCENARIOS = [(sign * third / 3, vol, 1) for third, sign in ((0, 1), (1, 1), (1, -1), (2, 1), (2, -1), (3, 1), (3, -1))
                  for vol in (1, -1)] + [(sign * SPAN["extreme"][0], 0, SPAN["extreme"][1]) for sign in (1, -1)]


def span_array(legs):
    """Dollars lost in each of the 16 scenarios, one day ahead."""
    return [
        -weight * pnl(legs, move * legs[0].asset.range, lambda leg: leg.mark_vol * (1 + SPAN["vol"] * vol), SPAN["look_ahead"])
        for move, vol, weight in SPAN_SCENARIOS
    ]


def span_delta(leg):
    """Composite delta: the average over seven prices, weighted by their likelihood, one day ahead."""
    points = [(third / 3, SPAN["weights"][abs(third)]) for third in range(-3, 4)]
    weighted = sum(weight * leg.delta(move * leg.asset.range, SPAN["look_ahead"]) for move, weight in points)
    return weighted / sum(weight for _, weight in points)


def span(legs):
    """max(scan + calendar charge - inter-commodity credit, short option minimum); initial is 110 % of it.

    A perp is the 30-day future. The rates are shares of the outright margin R x spot: 10 % per calendar spread of one delta,
    5 % per short option (the larger of calls and puts). Credit: 50 % of the weighted price risk of the dollars of delta that two
    assets offset; price risk is the mean of the active scenario's pair less that of scenarios 1 and 2, which is time.
    """
    scans, charges, minimum, risks = 0, 0, 0, []
    for group in by(lambda leg: leg.asset, legs).values():
        asset, array = group[0].asset, span_array(group)
        active = array.index(max(array))
        pair = array[active - active % 2:][:2] if active < 14 else [array[active]] * 2
        deltas = [sum(map(span_delta, expiry)) for expiry in by(lambda leg: leg.days or 30, group).values()]
        spreads = min(sum(max(0, d) for d in deltas), -sum(min(0, d) for d in deltas))
        short = max(sum(max(0, -leg.quantity) for leg in group if leg.kind == kind) for kind in ("call", "put"))
        scans += max(0, *array)
        charges += SPAN["calendar"] * asset.range * asset.spot * spreads
        minimum += SPAN["short_option"] * asset.range * asset.spot * short
        risks.append((sum(deltas) * asset.spot, max(0, sum(pair) / 2 - sum(array[:2]) / 2)))
    credit = 0
    if len(risks) == 2 and risks[0][0] * risks[1][0] < 0:
        offset = min(abs(dollars) for dollars, _ in risks)
        credit = SPAN["credit"] * sum(risk * offset / abs(dollars) for dollars, risk in risks)
    required = max(scans + charges - credit, minimum)
    return SPAN["initial"] * required, required


# The strategies

BTC = Asset("BTC", 60_000, 0.12, 0.60)
ETH = Asset("ETH", 3_000, 0.14, 0.70)
KAPPA = 0.5


def perp(quantity, asset=BTC):
    return Leg(asset, "perp", quantity)


def option(quantity, kind, strike, days=30):
    return Leg(BTC, kind, quantity, strike, days)


HEDGE = round(option(1, "call", 60_000).delta(), 4)
STRATEGIES = {
    "naked call": [option(-1, "call", 66_000)],
    "covered call": [perp(1), option(-1, "call", 66_000)],
    "vertical": [option(1, "call", 60_000), option(-1, "call", 66_000)],
    "calendar": [option(1, "call", 60_000, 90), option(-1, "call", 60_000)],
    "short straddle": [option(-1, "call", 60_000), option(-1, "put", 60_000)],
    "iron condor": [option(1, "put", 54_000), option(-1, "put", 57_000), option(-1, "call", 63_000), option(1, "call", 66_000)],
    "box": [option(1, "call", 57_000), option(-1, "call", 63_000), option(1, "put", 63_000), option(-1, "put", 57_000)],
    "hedged short call": [option(-1, "call", 60_000), perp(HEDGE)],
    "basis trade": [perp(1), Leg(BTC, "future", -1, days=90)],
    "two assets": [perp(1), perp(-20, ETH)],
}


def worst_outcome(legs):
    """Dollars lost from the mark when the first expiry ends at the worst price and later options keep no time value."""
    if len({leg.asset for leg in legs}) > 1:
        return math.inf
    if {"perp", "future"} <= {leg.kind for leg in legs}:
        return math.nan
    slope = sum(leg.quantity for leg in legs if leg.kind != "put")

    def outcome(price):
        signs = {"call": 1, "put": -1}
        return sum(
            leg.quantity * (max(0, signs[leg.kind] * (price - leg.strike)) if leg.is_option else price - leg.asset.spot)
            for leg in legs
        )

    mark = sum(leg.value() for leg in legs)
    return math.inf if slope < 0 else mark - min(outcome(price) for price in [0] + [leg.strike for leg in legs])


def margrave_result(legs):
    """The reference model's answer for the same positions, in portfolio mode with the defaults of docs/margin-model.md."""
    underlyings, positions = [], []
    for asset, group in by(lambda leg: leg.asset, legs).items():
        days = sorted({leg.days for leg in group if leg.days})
        expiries = [{"years": d / CALENDAR, "forward": asset.spot, "discount": 1, "vol": asset.vol} for d in days]
        underlyings.append({"symbol": asset.symbol, "spot": asset.spot, "range": asset.range, "group": "majors", "kappa": KAPPA,
                            "expiries": expiries})
        for leg in group:
            position = {"underlying": asset.symbol, "kind": leg.kind, "quantity": leg.quantity}
            if leg.days:
                position["expiry"] = days.index(leg.days)
            position.update({"strike": leg.strike} if leg.is_option else {"entry": asset.spot})
            positions.append(position)
    return model.margin({"id": "strategy", "mode": "portfolio", "underlyings": underlyings, "positions": positions,
                         "collateral": []})


def margrave(legs):
    """Initial and maintenance margin: equity has the options at their mark already."""
    result = margrave_result(legs)
    return float(result["initial_margin"]), float(result["maintenance_margin"])


VENUES = {"Margrave": margrave, "Derive": derive, "Deribit": deribit, "SPAN": span, "Paradex": paradex}


# The tables

def dollars(x):
    return "basis, funding" if math.isnan(x) else "unlimited" if math.isinf(x) else f"{round(x):,}"


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def describe(leg):
    if leg.is_option:
        return f"{leg.quantity:+g} {leg.strike:,.0f} {leg.kind} {leg.days} d"
    return f"{leg.quantity:+g} {leg.asset.symbol} {leg.kind}" + (f" {leg.days} d" if leg.days else "")


def binding(result):
    """The cell that binds, per underlying: the basis charge if it is more than the worst cell."""
    names = []
    for symbol, array in result["arrays"].items():
        loss, cell = -min(array), result["cells"][array.index(min(array))]
        name = f"{cell['move'].replace('3R', '3 R').replace('%', ' %')}, {cell['vol']}" if loss > 0.005 else "none"
        name = "basis" if result["contingencies"]["basis"] > max(0, loss) else name
        names.append(name if len(result["arrays"]) == 1 else f"{symbol} {name}")
    return "; ".join(names)


def fragment():
    """The text and tables of the page."""
    names = [f"{number} {name}" for number, name in enumerate(STRATEGIES, 1)]
    books, limits = list(STRATEGIES.values()), [worst_outcome(legs) for legs in STRATEGIES.values()]
    results, margins = map(margrave_result, books), [[venue(legs) for venue in VENUES.values()] for legs in books]

    def cell(required, limit):
        return f"{dollars(required)}{'*' if required > limit + 0.5 else ''} ({100 * required / BTC.spot:.1f} %)"

    def of(level):
        rows = [[name, *(cell(pair[level], limit) for pair in row)] for name, row, limit in zip(names, margins, limits)]
        return table(["", *VENUES], rows)

    def charges(result):
        c = result["contingencies"]
        return map(dollars, (result["scan"], c["delta"], c["naked_maintenance"], c["naked_initial"], c["vega"]))

    positions = table(["", "positions", "mark", "most it can lose"], [
        [name, ", ".join(map(describe, legs)), dollars(sum(leg.value() for leg in legs)), dollars(limit)]
        for name, legs, limit in zip(names, books, limits)
    ])
    cells = table(["", "binding cell", "scan", "delta", "naked", "naked, IM only", "vega"], [
        [name, binding(result), *charges(result)] for name, result in zip(names, results)
    ])
    return TEXT.format(positions=positions, initial=of(0), maintenance=of(1), cells=cells)


TEXT = """Written by `tests/reference/strategies.py`. **These are the formulas each venue has published, with the defaults it
has published, computed by that script: not quotes of the venues**, which change their parameters often and also charge for fees,
funding, open orders and size; all of that is left out.

Dollars an account needs beyond the mark value of its positions, options at mark being part of its equity: who buys an option
pays the premium and needs the number below beside it, who sells one keeps the premium against the mark. In brackets the share of
60,000 dollars, the spot value of one bitcoin. BTC 60,000, R = 12 %, flat volatility 60 %; ETH 3,000, R = 14 %, 70 %, one group
with kappa 0.5; forwards at spot, no interest, oracle certain, no collateral but cash. The covered call is covered by a perp.
"Most it can lose" counts from the mark to the worst price at the first expiry; a requirement above it has a star.

{positions}

**Initial margin**

{initial}

**Maintenance margin**

{maintenance}

- Derive: PMRM_2, 33 scenarios to 18 % and tails. One account holds one asset, so 10 is the sum of two accounts. No dated future
  is listed: 9 has the synthetic one, short a 60,000 call and long a 60,000 put of 90 days. Ether has bitcoin's scenarios.
- Deribit: segregated portfolio margin of contracts settled in dollars. 16 % for bitcoin as of June 2024, 18 % for ether as of
  February 2026; roll shock of at least 1 % of the delta of each expiry, the perp being one. The extended table forgives 20,000
  dollars and more per cell, so books of one bitcoin never pay there. No offset between pairs: 10 is a sum.
- SPAN: the sixteen scenarios and the algorithm are CME's, the rates are assumptions: price scan range R, volatility scan range
  25 % of the volatility, values one day ahead, calendar charge 10 % and short option minimum 5 % of the outright margin,
  inter-commodity credit 50 %, initial 110 % of maintenance. A perp is the 30-day future.
- Paradex: 24 scenarios to 16 % and tails, maintenance half of initial. Provisions for funding and fees are taken as zero.
  Offsets within one asset only; 9 has the synthetic future. Ether has bitcoin's scenarios.

**What binds at Margrave**, dollars. Initial margin is the scan and all charges, maintenance margin 0.8 of the scan and all
charges but "naked, IM only".

{cells}
"""


# Checks against numbers the venues have published

def close(name, got, expected, tolerance=1e-9):
    worst = max((abs(a - b) / max(1, abs(b)) for a, b in zip(got, expected, strict=True)), default=0)
    print(f"{'ok  ' if worst <= tolerance else 'FAIL'} {name}: worst error {worst:.1e}")
    return worst <= tolerance


def check_derive():
    """Case 18 of v2-core's PMRM_2 tests, a short call spread in ether with that case's parameters: margin less the mark."""
    market = Asset("ETH", 2681.6029850999994, 0, 0, 2682.9997436016715, 0.15)
    legs = [Leg(market, "call", -1, 4000, 794852 / 86400, 0.8795543651099665),
            Leg(market, "call", 1, 4200, 794852 / 86400, 0.8833255402190362)]
    changes = {"tail": 0.036, "tails": (-0.66, -0.33, 0.5, 1, 2, 3), "down": 0.275, "floor": 0.45, "skew_cap": 0.15,
               "skew_slope": -0.05, "skew_vol_slope": -0.1, "long": (0.95, 1, 0.08), "short": (1.04, 0.5, 0.08)}
    cells, margins = derive_cells(legs, {**DERIVE, **changes}), derive_market(legs, {**DERIVE, **changes})
    mark = sum(leg.value() for leg in legs)
    published = (-0.43144850480021951, -22.155960343313989, 0.01060747231014925, 0.017406868849158732, -5.945789781026996,
                 -6.016806447312971, -3.582818984059084, -2.3975342156912465, -0.425648507254371145, -0.425648507254371145)
    return close("Derive, edges, tails and skews", cells[21:], published) & close(
        "Derive, margins", [mark - x for x in margins], (-35.75844560967082, -25.96404757080802))


def check_deribit():
    """The example of private/pme/simulate: a perp and a June future, both inverse; dollars over the shocked price are coins."""
    spot, reach = 65_666.19, DERIBIT["BTC"]["range"]
    book = Asset("BTC", spot, 0, 0)
    perpetual, june = Leg(book, "perp", 0.314538364), Leg(book, "future", -0.001187534, days=11)
    moves = [reach * i / 4 for i in range(-4, 5) for _ in range(3)]
    standard, extended = deribit_matrix([perpetual])
    edges = [spot * (1 + math.copysign(reach, move)) for move in DERIBIT["tails"]]
    coins = [-x / (spot * (1 + move)) for x, move in zip(deribit_matrix([perpetual, june])[0], moves)]
    shock = (deribit_market([perpetual, june])[0] + min(deribit_matrix([perpetual, june])[0])) / spot
    matrix = max(coins) + shock
    return close("Deribit, standard table", [standard[i] / (spot * (1 + moves[i])) for i in range(0, 27, 3)], (
        -0.05991206933333334, -0.04289159509090909, -0.027351162086956524, -0.013105765166666668, 0, 0.012097629384615385,
        0.023299138074074074, 0.033700538999999995, 0.043384601931034494)) & close(
        "Deribit, extended table", [x / edge for x, edge in zip(extended, edges)],
        [-0.05991206933333334] * 2 + [0.04338460193103449] * 6) & close(
        "Deribit, roll shock, initial, maintenance", (shock, matrix, 0.8 * matrix),
        (0.00315725898, 0.06284313098, 0.050274504784))


def check_vectors(folder):
    """Paradex's scenarios and example, McMillan's SPAN arrays; read from beside the project where they are present."""
    vectors = json.loads((folder / "paradex_pm.json").read_text())
    example, expected = vectors["example"], vectors["example"]["expected"]
    floor = paradex_floor([p["size"] * p["delta"] for p in example["positions"]], example["spot"])
    rows = [(s["spot_pct"] / 100, s["vol_pct"] / 100, s["weight"]) for s in vectors["scenarios"]]
    passed = close("Paradex, scenarios", sum(map(list, sorted(PARADEX)), []), sum(map(list, sorted(rows)), []))
    passed &= close("Paradex, delta floor", floor, (expected["net_delta"], expected["gross_delta"], expected["hedged_delta"],
                                                    example["derived_min_delta_risk_usd"]))
    span_vectors = json.loads((folder / "span_mcmillan.json").read_text())
    ours = [x for move, vol, _ in SPAN_SCENARIOS[:14] for x in (move, vol)]
    theirs = [x for s in span_vectors["scenarios"][:14] for x in (s["price_fraction"], s["vol_direction"])]
    passed &= close("SPAN, scenarios", ours, theirs)
    future, call, write = (case["array"] for case in span_vectors["cases"])
    point = Asset("SPX", 100_000, 0.1, 0.2)
    passed &= close("SPAN, array of a future", [-x for x in span_array([Leg(point, "future", 1)])[:14]], future[:14], 2e-3)
    passed &= close("SPAN, arrays add", [a - b for a, b in zip(future, call)], write, 1e-12)
    worst = [-min(case["array"]) for case in span_vectors["cases"]]
    return passed & close("SPAN, scan risk", worst, [case["expected_scan_risk"] for case in span_vectors["cases"]])


def main():
    if "--check" in sys.argv:
        folder = ROOT.parent / "shared" / "vectors"
        passed = check_derive() & check_deribit() & (not folder.is_dir() or check_vectors(folder))
        sys.exit(0 if passed else 1)
    if "--write" in sys.argv:
        page = ROOT / "docs" / "margin-model.md"
        before, rest = page.read_text().split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{fragment()}{END}{rest.split(END)[1]}")
    else:
        print(fragment(), end="")


if __name__ == "__main__":
    main()
