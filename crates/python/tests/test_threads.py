"""Threads share a market and accounts, and run while the engine does."""
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import margrave
from conftest import market_of, portfolio_of, vectors


@pytest.fixture
def unhurried():
    """No thread is made to give the interpreter's lock away: others run only when it is released."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(30)
    yield
    sys.setswitchinterval(interval)


def steps_during(work):
    """How often another thread was able to run while `work` did."""
    steps, done = [0], threading.Event()

    def step():
        while not done.is_set():
            steps[0] += 1
            time.sleep(0.001)

    other = threading.Thread(target=step)
    other.start()
    time.sleep(0.01)
    before = steps[0]
    work()
    ran = steps[0] - before
    done.set()
    other.join()
    return ran


def test_the_interpreters_lock_is_free_while_accounts_are_valued(world, accounts, unhurried):
    alice, now = world["accounts"]["alice"]["address"], world["now"]
    many = [alice] * 100_000
    assert steps_during(lambda: accounts.values(many, now)) > 5


def test_the_interpreters_lock_is_free_while_portfolios_are(unhurried):
    request = max(vectors("margin"), key=lambda request: len(request["positions"]))
    market, portfolios = market_of(request), [portfolio_of(request)] * 2_000
    assert steps_during(lambda: market.margins(portfolios)) > 5
    # What holds it lets nobody run.
    assert steps_during(lambda: sum(range(3_000_000))) <= 1


def test_threads_share_a_market_and_accounts(world, accounts):
    now, requests = world["now"], vectors("margin")[:40]
    addresses = [world["accounts"][name]["address"] for name in ("alice", "carol", "maker")]
    group = world["accounts"]["group"]

    def work(_):
        margins = [market_of(request).margin(**portfolio_of(request)) for request in requests]
        accounts.put(group["address"], bytes.fromhex(group["data"]))
        return margins, accounts.values(addresses * 20, now), accounts.explain(addresses[0], now)

    expected = work(0)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(work, range(16)):
            assert answer == expected


def test_a_market_does_not_change():
    market = margrave.Market([{"symbol": "X", "spot": 1}])
    with pytest.raises(AttributeError):
        market.underlyings = []
