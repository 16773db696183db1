"""Portfolio margin, bit for bit as Margrave's program on Solana computes it.

Dollar amounts in answers are whole micro-dollars (``int``): what the account owns rounded down, what it must post rounded up. Prices,
quantities, volatilities and option values are exact ``decimal.Decimal``. Numbers in questions may be ``str``, ``Decimal``, ``int``, a
float or a NumPy number; a float counts as the shortest decimal that prints it. Every function raises :class:`RiskError` with the rule
that was broken, and :class:`ProgramError` where the program on chain would refuse.
"""
from margrave._engine import Accounts, Market, black76, implied_vol, scenarios, svi
from margrave.results import (
    AccountMargin,
    Charges,
    CompressedArray,
    DollarGreeks,
    Greeks,
    Levels,
    ListedExpiry,
    ListedStrike,
    Margin,
    OptionValue,
    Position,
    Preview,
    ProgramError,
    RiskError,
    Scenario,
    Sheet,
    SmilePoint,
    Stored,
    WorstCell,
    dollars,
)

__all__ = [
    "AccountMargin",
    "Accounts",
    "Charges",
    "CompressedArray",
    "DollarGreeks",
    "Greeks",
    "Levels",
    "ListedExpiry",
    "ListedStrike",
    "Margin",
    "Market",
    "OptionValue",
    "Position",
    "Preview",
    "ProgramError",
    "RiskError",
    "Scenario",
    "Sheet",
    "SmilePoint",
    "Stored",
    "WorstCell",
    "black76",
    "dollars",
    "implied_vol",
    "scenarios",
    "svi",
]
