//! Nothing here: see `cases` (the tests of the compiled program) and `cu` (its compute units).
