"""What the engine answers: named tuples, which compare, pickle and make the columns of a data frame by themselves."""
from __future__ import annotations

from decimal import Decimal
from operator import index
from typing import Dict, NamedTuple, Optional, SupportsIndex, Tuple

Cells = Tuple[int, ...]


class RiskError(ValueError):
    """A rule that was broken; the text names the field, the rule and its bound."""


class ProgramError(RiskError):
    """What the program on chain would refuse with."""

    def __init__(self, code: int, name: str, sentence: str, remedy: str) -> None:
        super().__init__(code, name, sentence, remedy)
        self.code = code
        """The number in a failed transaction, 6000 and above."""
        self.name = name
        """The rule that was broken."""
        self.sentence = sentence
        """What is wrong, in the program's words."""
        self.remedy = remedy
        """What may be done about it."""

    def __str__(self) -> str:
        return f"{self.name} ({self.code}). {self.sentence.rstrip('.')}. {self.remedy}"


def dollars(micros: SupportsIndex) -> Decimal:
    """Micro-dollars as dollars, exactly: Python's ints or NumPy's."""
    return Decimal(f"{index(micros)}E-6")


class _Health:
    """Equity beyond each of the levels, micro-dollars; negative: short of it."""

    __slots__ = ()

    equity: int
    initial_margin: int
    liquidation_end: int
    maintenance_margin: int

    @property
    def initial_health(self) -> int:
        """Negative: no risk may be added, nothing withdrawn."""
        return self.equity - self.initial_margin

    @property
    def liquidation_end_health(self) -> int:
        """Negative: a liquidation that has begun goes on."""
        return self.equity - self.liquidation_end

    @property
    def maintenance_health(self) -> int:
        """Negative: the account may be liquidated."""
        return self.equity - self.maintenance_margin


class WorstCell(NamedTuple):
    """The scenario with the largest loss."""

    underlying: str
    """Its symbol; of an account of the program its address."""
    cell: int
    """Index into the 31 scenarios; 31 is the basis charge."""


class Charges(NamedTuple):
    """What the scenarios cannot see, micro-dollars, never negative. docs/margin-model.md has the formulas."""

    basis: int
    """Expiries moving apart. Part of the scan, named here."""
    delta: int
    """On net and hedged delta."""
    naked_maintenance: int
    """On naked short options."""
    vega: int
    """Volatilities of expiries moving apart."""
    size: int
    """On size beyond the depth."""
    naked_initial: int
    """What initial margin adds on naked short options."""
    confidence: int
    """The oracle's confidence; initial margin only."""
    collateral: int
    """Initial less maintenance haircuts; initial margin only."""
    depeg: int
    """The quote token's peg; initial margin only."""
    stable: int
    """A price that has run ahead of its slower one; initial margin only, and on chain only."""


class CompressedArray(NamedTuple):
    """A risk array in the 64 bytes that the chain stores: cell ``i`` is ``mantissas[i] * 2**exponent`` micro-dollars, rounded down."""

    exponent: int
    mantissas: Cells


class Greeks(NamedTuple):
    """Sensitivities of everything held on an underlying, to twelve decimals; reported, and no part of the margin."""

    delta: Decimal
    """Units."""
    gamma: Decimal
    """Units per dollar."""
    vega: Decimal
    """Dollars per 1.00 of volatility."""
    theta: Decimal
    """Dollars per year that passes."""


class DollarGreeks(NamedTuple):
    """The program's own sensitivities, micro-dollars."""

    delta: int
    """Change of value per price change of 100 %, at this slope."""
    gamma: int
    """Change of that per price change of 100 %, at this slope."""
    vega: int
    """Change of value per 1.00 of volatility."""
    theta: int
    """Change of value per year that passes."""


class Margin(_Health, NamedTuple(
    "Margin",
    [
        ("equity", int),
        ("initial_margin", int),
        ("liquidation_end", int),
        ("maintenance_margin", int),
        ("scan", int),
        ("expected_shortfall", int),
        ("worst", Optional[WorstCell]),
        ("charges", Charges),
        ("arrays", Dict[str, Cells]),
        ("compressed", Dict[str, CompressedArray]),
        ("greeks", Dict[str, Greeks]),
    ],
)):
    """The margin of a portfolio. Dollars are micro-dollars.

    ``equity`` counts haircuts of collateral, rounded down; ``initial_margin`` is needed to add risk, ``maintenance_margin`` not to be
    liquidated, ``liquidation_end`` is where a liquidation stops, all rounded up. ``scan`` is the scanning loss after offsets,
    ``expected_shortfall`` that of the worst 2.5 %, ``worst`` the largest loss (None without exposure). ``arrays`` has profit and loss in
    each of the 31 :func:`scenarios` by underlying.
    """

    __slots__ = ()


class Levels(_Health, NamedTuple(
    "Levels",
    [("equity", int), ("initial_margin", int), ("liquidation_end", int), ("maintenance_margin", int)],
)):
    """Equity and the margin levels of an account, micro-dollars, rounded as in :class:`Margin`."""

    __slots__ = ()


class AccountMargin(_Health, NamedTuple(
    "AccountMargin",
    [
        ("equity", int),
        ("initial_margin", int),
        ("liquidation_end", int),
        ("maintenance_margin", int),
        ("scan", int),
        ("worst", Optional[WorstCell]),
        ("charges", Charges),
        ("arrays", Dict[str, Cells]),
        ("greeks", Dict[str, DollarGreeks]),
        ("sequence", int),
        ("refusal", Optional[ProgramError]),
    ],
)):
    """What the program's ``explain`` returns, for all underlyings. Dollars are micro-dollars.

    As :class:`Margin`, with arrays and sensitivities by the underlying's address. ``sequence`` is the account's; ``refusal`` is what an
    action that adds risk would be refused for, a stale price for one, and None where nothing stands in its way.
    """

    __slots__ = ()


class Stored(_Health, NamedTuple(
    "Stored",
    [
        ("equity", int),
        ("initial_margin", int),
        ("liquidation_end", int),
        ("maintenance_margin", int),
        ("arrays", Dict[str, Cells]),
        ("valued_at", int),
        ("valued_sequence", int),
        ("sequence", int),
    ],
)):
    """The last valuation in a margin account's bytes: micro-dollars, arrays by the underlying's address as they are compressed.

    It was made at unix time ``valued_at``, and is of the account as it is now while ``valued_sequence`` equals ``sequence``.
    """

    __slots__ = ()


class Preview(NamedTuple):
    """What a change would do to an account: the answer of the program's ``preview``."""

    before: Levels
    after: Levels
    premium: int
    """What the options cost in cash, micro-dollars; negative: bring."""
    sequence: int
    """The account's sequence that this holds for."""


class Position(NamedTuple):
    """One position of an account, as if it were all that the account has."""

    underlying: str
    """Its address."""
    kind: str
    """``perp``, ``future``, ``call`` or ``put``."""
    expiry: Optional[int]
    """Unix time."""
    strike: Optional[Decimal]
    """Dollars."""
    quantity: Decimal
    """Whole units; negative: short."""
    mark: Decimal
    """Dollars per unit."""
    value: int
    """Micro-dollars, rounded down: an option at its mark, of others profit and loss with ``funding`` taken off."""
    funding: int
    """What a perp owes that was not charged yet, micro-dollars, rounded up; negative: what it gets."""
    initial_margin: int
    """Of the position alone, micro-dollars."""
    maintenance_margin: int
    """Of the position alone, micro-dollars."""
    greeks: DollarGreeks
    cells: Cells
    """Profit and loss in each scenario, micro-dollars; those of positions need not add up to the underlying's."""


class ListedStrike(NamedTuple):
    """The call and the put of one strike."""

    strike: Decimal
    """Dollars."""
    vol: Decimal
    """Implied volatility per year, 0.6 is 60 %."""


class ListedExpiry(NamedTuple):
    """An expiry with its strikes."""

    time: int
    """Unix time."""
    years: Decimal
    """To it, of 365 days, when the last price was accepted."""
    forward: Decimal
    """Dollars."""
    discount: Decimal
    """What a dollar then is worth now."""
    strikes: Tuple[ListedStrike, ...]


class Sheet(NamedTuple):
    """What is listed on an underlying of the program, and its market."""

    symbol: str
    price: Decimal
    """Dollars, the oracle's."""
    confidence: Decimal
    """The half-width of the oracle's confidence interval, dollars."""
    stable_price: Decimal
    """The price that follows slowly, dollars: where risk is added, the worse of the two counts."""
    publish_time: int
    """Of the price, unix time."""
    scan_range: Decimal
    """A fraction of the price."""
    expiries: Tuple[ListedExpiry, ...]


class OptionValue(NamedTuple):
    """An option's value and sensitivities by Black's formula."""

    value: Decimal
    """Dollars per unit, rounded down; within 1e-8 of the forward."""
    delta: Decimal
    """To the forward, discounted."""
    gamma: Decimal
    """Change of delta per dollar."""
    vega: Decimal
    """Dollars per 1.00 of volatility."""
    theta: Decimal
    """Dollars per year that passes."""


class SmilePoint(NamedTuple):
    """A smile at one strike."""

    vol: Decimal
    """Per year, 0.6 is 60 %."""
    free_of_butterflies: bool
    """Whether the smile, as far as it is used, gives no strike a negative density."""
    density: Decimal
    """Durrleman's g(k) here (Gatheral and Jacquier 2014)."""


class Scenario(NamedTuple):
    """One cell of the grid."""

    move: Decimal
    """Of the price, as a fraction of it."""
    vol: str
    """What volatility does: ``down``, ``same``, ``up``, ``rotated`` or ``wings``."""
