from decimal import Decimal
from typing import Iterable, List, Mapping, Optional, Protocol, Sequence, SupportsFloat, SupportsIndex, Tuple, TypedDict, Union, overload

from typing_extensions import Literal, NotRequired, Required

from margrave.results import AccountMargin, Levels, Margin, OptionValue, Position, Preview, RiskError, Scenario, Sheet, SmilePoint, Stored

Number = Union[str, int, float, Decimal, SupportsFloat, SupportsIndex]
"""A decimal. A float counts as the shortest decimal that prints it; a str or Decimal is read exactly, at most 28 digits."""

class _Printed(Protocol):
    def __str__(self) -> str: ...

Address = Union[str, bytes, _Printed]
"""Base58, 32 bytes, or what prints itself as base58 (``solders.pubkey.Pubkey``)."""

Kind = Literal["perp", "future", "call", "put"]
Mode = Literal["portfolio", "cross", "isolated"]

class Svi(TypedDict):
    """Raw SVI in total variance: w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)) (Gatheral 2004)."""

    a: Number
    b: Number
    rho: Number
    m: Number
    sigma: Number

class Expiry(TypedDict, total=False):
    """years 0 to 8; forward in dollars; discount above 0 to 1, default 1; for options either vol (above 0 to 32) or svi."""

    years: Required[Number]
    forward: Required[Number]
    discount: Number
    vol: Number
    svi: Svi

class Underlying(TypedDict, total=False):
    """What is listed and where its market is. Dollars and fractions."""

    symbol: Required[str]
    spot: Required[Number]
    confidence: Number
    """The oracle's half-width, dollars; default 0."""
    range: Number
    """The scan range, a fraction above 0 and at most 3, rounded up; default 0.18."""
    group: Union[str, int]
    """Underlyings with the same label offset each other."""
    kappa: Number
    """How much of it, 0 to 0.8; a group takes the least of its members'. Default 0."""
    depth: Number
    """Dollars above which size is charged; default: none."""
    profit_cap: Number
    """Dollars of unsettled profit that count; default: all."""
    ramp: Number
    """The part of the worst loss that maintenance margin sees, 0 to 1; default 1."""
    expiries: Sequence[Expiry]

class PositionIn(TypedDict, total=False):
    """A position of a portfolio."""

    underlying: Required[str]
    kind: Required[Kind]
    expiry: Union[int, str]
    """Index into the underlying's expiries, from 0; not for perps."""
    strike: Number
    """Dollars; options only."""
    quantity: Required[Number]
    """Whole units: long positive, short negative; at most 18 decimals."""
    entry: Number
    """Dollars; perps and futures, default the mark. An option's premium is paid in cash: its full mark is equity."""

class Collateral(TypedDict, total=False):
    """A balance. Without underlying and haircuts it is cash."""

    asset: str
    underlying: str
    """With it the asset is inside that underlying's risk array."""
    amount: Required[Number]
    """Units; negative for a debt."""
    price: Required[Number]
    """Dollars."""
    haircut_maintenance: Number
    """0 to 1, default 0."""
    haircut_initial: Number
    """At least the maintenance one, which is the default."""

class Portfolio(TypedDict, total=False):
    positions: Sequence[PositionIn]
    collateral: Sequence[Collateral]
    mode: Mode

class Trade(TypedDict, total=False):
    """A leg that an account would trade as the taker."""

    underlying: Required[Address]
    kind: Required[Kind]
    expiry: int
    """Unix time; not for perps."""
    strike: Number
    """Dollars; options only."""
    quantity: Required[Number]
    """Whole units: positive buys, negative sells; no more digits than the underlying has."""
    price: Number
    """Dollars per unit, to the nearest 1e-10; default the mark."""

class Balance(TypedDict):
    """A deposit, or with a negative amount a withdrawal, in whole tokens of a bank."""

    bank: Address
    amount: Number

class Move(TypedDict, total=False):
    """A market that has moved. Scan range, smiles' shapes and carries stay, the stable price is as far from the price as it was."""

    underlying: Required[Address]
    price: Number
    """Dollars, to the nearest 1e-10; default: as it is."""
    vol_change: Number
    """Of every volatility, as a fraction of itself above -1, to six decimals; default 0."""
    seconds: Number
    """That pass; ask with a ``now`` that is so much later."""

class Market:
    """What portfolios are valued by: read once, to value many. It does not change; threads may share it.

    Args:
        underlyings: What is listed, each with a symbol of its own.
        params: Overrides of the standard terms; ``margrave eval --help`` and docs/parameters.md list them.

    Raises:
        RiskError: A field is missing, is not known or breaks a bound; the text names both.
    """

    def __new__(cls, underlyings: Sequence[Underlying], params: Optional[Mapping[str, object]] = None) -> "Market": ...

    def margin(
        self,
        positions: Optional[Sequence[PositionIn]] = None,
        collateral: Optional[Sequence[Collateral]] = None,
        mode: Optional[Mode] = None,
    ) -> Margin:
        """Equity, margin levels, risk arrays and charges of a portfolio (docs/margin-model.md).

        The numbers are those of ``margrave eval margin`` and of the program's engine, bit for bit.

        Raises:
            RiskError: As for the market; more than 64 items; a value beyond 2^50 micro-dollars.
        """

    @overload
    def margins(
        self, portfolios: Iterable[Portfolio], *, threads: int = 1, return_exceptions: Literal[True]
    ) -> List[Union[Margin, RiskError]]: ...
    @overload
    def margins(
        self, portfolios: Iterable[Portfolio], *, threads: int = 1, return_exceptions: Literal[False] = False
    ) -> List[Margin]:
        """The same of many portfolios, in their order.

        Args:
            portfolios: Mappings with ``positions``, ``collateral`` and ``mode``.
            threads: 1 to 256. The interpreter's lock is free while they work.
            return_exceptions: Put a portfolio's RiskError in its place instead of raising the first one.
        """

def scenarios(scan_range: Number) -> Tuple[Scenario, ...]:
    """The 31 scenarios of an underlying with this scan range, in the order of the cells.

    Raises:
        RiskError: The range is not above 0 and at most 3.
    """

def black76(
    kind: Literal["call", "put"], forward: Number, strike: Number, vol: Number, years: Number, discount: Optional[Number] = None
) -> OptionValue:
    """The value and sensitivities of a European option on a forward (Black 1976), as the engine has them.

    The value is rounded down and within 1e-8 of the forward for strikes of a fifth to five times it; greeks are within 1e-6 of the size
    of each at the money.

    Args:
        forward, strike: Dollars, 1e-12 to 1e16, the same unit for both.
        vol: Per year, above 0 to 32; 0.6 is 60 %.
        years: 0 to 8.
        discount: What a dollar at expiry is worth now, above 0 to 1; default 1.

    Raises:
        RiskError: A number is out of its bounds.
    """

def implied_vol(
    kind: Literal["call", "put"], forward: Number, strike: Number, value: Number, years: Number, discount: Optional[Number] = None
) -> Decimal:
    """The least volatility, in steps of total volatility of 2^-30, at which :func:`black76` is worth ``value`` or more.

    Raises:
        RiskError: As :func:`black76`; a value that is not above the intrinsic one, or above what any volatility gives.
    """

def svi(a: Number, b: Number, rho: Number, m: Number, sigma: Number, k: Number, years: Number) -> SmilePoint:
    """The volatility of a raw SVI smile in total variance at log-moneyness k = ln(strike / forward), flat beyond 4.

    Raises:
        RiskError: b is not 0 to 8, |rho| not below 1, sigma not above 0, a parameter beyond 8, a negative variance, years not 0 to 8.
    """

class Accounts:
    """Accounts of the program as fetched from a cluster, and the valuations that the chain would make of them.

    The code is the program's, so that an answer is what the chain would decide at the unix time ``now`` with these bytes. Threads may
    share it.

    Args:
        accounts: Data by address, to be kept as by :meth:`put`.
    """

    def __new__(cls, accounts: Optional[Mapping[Address, bytes]] = None) -> "Accounts": ...

    def put(self, address: Address, data: bytes) -> str:
        """Keep an account's data in place of what was at its address.

        Returns:
            ``Group``, ``Bank``, ``Underlying`` or ``MarginAccount``.

        Raises:
            RiskError: No address; data of another type, length or version.
        """

    def needed(self, account: Address) -> List[str]:
        """The addresses that valuing a margin account reads: its group, its banks and its underlyings, to be fetched and put.

        A group's quote bank is among them while there is a balance in it; trades with a premium need it.
        """

    def value(self, account: Address, now: int) -> Levels:
        """Equity and margin levels that the chain would find.

        Raises:
            ProgramError: An account that is not here, a price that is too old, and whatever else the program refuses for.
        """

    @overload
    def values(
        self, accounts: Iterable[Address], now: int, *, threads: int = 1, return_exceptions: Literal[True]
    ) -> List[Union[Levels, RiskError]]: ...
    @overload
    def values(
        self, accounts: Iterable[Address], now: int, *, threads: int = 1, return_exceptions: Literal[False] = False
    ) -> List[Levels]:
        """:meth:`value` of many accounts, in their order; the arguments are those of :meth:`Market.margins`."""

    def explain(self, account: Address, now: int) -> AccountMargin:
        """Every number behind an account's margin, as the program's ``explain`` returns it.

        Raises:
            ProgramError: As :meth:`value`, except that a stale price is only noted, in ``refusal``.
        """

    def positions(self, account: Address, now: int) -> List[Position]:
        """Every position by itself, in the account's order. Raises as :meth:`value`, but for stale prices."""

    def preview(
        self, account: Address, now: int, *, trades: Optional[Sequence[Trade]] = None, balances: Optional[Sequence[Balance]] = None
    ) -> Preview:
        """What the program's ``preview`` would return: margin before and after trades, deposits and withdrawals.

        Counterparty, caps and liquidity are not looked at, and fees not charged.

        Raises:
            RiskError: A trade or balance that is not well formed, or not listed.
            ProgramError: As :meth:`value`, and what the change is refused for, except for margin.
        """

    def suppose(
        self,
        account: Address,
        now: int,
        *,
        trades: Optional[Sequence[Trade]] = None,
        balances: Optional[Sequence[Balance]] = None,
        moves: Optional[Sequence[Move]] = None,
    ) -> "Accounts":
        """Copies of one account and of what values it, in which it has traded at ``now`` and the market has moved since.

        A premium goes into or out of the balance of the quote token, in whole shares. Raises as :meth:`preview`.
        """

    def sheet(self, underlying: Address) -> Sheet:
        """What is listed on an underlying, and its market as the chain has it: what a :class:`Market` can be made of.

        Prices are exact; volatilities, ranges, times and discounts, which are binary fractions, are rounded to 12 decimals.

        Raises:
            RiskError: It is not here.
            ProgramError: It has no price yet, or its bytes are not well formed.
        """

    def mark(
        self, underlying: Address, now: int, *, kind: Kind = "perp", expiry: Optional[int] = None, strike: Optional[Number] = None
    ) -> Decimal:
        """What an instrument is worth by its sheet, dollars per unit.

        Raises:
            RiskError: Nothing of this expiry or strike is listed.
            ProgramError: It no longer trades.
        """

    def stored(self, account: Address) -> Stored:
        """What the chain has stored of the account's last valuation."""

    def revalued(self, account: Address, now: int) -> bytes:
        """The margin account's data as the chain would store it after valuing it. Raises as :meth:`value`."""
