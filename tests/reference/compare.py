"""Compares `margrave-eval` with the reference on fresh random requests.

    python compare.py price|math|svi|margin --binary PATH [--count N] [--seed S]

Requests go as JSON lines through `PATH eval KIND`. Prints the worst error of every field beside its tolerance and exits with 1
if one is beyond it; the requests that are worst beyond it follow, one JSON line each. The same seed gives the same requests.
"""
import argparse
import json
import math
import subprocess
import sys
from decimal import Decimal
from random import Random, SystemRandom

import mpmath

import generate
import model

DEFAULT_COUNTS = dict(price=100_000, math=20_000, svi=20_000, margin=1_000)

# Tolerances. Those of greeks are fractions of the largest value the greek of such an option can have.
PRICE_OF_FORWARD = 1e-8
GREEK_OF_SCALE = 1e-6
MATH_NORMAL = 3e-9
MATH_RELATIVE = 1e-9
SVI_VOL = 1e-8
MARGIN_OF_GROSS = 1e-7
# The engine counts whole micro-dollars: each of up to about a hundred rounded items adds at most one.
MARGIN_CONSTANT = 1e-4
MARGIN_FIELDS = ("equity", "initial_margin", "liquidation_end", "maintenance_margin", "scan", "expected_shortfall")


class BadAnswer(Exception):
    """The binary failed, or answered in another shape."""


def ask(binary, kind, requests):
    """Answers of `binary kind`, one per request and in its order."""
    lines = "".join(json.dumps(request, separators=(",", ":")) + "\n" for request in requests)
    run = subprocess.run([binary, kind], input=lines, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        raise BadAnswer(f"eval {kind} ended with {run.returncode}")
    answers = [json.loads(line) for line in run.stdout.splitlines() if line.strip()]
    if len(answers) != len(requests):
        raise BadAnswer(f"eval {kind} answered {len(answers)} of {len(requests)} requests")
    for request, answer in zip(requests, answers):
        if answer.get("id") != request["id"]:
            raise BadAnswer(f"eval {kind} answered {answer} to {request}")
    return answers


class Table:
    """The worst error of every field, measured in its tolerance."""

    def __init__(self):
        self.worst, self.counts, self.failures = {}, {}, {}

    def add(self, field, value, reference, tolerance, request):
        """One number; `value` may be what the binary printed."""
        error = abs(float(value) - reference)
        share = error / tolerance
        share = math.inf if math.isnan(share) else share
        self.counts[field] = self.counts.get(field, 0) + 1
        if field not in self.worst or share > self.worst[field][0]:
            self.worst[field] = (share, error, tolerance, request["id"])
            if share > 1.0:
                self.failures[field] = (request, value, reference)

    def report(self):
        """Prints the table; true if everything is within tolerance."""
        print(f"{'field':<34}{'numbers':>9}  {'worst error':>12}  {'tolerance':>12}  {'error/tol':>10}  request")
        for field, (share, error, tolerance, name) in self.worst.items():
            print(f"{field:<34}{self.counts[field]:>9}  {error:>12.3e}  {tolerance:>12.3e}  {share:>10.3g}  {name}"
                  + ("  BEYOND" if share > 1.0 else ""))
        for field, (request, value, reference) in self.failures.items():
            print(f"{field}: {value} instead of {reference!r} for\n{json.dumps(request)}", file=sys.stderr)
        return not self.failures


def check_price(table, request, answer):
    """Against QuantLib, and against mpmath where doubles might be what is wrong."""
    kind, *numbers = generate.price_inputs(request)
    reference, exact = model.price(kind, *map(float, numbers)), None
    for name, scale in generate.greek_scales(request).items():
        tolerance = scale * (PRICE_OF_FORWARD if name == "value" else GREEK_OF_SCALE)
        expected = reference[name]
        if not abs(float(answer[name]) - expected) <= tolerance:
            exact = exact or model.price_exact(kind, *numbers)
            expected = float(exact[name])
        table.add(name, answer[name], expected, tolerance, request)


def check_math(table, request, answer):
    fn = request["fn"]
    with mpmath.workdps(model.EXACT_DIGITS):
        reference = model.evaluate_math(fn, request["x"], request.get("y"))
        error = abs(mpmath.mpf(answer["value"]) - reference)
        error = error / reference if fn in ("exp", "sqrt", "pow") else error
    table.add(fn, error, 0.0, MATH_NORMAL if fn.startswith("norm") else MATH_RELATIVE, request)


def check_svi(table, request, answer):
    reference = model.svi(**{name: float(x) for name, x in request.items() if name != "id"})
    table.add("vol", answer["vol"], reference, SVI_VOL, request)


def check_margin(table, request, answer):
    reference = model.margin(request)
    tolerance = MARGIN_OF_GROSS * reference["gross"] + MARGIN_CONSTANT
    for name in MARGIN_FIELDS:
        table.add(name, answer[name], reference[name], tolerance, request)
    for name, value in reference["contingencies"].items():
        table.add(f"contingencies.{name}", answer["contingencies"][name], value, tolerance, request)
    # An underlying that nothing is held on may be left out.
    for symbol in reference["arrays"].keys() | answer["arrays"].keys():
        expected = reference["arrays"].get(symbol, [0.0] * model.CELL_COUNT)
        cells = answer["arrays"].get(symbol, ["0"] * model.CELL_COUNT)
        if len(cells) != model.CELL_COUNT:
            raise BadAnswer(f"{request['id']}: {len(cells)} cells")
        for value, cell in zip(cells, expected):
            table.add("arrays", value, cell, tolerance, request)
    check_compressed(table, request, answer)
    check_worst(table, request, answer["worst"], reference, tolerance)


def check_compressed(table, request, answer):
    """Each stored cell at or below the printed one, by less than one step; steps counted, exactly."""
    if answer["compressed"].keys() != answer["arrays"].keys():
        raise BadAnswer(f"{request['id']}: compressed arrays of other underlyings")
    for symbol, cells in answer["arrays"].items():
        step = 2 ** int(answer["compressed"][symbol]["exponent"])
        mantissas = [int(x) for x in answer["compressed"][symbol]["mantissas"]]
        if len(mantissas) != len(cells):
            raise BadAnswer(f"{request['id']}: {len(mantissas)} mantissas")
        short = [Decimal(cell) * 1_000_000 - mantissa * step for cell, mantissa in zip(cells, mantissas)]
        broken = sum(not 0 <= x < step for x in short)
        table.add("compressed cells out of bounds", broken, 0, 0.5, request)


def check_worst(table, request, worst, reference, tolerance):
    """What the binary calls the worst cell must lose as much as the worst one does, within the tolerance: ties are free."""
    losses = {(symbol, cell): -value for symbol, array in reference["arrays"].items() for cell, value in enumerate(array)}
    losses |= {(symbol, model.BASIS_CELL): value for symbol, value in reference["basis"].items()}
    most = max([0.0, *losses.values()])
    named = 0.0 if worst is None else losses[worst["underlying"], int(worst["cell"])]
    table.add("worst (loss of the named cell)", named, most, tolerance, request)


CHECKS = dict(price=check_price, math=check_math, svi=check_svi, margin=check_margin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=CHECKS)
    parser.add_argument("--binary", required=True, help="margrave-eval, or a program that answers as it does")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10 ** 9), help="random if absent; printed")
    options = parser.parse_args()
    count = options.count or DEFAULT_COUNTS[options.kind]
    print(f"{options.kind}: {count} requests, seed {options.seed}")
    requests = generate.KINDS[options.kind][0](Random(f"{options.seed} compare {options.kind}"), count)
    table = Table()
    try:
        for request, answer in zip(requests, ask(options.binary, options.kind, requests)):
            CHECKS[options.kind](table, request, answer)
    except BadAnswer as error:
        sys.exit(str(error))
    sys.exit(0 if table.report() else 1)


if __name__ == "__main__":
    main()
