"""Calibrates the cell weights of expected shortfall on hourly prices: `python cell_weights.py FOLDER`.

Every hour is the start of a one-day move. Its price node is the nearest of the grid's for R = 3.25 EWMA volatilities (10-day memory)
known at its start, its volatility the nearest of -25 %, 0 and +50 % to the change of a 3-day EWMA volatility over the day: realised
stands for implied, which has no free history. The skew cells are an assumption, 1 % each. Prints 31 numbers in millionths.
"""
import csv
import math
import sys
from pathlib import Path

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
DAY = 24
MULTIPLE = 3.25
SKEW = 10_000
LEAST = 10
TAILS = (-0.66, -0.33, 0.5, 1.0, 2.0, 4.0)
CORE_NODES = 7


def closes(path):
    """Hourly closing prices."""
    with path.open() as file:
        return [float(row["close"]) for row in csv.DictReader(file)]


def ewma(returns, memory_hours):
    """Hourly volatility known at the end of each hour."""
    keep, variance, out = math.exp(-1.0 / memory_hours), returns[0] ** 2, []
    for r in returns:
        variance = keep * variance + (1.0 - keep) * r * r
        out.append(math.sqrt(variance))
    return out


def cell(move, scan_range, vol_change):
    """The nearest cell of the grid."""
    thirds = round(3.0 * move / scan_range)
    if abs(thirds) <= 3:
        vol = 0 if vol_change < -0.125 else 2 if vol_change > 0.25 else 1
        return 3 * (thirds + 3) + vol
    edges = {21: -4.0 / 3.0 * scan_range, 22: 4.0 / 3.0 * scan_range}
    edges.update({23 + i: tail for i, tail in enumerate(TAILS) if abs(tail) > 4.0 / 3.0 * scan_range})
    return min(edges, key=lambda i: abs(edges[i] - move))


def main(folder):
    counts = [0] * 29
    for symbol in SYMBOLS:
        prices = closes(Path(folder) / f"{symbol}_1h.csv")
        returns = [math.log(b / a) for a, b in zip(prices, prices[1:])]
        slow, fast = ewma(returns, 10 * DAY), ewma(returns, 3 * DAY)
        for i in range(30 * DAY, len(returns) - DAY):
            move = prices[i + 1 + DAY] / prices[i + 1] - 1.0
            counts[cell(move, MULTIPLE * slow[i] * math.sqrt(DAY), fast[i + DAY] / fast[i] - 1.0)] += 1
    total = 1_000_000 - 2 * SKEW
    weights = [max(LEAST, round(total * count / sum(counts))) for count in counts] + [SKEW, SKEW]
    weights[10] += 1_000_000 - sum(weights)
    print(sum(counts), "days from", ", ".join(SYMBOLS))
    print(weights)


main(sys.argv[1])
