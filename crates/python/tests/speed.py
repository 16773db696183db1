"""Portfolios a second of one processor, from Python, of the committed vectors: the module, `margrave eval`, and the reference model.

`MARGRAVE_EVAL` names the second; `./dev python --bench` sets it.
"""
import json
import os
import subprocess
import time

import margrave
import model
from conftest import ROOT, market_of, portfolio_of, vectors

LEAST_SECONDS = 4.0


def processor_seconds():
    """Of this process and those that it has waited for: other work on the machine does not count."""
    return sum(os.times()[:4])


def rate(label, count, work):
    """Repeats `work`, which values `count` portfolios, for a while; the fastest counts."""
    start, best = time.perf_counter(), float("inf")
    while time.perf_counter() - start < LEAST_SECONDS:
        began = processor_seconds()
        work()
        best = min(best, processor_seconds() - began)
    print(f"{label:<64}{count / best:>12,.0f}", flush=True)


def options_of(request):
    return sum(position["kind"] in ("call", "put") for position in request["positions"])


def main():
    requests = vectors("margin")
    held = sum(len(request["positions"]) for request in requests) / len(requests)
    print(f"{len(requests)} portfolios of {held:.1f} positions on average, each with a market of its own: a second")
    rate("reference model", len(requests), lambda: [model.margin(request) for request in requests])
    lines = "".join(json.dumps(request) + "\n" for request in requests) * 10
    rate("margrave eval margin", 10 * len(requests),
         lambda: subprocess.run([os.environ["MARGRAVE_EVAL"], "margin"], input=lines, stdout=subprocess.PIPE, text=True, check=True))
    rate("Market(...).margin(...)", 10 * len(requests),
         lambda: [market_of(request).margin(**portfolio_of(request)) for request in requests * 10])

    request = max((request for request in requests if len(request["positions"]) == 6), key=options_of)
    market, many = market_of(request), [portfolio_of(request)] * 5_000
    print(f"one market of {len(request['underlyings'])} underlyings, portfolios of 6 positions, {options_of(request)} of them options:")
    rate("margin, one by one", len(many), lambda: [market.margin(**portfolio) for portfolio in many])
    rate("margins", len(many), lambda: market.margins(many))

    world = json.loads((ROOT / "app/client/fixtures/world.json").read_text())
    accounts = margrave.Accounts()
    for account in world["accounts"].values():
        if account["type"] in ("Group", "Bank", "Underlying", "MarginAccount"):
            accounts.put(account["address"], bytes.fromhex(account["data"]))
    many = [world["accounts"]["alice"]["address"]] * 100_000
    print("accounts of the program, 4 positions and 2 tokens:")
    rate("values", len(many), lambda: accounts.values(many, world["now"]))


if __name__ == "__main__":
    main()
