//! Tests of the compiled program on the real runtime. One binary, one file per instruction, journeys in `stories`.

mod smoke;
