"""Writes crates/risk/src/math/tables.rs: the tables of the engine's elementary functions, from mpmath at 60 digits.

    python tests/reference/tables.py > crates/risk/src/math/tables.rs
"""
import mpmath as mp

mp.mp.dps = 60

LOG_BITS, LOG_PIECES, RECIPROCAL_BITS = 48, 128, 15
EXP_PIECES, EXP_BITS = 64, 62
CDF_PIECES_PER_ONE, CDF_BITS, CDF_VALUE_BITS = 256, 40, 32
CDF_START, CDF_END = mp.mpf("-6.25"), mp.mpf("8")
CDF_PIECES = int((CDF_END - CDF_START) * CDF_PIECES_PER_ONE)


def fixed(value, bits):
    return int(mp.nint(value * mp.mpf(2) ** bits))


def log_table():
    """Per 1/128 of [1, 2): a 16-bit reciprocal of its middle, and minus the logarithm of that reciprocal."""
    rows = []
    for piece in range(LOG_PIECES):
        middle = 1 + (mp.mpf(piece) + mp.mpf(1) / 2) / LOG_PIECES
        reciprocal = fixed(1 / middle, RECIPROCAL_BITS)
        rows.append((reciprocal, fixed(-mp.log(mp.mpf(reciprocal) / 2**RECIPROCAL_BITS), LOG_BITS)))
    return rows


def exp_table():
    """2^(j/64)."""
    return [fixed(mp.mpf(2) ** (mp.mpf(j) / EXP_PIECES), EXP_BITS) for j in range(EXP_PIECES)]


def cdf_table():
    """Per 1/256 of [-6.25, 8): the parabola in t of [0, 1) through the normal CDF at the three Chebyshev nodes. The rest of it is
    rounded down to the unit of its constant, so that one is half a step higher."""
    rows = []
    width = (CDF_END - CDF_START) / CDF_PIECES
    nodes = [(1 - mp.cos((2 * i + 1) * mp.pi / 6)) / 2 for i in range(3)]
    vandermonde = mp.matrix([[node**power for power in range(3)] for node in nodes])
    for piece in range(CDF_PIECES):
        start = CDF_START + piece * width
        values = mp.matrix([mp.ncdf(start + node * width) for node in nodes])
        constant, *slopes = mp.lu_solve(vandermonde, values)
        half_step = mp.mpf(2) ** -(CDF_VALUE_BITS + 1)
        rows.append((fixed(constant + half_step, CDF_VALUE_BITS), *(fixed(c, CDF_BITS) for c in slopes)))
    return rows


def tuples(rows):
    return "\n".join("    [" + ", ".join(str(v) for v in row) + "]," for row in rows)


print(f"""//! Written by `tests/reference/tables.py`; not edited by hand.

/// ln 2 in 2^-48.
pub const LN_2: i64 = {fixed(mp.log(2), LOG_BITS)};
/// ln 10 in 2^-48.
pub const LN_10: i64 = {fixed(mp.log(10), LOG_BITS)};
/// 64 / ln 2 in 2^-20.
pub const EXP_PIECES_PER_LN_2: i64 = {fixed(EXP_PIECES / mp.log(2), 20)};
/// 1 / sqrt(2 pi) in 2^-62.
pub const PEAK_OF_PDF: u64 = {fixed(1 / mp.sqrt(2 * mp.pi), 62)};

/// For each 1/128 of [1, 2): the reciprocal of its middle in 2^-15, and the logarithm of 1 over it in 2^-48.
#[rustfmt::skip]
pub static LOG: [[i64; 2]; {LOG_PIECES}] = [
{tuples(log_table())}
];

/// 2^(j/64) in 2^-62.
#[rustfmt::skip]
pub static EXP: [u64; {EXP_PIECES}] = [
{chr(10).join("    " + str(v) + "," for v in exp_table())}
];

/// For each 1/256 of [-6.25, 8): a parabola for the normal CDF, its constant in 2^-32 and half a step high, the others in 2^-40.
#[rustfmt::skip]
pub static CDF: [[i64; 3]; {CDF_PIECES}] = [
{tuples(cdf_table())}
];""")
