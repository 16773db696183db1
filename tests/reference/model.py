"""The margin model of docs/margin-model.md in double precision, written from that page alone.

Section numbers in the docstrings are those of the page. Dollars are dollars, quantities whole units, volatilities and rates
per year of 365 days, moves and haircuts fractions of one. Options are valued with QuantLib; what must be exact to more digits
than a double holds (`price_exact`, `evaluate_math`) is done with mpmath.
"""
import json
import math
import sys

import mpmath
import QuantLib as ql

DAY = 1.0 / 365.0
MONTH = 30.0 * DAY
SETTLEMENT_WINDOW = 0.5 / 24.0 * DAY
MAX_TOTAL_VOL = 24.0
MAX_LOG_MONEYNESS = 9.0
MIN_PRICE_FACTOR = 1.0 / 1024.0
SVI_FLAT_BEYOND = 4.0
SVI_MAX_VARIANCE = 144.0
SHORTFALL_MASS = 0.025
EXACT_DIGITS = 50

# Section 1: the moves of cells 0-20 and of the edges in scan ranges, of the tails as fractions of the price.
CORE_NODES = (-1.0, -2.0 / 3.0, -1.0 / 3.0, 0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0)
CORE_LABELS = ("-R", "-2/3R", "-1/3R", "0", "+1/3R", "+2/3R", "+R")
EDGE = 4.0 / 3.0
TAILS = (-0.66, -0.33, 0.5, 1.0, 2.0, 4.0)
SHOCKS = ("down", "same", "up")
SKEWS = ("rotated", "wings")
CELL_COUNT = 31
BASIS_CELL = 31
UNMOVED = 10

DEFAULTS = dict(
    maintenance_scan=0.8, liquidation_buffer=0.15, net_charge=0.02, hedged_charge=0.01, naked_maintenance=0.003,
    naked_initial=0.002, basis_base=0.5, basis_per_year=2.0, vega_charge=0.10, size_slope=0.05, size_cap=0.10,
    profit_haircut_maintenance=0.0, profit_haircut_initial=0.1, vol_up=0.50, vol_down=0.25, vol_power_short=0.30,
    vol_power_long=0.13, vol_floor=0.40, skew_cap=0.25, skew_cap_slope=0.10, skew_width=2.4, skew_min_width=0.01,
    long_factor=0.95, short_factor=1.04, depeg_threshold=0.99, depeg_factor=4.0, quote_price=1.0)
OPTION_TYPES = {"call": ql.Option.Call, "put": ql.Option.Put}
GREEKS = ("delta", "gamma", "vega", "theta")


# Section 2: value of an option

def total_volatility(vol, years):
    """sd = min(24, v sqrt(T))."""
    return min(MAX_TOTAL_VOL, vol * math.sqrt(years))


def intrinsic_value(kind, forward, strike, discount):
    """Dollars per unit: the discounted value of exercising at the forward."""
    return discount * max(forward - strike if kind == "call" else strike - forward, 0.0)


def time_value(forward, strike, vol, years, discount):
    """Dollars per unit, the same for call and put: the value of the one that is out of the money, whose intrinsic is zero."""
    sd = total_volatility(vol, years)
    if sd == 0.0:
        return 0.0
    x = math.log(forward / strike)
    if abs(x) <= MAX_LOG_MONEYNESS:
        return ql.blackFormula(ql.Option.Call if strike >= forward else ql.Option.Put, strike, forward, sd, discount)
    d1 = math.copysign(MAX_LOG_MONEYNESS, x) / sd + sd / 2.0
    call = discount * (forward * normal_cdf(d1) - strike * normal_cdf(d1 - sd))
    return max(0.0, call - intrinsic_value("call", forward, strike, discount))


def normal_cdf(x):
    """N(x) in double precision."""
    return math.erfc(-x / math.sqrt(2.0)) / 2.0


def price(kind, forward, strike, vol, years, discount=1.0):
    """Value and greeks of one option for |ln(F/K)| <= 9: delta and gamma to the forward times discount, vega per 1.00 of
    volatility, theta per year with the forward and the rate -ln(D)/T held. At sd = 0 the limit from above (half at F = K)."""
    sd = total_volatility(vol, years)
    rate = -math.log(discount) / years if years > 0.0 else 0.0
    if sd == 0.0:
        value = intrinsic_value(kind, forward, strike, discount)
        in_the_money = 0.5 if forward == strike else float(forward > strike)
        delta = discount * (in_the_money if kind == "call" else in_the_money - 1.0)
        return dict(value=value, delta=delta, gamma=0.0, vega=0.0, theta=rate * value)
    black = ql.BlackCalculator(ql.PlainVanillaPayoff(OPTION_TYPES[kind], strike), forward, sd, discount)
    value, vega = black.value(), black.vega(years)
    return dict(value=value, delta=black.deltaForward(), gamma=black.gammaForward(), vega=vega,
                theta=rate * value - vega * vol / (2.0 * years))


def price_exact(kind, forward, strike, vol, years, discount):
    """`price` in 50 digits for sd > 0, without QuantLib and without the bounds on sd and ln(F/K); decimal strings are exact."""
    with mpmath.workdps(EXACT_DIGITS):
        f, k, v, t, d = (mpmath.mpf(x) for x in (forward, strike, vol, years, discount))
        sign, root, rate = (1 if kind == "call" else -1), mpmath.sqrt(t), -mpmath.log(d) / t
        sd = v * root
        d1 = mpmath.log(f / k) / sd + sd / 2
        density = mpmath.npdf(d1)
        delta = sign * d * mpmath.ncdf(sign * d1)
        value = f * delta - sign * d * k * mpmath.ncdf(sign * (d1 - sd))
        return dict(value=value, delta=delta, gamma=d * density / (f * sd), vega=d * f * root * density,
                    theta=rate * value - d * f * density * v / (2 * root))


def evaluate_math(fn, x, y=None):
    """One elementary function in 50 digits; decimal strings are exact."""
    functions = dict(norm_cdf=mpmath.ncdf, norm_pdf=mpmath.npdf, ln=mpmath.log, exp=mpmath.exp, sqrt=mpmath.sqrt)
    with mpmath.workdps(EXACT_DIGITS):
        return mpmath.power(mpmath.mpf(x), mpmath.mpf(y)) if fn == "pow" else functions[fn](mpmath.mpf(x))


# Section 2: smile

def svi_variance(a, b, rho, m, sigma, k, sqrt=math.sqrt):
    """Total variance w(k) of a raw SVI slice, flat beyond |k| = 4, within 0 and 144."""
    distance = min(max(k, -SVI_FLAT_BEYOND), SVI_FLAT_BEYOND) - m
    return min(max(a + b * (rho * distance + sqrt(distance * distance + sigma * sigma)), 0), SVI_MAX_VARIANCE)


def svi(a, b, rho, m, sigma, k, years, sqrt=math.sqrt):
    """Volatility per year v = sqrt(w/T) of a raw SVI slice at k = ln(K/F); zero at T = 0, where only intrinsic counts."""
    return sqrt(svi_variance(a, b, rho, m, sigma, k, sqrt) / years) if years > 0 else 0.0


def durrleman(a, b, rho, m, sigma, k):
    """g(k) of Gatheral and Jacquier (2014), equation 2.1: negative where the slice's density is."""
    root = math.hypot(k - m, sigma)
    w = a + b * (rho * (k - m) + root)
    slope, curvature = b * (rho + (k - m) / root), b * sigma ** 2 / root ** 3
    return (1.0 - k * slope / (2.0 * w)) ** 2 - slope ** 2 / 4.0 * (1.0 / w + 0.25) + curvature / 2.0


def svi_accepted(a, b, rho, m, sigma, previous=None, steps=128):
    """Whether a setter takes the slice: the page's bounds, g >= 0 on |k| <= 2 and no variance falling from the slice before."""
    if not (b >= 0.0 and abs(rho) < 1.0 and sigma > 0.0 and b * (1.0 + abs(rho)) <= 2.0):
        return False
    if a + b * sigma * math.sqrt(1.0 - rho * rho) < 0.0:
        return False
    mesh = [4.0 * i / steps - 2.0 for i in range(steps + 1)]
    variances = [svi_variance(a, b, rho, m, sigma, k) for k in mesh]
    if min(variances) <= 0.0 or min(durrleman(a, b, rho, m, sigma, k) for k in mesh) < 0.0:
        return False
    return previous is None or all(w >= svi_variance(**previous, k=k) for w, k in zip(variances, mesh))


# Section 3: shocks

def shocked_vol(vol, years, shock, params):
    """Volatility in a cell whose volatility goes down, stays or goes up."""
    if shock == "same":
        return vol
    power = params["vol_power_short"] if years <= MONTH else params["vol_power_long"]
    m = (MONTH / max(years, DAY)) ** power
    if shock == "up":
        return max(params["vol_floor"], vol * (1.0 + params["vol_up"] * m))
    return vol * max(0.0, 1.0 - params["vol_down"] * m)


def skew_share(years, k, skew, params):
    """The share of itself by which a volatility changes when the smile rotates or its wings lift; k = ln(K/F)."""
    cap = max(0.0, params["skew_cap"] - params["skew_cap_slope"] * math.sqrt(years))
    width = max(params["skew_min_width"], params["skew_width"] * math.sqrt(years))
    x = k if skew == "rotated" else abs(k)
    return max(-cap, min(cap, x * cap / width))


def tail_weight(move, scan_range):
    """Section 1: what a tail's profit and loss counts; the edge over the move, at most one."""
    return min(1.0, EDGE * scan_range / abs(move))


def grid(scan_range):
    """Cells 0-28 as (move, volatility shock, weight)."""
    core = [(node * scan_range, shock, 1.0) for node in CORE_NODES for shock in SHOCKS]
    edges = [(sign * EDGE * scan_range, "up", 1.0) for sign in (-1.0, 1.0)]
    return core + edges + [(move, "up", tail_weight(move, scan_range)) for move in TAILS]


def cell_labels():
    """Names of the 31 cells: price move and what volatility does."""
    cells = [(label, shock) for label in CORE_LABELS for shock in SHOCKS] + [("-4/3R", "up"), ("+4/3R", "up")]
    cells += [(f"{round(move * 100):+d}%", "up") for move in TAILS] + [("0", skew) for skew in SKEWS]
    return [dict(move=move, vol=vol) for move, vol in cells]


# Section 4: profit and loss

class Expiry:
    """Forward, discount factor and smile of one expiry of an underlying."""

    def __init__(self, terms):
        self.years, self.forward = float(terms["years"]), float(terms["forward"])
        self.discount, self.vol = float(terms.get("discount", 1)), terms.get("vol")
        self.smile = {name: float(x) for name, x in terms["svi"].items()} if self.vol is None else None
        self.settling = min(1.0, self.years / SETTLEMENT_WINDOW)

    def vol_at(self, strike):
        """Volatility of a strike: the flat one, or the smile's."""
        return float(self.vol) if self.smile is None else svi(**self.smile, k=math.log(strike / self.forward), years=self.years)

    def moved(self, move):
        """The forward options see after a price move."""
        return self.forward * max(MIN_PRICE_FACTOR, 1.0 + self.settling * move)


class Option:
    """A signed quantity of one option; all results are dollars of the whole quantity."""

    def __init__(self, kind, strike, quantity, expiry):
        self.kind, self.strike, self.quantity, self.expiry = kind, strike, quantity, expiry
        self.vol = expiry.vol_at(strike)
        self.unit = price(kind, expiry.forward, strike, self.vol, expiry.years, expiry.discount)
        self.delta_value = quantity * self.unit["delta"] * expiry.forward

    def intrinsic(self, forward):
        return self.quantity * intrinsic_value(self.kind, forward, self.strike, self.expiry.discount)

    def time_value(self, forward, vol):
        return self.quantity * time_value(forward, self.strike, vol, self.expiry.years, self.expiry.discount)

    def value(self, forward, vol):
        return self.intrinsic(forward) + self.time_value(forward, vol)


class NettingSet:
    """Options of one expiry whose time values net before they are shaved; capped ones have losses only (no option relief)."""

    def __init__(self, options, expiry, params, capped=False):
        self.options, self.expiry, self.params, self.capped = options, expiry, params, capped
        self.mark = sum(o.value(expiry.forward, o.vol) for o in options)

    def cap(self, pnl):
        return min(0.0, pnl) if self.capped else pnl

    def shaved(self, move, shock):
        """I + shave(TV), before the mark is taken off."""
        forward, years = self.expiry.moved(move), self.expiry.years
        held = sum(o.time_value(forward, shocked_vol(o.vol, years, shock, self.params)) for o in self.options)
        return sum(o.intrinsic(forward) for o in self.options) + self.shave(held)

    def pnl(self, move, shock):
        """Profit and loss in a cell, before the cell's weight."""
        return self.cap(self.shaved(move, shock) - self.mark)

    def skew_pnl(self, skew):
        """Profit and loss in a skew cell: nothing moves, and the smile moves the worse way."""
        forward = self.expiry.forward
        held = sum(o.intrinsic(forward) for o in self.options)
        ways = [sum(o.time_value(forward, o.vol * (1.0 + way * self.lean(o, skew))) for o in self.options) for way in (1.0, -1.0)]
        return self.cap(min(held + self.shave(time_value) for time_value in ways) - self.mark)

    def lean(self, option, skew):
        """Section 3: the share of itself by which a skew cell changes an option's volatility."""
        return skew_share(self.expiry.years, math.log(option.strike / self.expiry.forward), skew, self.params)

    def shave(self, time_value):
        return time_value * self.params["long_factor" if time_value >= 0.0 else "short_factor"]

    def unshaved_pnl(self, move, shock):
        """Profit and loss without shave, as the basis and vega charges want it."""
        forward, years = self.expiry.moved(move), self.expiry.years
        value = sum(o.value(forward, shocked_vol(o.vol, years, shock, self.params)) for o in self.options)
        return self.cap(value - self.mark)


class ExpiryBook:
    """Everything of one underlying that ends on one expiry."""

    def __init__(self, expiry, options, futures, relief, params):
        self.expiry, self.options, self.futures, self.relief, self.params = expiry, options, futures, relief, params
        if relief:
            self.sets = [NettingSet(options, expiry, params)]
        else:
            self.sets = [NettingSet([o], expiry, params, o.quantity > 0.0) for o in options]
        self.mark = sum(s.mark for s in self.sets)

    def futures_pnl(self, move):
        return sum(self.futures) * self.expiry.forward * self.expiry.settling * move

    def pnl(self, move, shock):
        return sum(s.pnl(move, shock) for s in self.sets) + self.futures_pnl(move)

    def skew_pnl(self, skew):
        return sum(s.skew_pnl(skew) for s in self.sets)

    def basis_charge(self, scan_range):
        """Section 5: this expiry moving by itself."""
        factor = min(3.0, self.params["basis_base"] + self.params["basis_per_year"] * self.expiry.years)
        thirds = max(1, math.ceil(factor))
        moves = (-thirds * scan_range / 3.0, thirds * scan_range / 3.0)
        worst = min(sum(s.unshaved_pnl(move, "same") for s in self.sets) + self.futures_pnl(move) for move in moves)
        return factor / thirds * max(0.0, -worst)

    def vega_loss(self):
        """Section 5: the worse of volatility up and down with the price unmoved."""
        return max(0.0, -min(sum(s.unshaved_pnl(0.0, shock) for s in self.sets) for shock in ("up", "down")))

    def delta_items(self):
        """Section 5: (item, room down, room up) in dollars: what counts of the deltas, and how far long options can still move it."""
        futures = [quantity * self.expiry.forward for quantity in self.futures]
        short = [option.delta_value for option in self.options if option.quantity < 0.0]
        if not self.relief:
            return [(delta, 0.0, 0.0) for delta in futures + short]
        long = [option.delta_value for option in self.options if option.quantity > 0.0]
        firm = sum(futures) + sum(short)
        lowest, highest = firm + sum(x for x in long if x < 0.0), firm + sum(x for x in long if x > 0.0)
        item = min(max(0.0, lowest), highest)
        return [(item, item - lowest, highest - item)]

    def naked(self):
        """Section 5: short options not covered by long ones, in whole units."""
        quantities = [option.quantity for option in self.options]
        return max(0.0, -sum(quantities)) if self.relief else sum(max(0.0, -q) for q in quantities)

    def uncertain(self):
        """Section 5: dollar sizes of the deltas that the oracle's confidence is charged on."""
        strikes = {}
        for i, option in enumerate(self.options):
            key = option.strike if self.relief else i
            strikes[key] = strikes.get(key, 0.0) + option.delta_value
        return sum(abs(quantity) * self.expiry.forward for quantity in self.futures) + sum(map(abs, strikes.values()))


def worst_loss(array):
    """Largest loss of an array in dollars, at least zero."""
    return max(0.0, -min(array))


class UnderlyingBook:
    """Array, charges and unsettled profit of one underlying: sections 4 and 5."""

    def __init__(self, terms, positions, collateral, relief, params):
        self.symbol, self.params, self.spot = terms["symbol"], params, float(terms["spot"])
        self.scan_range, self.ramp = float(terms.get("range", 0.18)), float(terms.get("ramp", 1))
        self.kappa = float(terms.get("kappa", 0))
        self.confidence = float(terms.get("confidence", 0))
        self.depth, self.profit_cap = (float(terms[x]) if terms.get(x) is not None else None for x in ("depth", "profit_cap"))
        expiries = [Expiry(e) for e in terms.get("expiries", [])]
        options, futures = [[] for _ in expiries], [[] for _ in expiries]
        linear, self.unsettled = [float(c["amount"]) for c in collateral], 0.0
        for position in positions:
            kind, quantity, index = position["kind"], float(position["quantity"]), int(position.get("expiry") or 0)
            if kind in OPTION_TYPES:
                options[index].append(Option(kind, float(position["strike"]), quantity, expiries[index]))
                continue
            mark = self.spot if kind == "perp" else expiries[index].forward
            entry = mark if position.get("entry") is None else float(position["entry"])
            self.unsettled += quantity * (mark - entry)
            (linear if kind == "perp" else futures[index]).append(quantity)
        self.books = [ExpiryBook(*parts, relief, params) for parts in zip(expiries, options, futures)]
        self.linear = [quantity * self.spot for quantity in linear]
        self.array = self.risk_array()
        self.basis = sum(book.basis_charge(self.scan_range) for book in self.books)
        self.worst = max(worst_loss(self.array), self.basis)
        self.measure_charges()
        self.measure_greeks(linear)

    def risk_array(self):
        """Profit and loss in dollars in each of the 31 cells."""
        net, edge = sum(self.linear), EDGE * self.scan_range
        cells = [weight * sum(book.pnl(move, shock) for book in self.books) + net * max(-edge, min(edge, move))
                 for move, shock, weight in grid(self.scan_range)]
        return cells + [float(sum(book.skew_pnl(skew) for book in self.books)) for skew in SKEWS]

    def measure_charges(self):
        """Section 5, dollars."""
        p, dated = self.params, [item for book in self.books for item in book.delta_items()]
        items = self.linear + [item for item, _, _ in dated]
        total, self.gross = sum(items), sum(map(abs, items))
        room = sum(down for _, down, _ in dated) if total > 0.0 else sum(up for _, _, up in dated)
        used = min(abs(total), room) if p["net_charge"] >= p["hedged_charge"] else 0.0
        self.net = abs(total) - used
        self.delta = p["net_charge"] * self.net + p["hedged_charge"] * (self.gross + used - self.net) / 2.0
        naked = self.spot * sum(book.naked() for book in self.books)
        self.naked_maintenance, self.naked_initial = p["naked_maintenance"] * naked, p["naked_initial"] * naked
        self.vega = p["vega_charge"] * sum(book.vega_loss() for book in self.books)
        self.size = 0.0
        if self.depth is not None and self.gross > self.depth:
            self.size = min(p["size_cap"], p["size_slope"] * (self.gross - self.depth) / self.depth) * self.gross
        uncertain = sum(map(abs, self.linear)) + sum(book.uncertain() for book in self.books)
        self.confidence_charge = self.confidence / self.spot * uncertain
        self.profit = self.unsettled if self.profit_cap is None else min(self.unsettled, self.profit_cap)
        gain = max(0.0, self.profit)
        self.profit_equity = self.profit - p["profit_haircut_maintenance"] * gain
        self.profit_haircut = (p["profit_haircut_initial"] - p["profit_haircut_maintenance"]) * gain
        # What tolerances are measured in: gross, and the notional of everything with an expiry.
        self.notional = sum(map(abs, self.linear)) + sum(
            abs(quantity) * book.expiry.forward for book in self.books for quantity in book.futures) + sum(
            abs(o.quantity) * max(o.expiry.forward, o.strike) for book in self.books for o in book.options)

    def measure_greeks(self, linear):
        """Sums of quantity times the greeks of `price`; a perp, a future and a unit of collateral have a delta of one."""
        options = [o for book in self.books for o in book.options]
        self.greeks = {name: float(sum(o.quantity * o.unit[name] for o in options)) for name in GREEKS}
        self.greeks["delta"] += sum(linear) + sum(sum(book.futures) for book in self.books)

    @property
    def option_mark(self):
        return sum(book.mark for book in self.books)


# Section 6: from arrays to margin

def expected_shortfall(array, weights):
    """Mean loss in dollars of an array's worst 2.5 % of weight, at least zero; the last cell counts in part."""
    left, total = SHORTFALL_MASS, 0.0
    for result, weight in sorted(zip(array, weights)):
        used = min(left, weight)
        total, left = total - used * result, left - used
        if left <= 0.0:
            break
    return max(0.0, total / (SHORTFALL_MASS - left)) if left < SHORTFALL_MASS else 0.0


def compress(array):
    """An array as 31 signed 16-bit mantissas times a power of two of micro-dollars, never above the array."""
    exponent, micros = 0, [math.floor(x * 1e6) for x in array]
    while any(not -32768 <= x >> exponent <= 32767 for x in micros):
        exponent += 1
    return dict(exponent=exponent, mantissas=[x >> exponent for x in micros])


def counted_collateral(request, traded):
    """Section 7: all of it; in isolated mode cash (no underlying, no haircut), the traded underlying's own asset, and debts."""
    items = request.get("collateral", [])
    if request["mode"] != "isolated":
        return items
    if len(traded) > 1:
        raise ValueError("an isolated account has positions on one underlying")
    return [c for c in items if float(c["amount"]) < 0.0 or c.get("underlying") in traded
            or (c.get("underlying") is None and float(c.get("haircut_initial", 0)) == 0.0)]


def group_risk(groups, weights):
    """Scan, maintenance scan and expected shortfall in dollars of groups of (kappa, underlyings)."""
    scan = maintenance_scan = shortfall = 0.0
    for kappa, books in groups:
        joint = [sum(cells) for cells in zip(*(book.array for book in books))]
        loss = max(-min(joint), sum(book.basis for book in books))
        separate, ramped = sum(book.worst for book in books), sum(book.ramp * book.worst for book in books)
        offset = separate - kappa * (separate - loss)
        scan += offset
        maintenance_scan += offset * ramped / separate if separate > 0.0 else 0.0
        alone = sum(expected_shortfall(book.array, weights) for book in books)
        shortfall += (1.0 - kappa) * alone + kappa * expected_shortfall(joint, weights)
    return scan, maintenance_scan, shortfall


def worst_cell(books):
    """The underlying that loses most and its cell, the first of equal ones; 31 names the basis; None if nothing loses."""
    book = max(books, key=lambda b: b.worst, default=None)
    if book is None or book.worst <= 0.0:
        return None
    cell = book.array.index(min(book.array)) if worst_loss(book.array) >= book.basis else BASIS_CELL
    return dict(underlying=book.symbol, cell=cell)


def margin(request):
    """The whole valuation of one portfolio; request and answer as of `margrave eval margin`, plus two things for comparing:
    `gross`, the notional in dollars that tolerances are measured in, and `basis`, in dollars per underlying. Without
    `cell_weights` every cell weighs the same."""
    given = request.get("params", {})
    params = {name: float(given.get(name, default)) for name, default in DEFAULTS.items()}
    weights = [float(x) for x in given.get("cell_weights") or [1.0 / CELL_COUNT] * CELL_COUNT]
    portfolio, positions = request["mode"] == "portfolio", request.get("positions", [])
    collateral = counted_collateral(request, {p["underlying"] for p in positions})

    books, groups = [], {}
    for i, terms in enumerate(request.get("underlyings", [])):
        symbol = terms["symbol"]
        mine = [[x for x in items if x.get("underlying") == symbol] for items in (positions, collateral)]
        books.append(UnderlyingBook(terms, *mine, portfolio, params))
        key = ("alone", i) if terms.get("group") is None else ("group", str(terms["group"]))
        groups.setdefault(key, []).append(books[-1])
    kappas = [(min(b.kappa for b in members) if portfolio else 0.0, members) for members in groups.values()]
    scan, maintenance_scan, shortfall = group_risk(kappas, weights)

    def total(name):
        return float(sum(getattr(book, name) for book in books))

    equity, haircuts = total("option_mark") + total("profit_equity"), total("profit_haircut")
    for item in collateral:
        value = float(item["amount"]) * float(item["price"])
        initial, maintenance = (float(item.get(name, 0)) for name in ("haircut_initial", "haircut_maintenance"))
        equity += value - abs(value) * maintenance
        haircuts += abs(value) * (initial - maintenance)
    depeg = scan * params["depeg_factor"] * max(0.0, params["depeg_threshold"] - params["quote_price"])
    both = total("delta") + total("naked_maintenance") + total("vega") + total("size")
    maintenance_margin = params["maintenance_scan"] * maintenance_scan + both
    initial_margin = scan + depeg + both + total("naked_initial") + total("confidence_charge") + haircuts
    return dict(
        id=request.get("id"), equity=equity, initial_margin=initial_margin,
        liquidation_end=min((1.0 + params["liquidation_buffer"]) * maintenance_margin, initial_margin),
        maintenance_margin=maintenance_margin, scan=scan, worst=worst_cell(books), cells=cell_labels(),
        arrays={b.symbol: b.array for b in books}, compressed={b.symbol: compress(b.array) for b in books},
        contingencies=dict(
            basis=total("basis"), delta=total("delta"), naked_maintenance=total("naked_maintenance"),
            naked_initial=total("naked_initial"), vega=total("vega"), size=total("size"), confidence=total("confidence_charge"),
            collateral=haircuts, depeg=depeg),
        greeks={b.symbol: b.greeks for b in books}, expected_shortfall=shortfall,
        gross=total("notional") + sum(abs(float(c["amount"]) * float(c["price"])) for c in collateral),
        basis={b.symbol: b.basis for b in books})


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(margin(json.loads(line))))
