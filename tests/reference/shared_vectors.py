"""Checks outside reference values against the reference model and, with --binary PATH, against that `margrave-eval`.

    python shared_vectors.py [--binary PATH] [--vectors DIR]

The values lie beside the project in ../shared/vectors and are not part of it; without that folder there is nothing to check.
Every file states its tolerances and so does the output. A binary reads rounded decimals and computes to compare.py's tolerances:
what both can change in a number is added, the first measured with the reference model, the second propagated to the number.
"""
import argparse
import json
import math
import sys
from pathlib import Path

import mpmath

import compare
import generate
import model

PRINTED_DIGITS = 1e-35
DOUBLE_ROUNDING = 1e-12
MAX_SHOWN = 20
NORMAL_RANGE = 9.0
INPUT_DIGITS = dict(forward=generate.PRICE_DIGITS, strike=generate.PRICE_DIGITS)


class Check:
    """One outside number: the request that yields it, how it is read from the answer, and what the file prints."""

    def __init__(self, file, kind, request, read, expected, tolerance, scope="both"):
        self.file, self.kind, self.request, self.read = file, kind, request, read
        self.expected, self.tolerance, self.scope = expected, tolerance, scope

    def rounded(self):
        """The request as a binary gets it."""
        return {name: generate.decimal(float(x), INPUT_DIGITS.get(name, generate.RATIO_DIGITS))
                if isinstance(x, (float, mpmath.mpf)) else x for name, x in self.request.items()}

    def slack(self):
        """How much more a binary's number may differ: rounding of its inputs and its own accuracy."""
        if self.kind == "margin":
            return compare.MARGIN_CONSTANT
        answer = reference_answer(self.kind, self.rounded())
        base = self.read(answer)
        slack = abs(base - self.read(reference_answer(self.kind, self.request)))
        for field, accuracy in accuracies(self.kind, self.rounded(), answer).items():
            slack += abs(self.read({**answer, field: answer[field] + accuracy}) - base)
        return slack


def accuracies(kind, request, answer):
    """Tolerance of each number of an answer, as compare.py has them."""
    if kind == "svi":
        return dict(vol=compare.SVI_VOL)
    if kind == "math":
        fn = request["fn"]
        relative = 1.0 if fn.startswith("norm") or fn == "ln" else answer["value"]
        return dict(value=relative * (compare.MATH_NORMAL if fn.startswith("norm") else compare.MATH_RELATIVE))
    value = compare.PRICE_OF_FORWARD * float(request["forward"])
    if float(request["vol"]) == 0.0:
        return dict(value=value)
    return {name: compare.GREEK_OF_SCALE * x for name, x in generate.greek_scales(request).items()} | dict(value=value)


def reference_answer(kind, request):
    """The model's answer to any kind of request."""
    if kind == "margin":
        return model.margin(request)
    if kind == "math":
        return dict(value=model.evaluate_math(request["fn"], request["x"]))
    numbers = {name: float(x) for name, x in request.items() if name != "kind"}
    return dict(vol=model.svi(**numbers)) if kind == "svi" else model.price(request["kind"], **numbers)


def as_numbers(answer):
    """A binary's decimal strings as numbers, whatever holds them; names stay."""
    if isinstance(answer, dict):
        return {name: as_numbers(x) for name, x in answer.items() if name != "id"}
    if isinstance(answer, list):
        return [as_numbers(x) for x in answer]
    try:
        return float(answer)
    except (TypeError, ValueError):
        return answer


# Options

class Terms:
    """An option in spot terms, S, q and r, as the forward terms of `eval price`, and book greeks from the answer's."""

    def __init__(self, kind, spot, strike, r, q, years, vol):
        self.spot, self.strike, self.years, self.carry = spot, strike, years, r - q
        self.forward, self.discount = spot * math.exp((r - q) * years), math.exp(-r * years)
        self.request = dict(kind=kind, forward=self.forward, strike=strike, vol=vol, years=years, discount=self.discount)

    def reader(self, name):
        """A function from the answer to the number of that name, by the chain rule from values held at a constant forward."""
        f, d, k, s, t = self.forward, self.discount, self.strike, self.spot, self.years
        readers = {
            "value": lambda a: a["value"], "delta": lambda a: a["delta"] * f / s, "gamma": lambda a: a["gamma"] * (f / s) ** 2,
            "delta_forward": lambda a: a["delta"], "gamma_forward": lambda a: a["gamma"], "vega": lambda a: a["vega"],
            "theta": lambda a: a["theta"] - self.carry * f * a["delta"], "rho": lambda a: t * (a["delta"] * f - a["value"]),
            "rho_forward": lambda a: -t * a["value"], "dividend_rho": lambda a: -t * f * a["delta"],
            "elasticity": lambda a: a["delta"] * f / a["value"], "n_d1": lambda a: a["delta"] / d,
            "n_d2": lambda a: (f * a["delta"] - a["value"]) / (d * k),
            "strike_delta": lambda a: (a["value"] - f * a["delta"]) / k, "strike_gamma": lambda a: a["gamma"] * (f / k) ** 2}
        return readers[name]

    def check(self, file, name, expected, tolerance, unit=1.0):
        read = self.reader(name)
        return Check(file, "price", self.request, lambda a: read(a) / unit, expected, tolerance)


def haug(file, data):
    names = {"theta per day": ("theta", 365.0), "dividendRho": ("dividend_rho", 1.0)}
    for row in data["rows"] + data["greek_rows"]:
        terms = Terms(*(row[x] for x in ("type", "spot", "strike", "r", "q", "t", "vol")))
        name, unit = names.get(row.get("greek", "value"), (row.get("greek", "value"), 1.0))
        yield terms.check(file, name, row["expected"], row["tol"], unit)


def textbook(file, data):
    names = dict(price=("value", 1.0), delta=("delta", 1.0), gamma=("gamma", 1.0), vega_per_1pct=("vega", 100.0),
                 theta_per_year=("theta", 1.0), theta_per_day=("theta", 365.0), rho_per_1pct=("rho", 100.0), d1=("n_d1", 1.0),
                 d2=("n_d2", 1.0))
    for row in data["rows"]:
        forward = row["model"] == "black76"
        q = row["r"] if forward else row.get("q", 0.0)
        terms = Terms(row.get("type", "call"), row.get("F", row.get("S")), row["K"], row["r"], q, row["t"], row["sigma"])
        name, unit = names[row["what"]]
        name = "rho_forward" if forward and name == "rho" else name
        expected, tolerance = row["expected"], row["tol"]
        if name in ("n_d1", "n_d2"):
            # The answer has N(d), not d; at its steepest N changes by 0.4 of what d does.
            expected, tolerance = model.normal_cdf(expected), 0.4 * tolerance
        yield terms.check(file, name, expected, tolerance, unit)
        if "more_digits" in row and name not in ("n_d1", "n_d2"):
            # Printed in full by the library: good to its last digit.
            yield terms.check(file, name, row["more_digits"], 1e-11 * max(1.0, abs(row["more_digits"])), unit)


def black_calculator(file, data):
    for row in data["rows"]:
        terms = Terms(row["type"], row["forward"], row["strike"], 0.0, 0.0, 1.0, row["std_dev"])
        yield terms.check(file, "value", row["expected"], row["tol"])
    case = data["greek_case"]
    years, rate = case["maturity"], -math.log(case["discount"]) / case["maturity"]
    carry = math.log(case["forward"] / case["spot"]) / years
    vol = case["std_dev"] / math.sqrt(years)
    terms = Terms(case["type"], case["spot"], case["strike"], rate, rate - carry, years, vol)
    names = dict(Delta="delta", DeltaFwd="delta_forward", Gamma="gamma", GammaFwd="gamma_forward", Theta="theta", Vega="vega",
                 Rho="rho", Elasticity="elasticity", ElasticityFwd="elasticity", DividendRho="dividend_rho",
                 ItmCashProb="n_d2", ItmAssetProb="n_d1", StrikeSensitivity="strike_delta", StrikeGamma="strike_gamma")
    for name, ours in names.items():
        yield terms.check(file, ours, case["expected"][name], case["tol"])


# Functions

def last_digit(text):
    """What one in the last printed digit of a decimal is worth."""
    mantissa, _, exponent = text.lower().partition("e")
    return mpmath.mpf(10) ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def function(file, fn, x, expected, printed):
    """A value printed to about 40 digits or decimals; a binary is asked only inside the range it must serve."""
    tolerance = last_digit(printed) + PRINTED_DIGITS * abs(expected)
    scope = "both" if not fn.startswith("norm") or abs(x) <= NORMAL_RANGE else "reference"
    return Check(file, "math", dict(fn=fn, x=x), lambda a: a["value"], expected, tolerance, scope)


def erf(file, data):
    for _, z, erf_z, erfc_z in data["rows"]:
        x = mpmath.mpf(z) * mpmath.sqrt(2)
        yield function(file, "norm_cdf", x, (1 + mpmath.mpf(erf_z)) / 2, erf_z)
        yield function(file, "norm_cdf", -x, mpmath.mpf(erfc_z) / 2, erfc_z)


def log1p_expm1(file, data):
    for x, log1p, expm1 in data["rows"]:
        yield function(file, "ln", 1 + mpmath.mpf(x), mpmath.mpf(log1p), log1p)
        yield function(file, "exp", mpmath.mpf(x), 1 + mpmath.mpf(expm1), expm1)


# Smiles

def jump_wings_to_raw(v, psi, p, c, v_tilde, t):
    """Raw parameters of a slice given in jump wings: Gatheral and Jacquier (2014), lemma 3.2, for m other than zero."""
    root = math.sqrt(v * t)
    b = root * (c + p) / 2.0
    rho = 1.0 - p * root / b
    beta = rho - 2.0 * psi * root / b
    alpha = math.copysign(math.sqrt(1.0 / beta ** 2 - 1.0), beta)
    m = (v - v_tilde) * t / (b * (-rho + math.copysign(math.sqrt(1.0 + alpha ** 2), alpha) - alpha * math.sqrt(1.0 - rho ** 2)))
    sigma = alpha * m
    return dict(a=v_tilde * t - b * sigma * math.sqrt(1.0 - rho ** 2), b=b, rho=rho, m=m, sigma=sigma)


def svi_vol(file, raw, t, k, read, expected, tolerance):
    return Check(file, "svi", dict(raw, k=k, years=t), lambda a: read(a["vol"]), expected, tolerance)


def direct(file, value, expected, tolerance):
    """A number of the model that no `eval` answers with."""
    return Check(file, None, None, lambda _: value, expected, tolerance, "reference")


def accepted(file, raw, expected):
    """Whether a setter takes the slice, as zero or one."""
    return direct(file, float(model.svi_accepted(**raw)), float(expected), 0.0)


def jump_wings(file, raw, t, expected, tolerance):
    """What of the jump wings can be read off volatilities: at the money, at the minimum, the slope; not the flat wings."""
    if "v" in expected:
        yield svi_vol(file, raw, t, 0.0, lambda vol: vol ** 2, expected["v"], tolerance)
    lowest = raw["m"] - raw["rho"] * raw["sigma"] / math.sqrt(1.0 - raw["rho"] ** 2)
    yield svi_vol(file, raw, t, lowest, lambda vol: vol ** 2, expected["v_tilde"], tolerance)
    up, down = (math.sqrt(model.svi_variance(**raw, k=k)) for k in (1e-5, -1e-5))
    yield direct(file, (up - down) / 2e-5, expected["psi"], tolerance)


def vogt(file, data):
    raw = {name: data["raw"][name] for name in ("a", "b", "rho", "m", "sigma")}
    t, jw, tolerance = data["raw"]["t"], data["expected_jw"], data["jw_tol"]
    yield from jump_wings(file, raw, t, jw, tolerance)
    yield accepted(file, raw, data["butterfly_arbitrage_free"])
    for name, x in jump_wings_to_raw(**jw, t=t).items():
        yield direct(file, x, raw[name], 1e-4)  # seven printed digits, magnified by the inversion
    for repair in data["repairs"]:
        kept = {name: jw[name] for name in repair["keep"]}
        yield accepted(file, jump_wings_to_raw(**kept, c=repair["c"], v_tilde=repair["v_tilde"], t=t),
                       repair["butterfly_arbitrage_free"])


def slice_values(file, data):
    for case in data["cases"]:
        t, tolerance = case["t"], case["tol"]
        raw = case.get("raw") or jump_wings_to_raw(**case["jw_input"], t=t)
        readers = dict(total_variance=lambda vol, t=t: vol ** 2 * t, implied_variance=lambda vol: vol ** 2,
                       implied_vol=lambda vol: vol)
        for point in case["points"]:
            k, expected = point["k"], point["expected"]
            if point["fn"] == "density_g":
                yield direct(file, model.durrleman(**raw, k=k), expected, tolerance)
            else:
                yield svi_vol(file, raw, t, float(k), readers[point["fn"]], expected, tolerance)
        if "jw" in case:
            yield from jump_wings(file, raw, t, case["jw"], tolerance)
        yield accepted(file, raw, case["butterfly_arbitrage_free"])


def quantlib_svi(file, data):
    for case in data["cases"]:
        raw, t = {name: case[name] for name in ("a", "b", "rho", "m", "sigma")}, case["tau"]
        yield svi_vol(file, raw, t, case["k"], lambda vol, t=t: vol ** 2 * t, case["expected_total_variance"], case["tol"])


# Margin

def portfolio(scan_range, spot, expiries, positions, **params):
    underlying = dict(symbol="U", spot=spot, range=scan_range, expiries=expiries)
    params["cell_weights"] = ["0.03"] * 30 + ["0.1"]
    return dict(mode="portfolio", params=params, underlyings=[underlying], collateral=[],
                positions=[dict(position, underlying="U") for position in positions])


def mcmillan(file, data):
    """Scan risk is the loss in the worst scenario; and the identity of the example, a covered write is the future less the
    call, in every cell of our own grid (without shave; the skew cells assume the worse direction and net nothing)."""
    for case in data["cases"]:
        yield direct(file, model.worst_loss(case["array"]), case["expected_scan_risk"], 0.0)
    expiries = [dict(years="0.2", forward="500", vol="0.3")]
    future, call = dict(kind="future", expiry=0, quantity="1"), dict(kind="call", expiry=0, strike="510", quantity="1")
    written = dict(call, quantity="-1")
    books = [portfolio("0.12", "500", expiries, legs, long_factor="1", short_factor="1")
             for legs in ([future], [call], [future, written])]
    alone, bought, covered = (model.margin(book)["arrays"]["U"] for book in books)
    for cell in range(model.CELL_COUNT - len(model.SKEWS)):
        yield Check(file, "margin", books[2], lambda a, i=cell: a["arrays"]["U"][i], alone[cell] - bought[cell], 1e-9)
        yield Check(file, "margin", books[1], lambda a, i=cell: a["arrays"]["U"][i], bought[cell], 1e-9)


def paradex(file, data):
    """The published moves and tail weights are our grid at R = 12 %, seen through the array of one perp; and the example of net
    and hedged delta, with a 70k call whose delta of 0.3 comes from its discount."""
    book = portfolio("0.12", "100", [], [dict(kind="perp", quantity="1")])
    for row in data["scenarios"]:
        cells = [i for i, (move, _, _) in enumerate(model.grid(0.12)) if abs(move * 100.0 - row["spot_pct"]) < 1e-9]
        for i in cells:
            yield Check(file, "margin", book, lambda a, i=i: a["arrays"]["U"][i], row["weight"] * row["spot_pct"],
                        0.0 if row["weight"] == 1 else 0.005 * abs(row["spot_pct"]))  # weights are printed to two decimals
        if not cells:
            yield direct(file, model.tail_weight(row["spot_pct"] / 100.0, 0.12), row["weight"], 0.005)
    power = data["vega_power"]
    yield direct(file, model.DEFAULTS["vol_power_short"], power["dte_lt_30"], 0.0)
    yield direct(file, model.DEFAULTS["vol_power_long"], power["dte_ge_30"], 0.0)

    example, expected = data["example"], data["example"]["expected"]
    spot, (perp, call) = float(example["spot"]), example["positions"]
    items = [spot * leg["size"] * leg["delta"] for leg in (perp, call)]
    net, gross = sum(items), sum(map(abs, items))
    hedged = (gross - abs(net)) / 2.0
    for value, name in ((net, "net_delta"), (gross, "gross_delta"), (hedged, "hedged_delta")):
        yield direct(file, value / spot, expected[name], 1e-12)
    discount = generate.ratio(call["delta"] / model.normal_cdf(0.25))
    legs = [dict(kind="perp", quantity=str(perp["size"])),
            dict(kind="call", expiry=0, strike=str(example["spot"]), quantity=str(call["size"]))]
    expiries = [dict(years="1", forward=str(example["spot"]), discount=discount, vol="0.5")]
    book = portfolio("0.12", str(example["spot"]), expiries, legs, net_charge=str(data["min_delta"]["net"]),
                     hedged_charge=str(data["min_delta"]["hedged"]))
    yield Check(file, "margin", book, lambda a: a["contingencies"]["delta"], example["derived_min_delta_risk_usd"], 0.01)


FILES = dict(haug1998_european=haug, textbook_examples=textbook, quantlib_black_calculator=black_calculator, boost_erf_erfc=erf,
             boost_log1p_expm1=log1p_expm1, gatheral_jacquier_vogt=vogt, svi_slice_values=slice_values,
             quantlib_svi=quantlib_svi, span_mcmillan=mcmillan, paradex_pm=paradex)


def binary_answers(binary, checks):
    """Answers to the checks that a binary can answer, asked kind by kind."""
    answers = {}
    for kind in sorted({check.kind for check in checks}):
        asked = [(i, check) for i, check in enumerate(checks) if check.kind == kind]
        requests = [dict(check.request if kind == "margin" else check.rounded(), id=f"shared-{i}") for i, check in asked]
        for (i, _), answer in zip(asked, compare.ask(binary, kind, requests)):
            answers[i] = as_numbers(answer)
    return [answers[i] for i in range(len(checks))]


def report(label, checks, answers, slack):
    """Prints a line per file; true if every number is within tolerance."""
    failures = []
    for file in FILES:
        mine = [(check, answer) for check, answer in zip(checks, answers) if check.file == file]
        for check, answer in mine:
            value, allowed = check.read(answer), check.tolerance + slack(check)
            if not abs(value - check.expected) <= allowed:
                failures.append(f"{label}: {file}: {value} instead of {check.expected}, tolerance {float(allowed):.3g}: "
                                f"{check.request}")
        if mine:
            stated = [float(check.tolerance) for check, _ in mine]
            span = "the last printed digit" if file.startswith("boost") else f"{min(stated):g} to {max(stated):g}"
            print(f"{label:<10} {file:<28}{len(mine):>6} numbers  tolerance {span}")
    for failure in failures[:MAX_SHOWN]:
        print(failure, file=sys.stderr)
    if len(failures) > MAX_SHOWN:
        print(f"{label}: {len(failures)} failures in all", file=sys.stderr)
    return not failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--binary", help="a program that answers `eval KIND`")
    parser.add_argument("--vectors", type=Path, default=root.parent / "shared" / "vectors")
    options = parser.parse_args()
    if not options.vectors.is_dir():
        print("no ../shared/vectors beside the project: no outside values to check")
        return 0
    with mpmath.workdps(model.EXACT_DIGITS):
        checks = [check for file, rows in FILES.items()
                  for check in rows(file, json.loads((options.vectors / f"{file}.json").read_text()))]
        answers = [reference_answer(check.kind, check.request) if check.kind else None for check in checks]
        good = report("reference", checks, answers, lambda check: 0.0 if check.kind == "math" else DOUBLE_ROUNDING)
        if options.binary:
            # A volatility of zero is out of the command's range.
            asked = [check for check in checks if check.scope == "both" and check.request.get("vol") != 0.0]
            try:
                good &= report("binary", asked, binary_answers(options.binary, asked), Check.slack)
            except compare.BadAnswer as error:
                sys.exit(str(error))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
