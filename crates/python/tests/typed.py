"""Read by mypy and not run: what is right, and what a type checker must not let through."""
from decimal import Decimal
from typing import Dict, List, Optional, Tuple, Union

from typing_extensions import assert_type

import margrave

market = margrave.Market([{"symbol": "BTC", "spot": 60_000, "expiries": [{"years": "0.1", "forward": Decimal(60_000), "vol": 0.5}]}])
margin = market.margin([{"underlying": "BTC", "kind": "perp", "quantity": -1}], mode="cross")
assert_type(margin.maintenance_health, int)
assert_type(margin.arrays, Dict[str, Tuple[int, ...]])
assert_type(market.margins([{}]), List[margrave.Margin])
assert_type(market.margins([{}], return_exceptions=True), List[Union[margrave.Margin, margrave.RiskError]])
assert_type(margrave.black76("put", 1, 1, 1, 1).delta, Decimal)
assert_type(margrave.Accounts({"address": b""}).explain("address", 0).refusal, Optional[margrave.ProgramError])

market.margin([{"underlying": "BTC", "kind": "swap", "quantity": 1}])  # type: ignore[typeddict-item]
market.margin([{"underlying": "BTC", "kind": "perp"}])  # type: ignore[typeddict-item]
margrave.Market([{"symbol": "BTC", "spot": 1, "rnage": 1}])  # type: ignore[typeddict-unknown-key]
margrave.black76("call", 1, 1, 1)  # type: ignore[call-arg]
