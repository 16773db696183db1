import { describe, expect, test } from "vitest";
import { formatAmount, parseAmount, type Rounding } from "../src/index.js";

describe("amounts", () => {
  test.each([
    ["1.5", 6, 1_500_000n],
    ["-0.000001", 6, -1n],
    ["+7", 0, 7n],
    [".5", 1, 5n],
    ["5.", 1, 50n],
    ["123456789012345678901234567890", 2, 12345678901234567890123456789000n],
    ["1.500000000", 1, 15n],
  ])("%s at %i decimals is %i", (text, decimals, amount) => {
    expect(parseAmount(text, decimals)).toBe(amount);
  });

  test.each(["", ".", "-", "1e3", "1,000", "0x10", "1.2.3", "NaN"])("'%s' is not a decimal number", text => {
    expect(() => parseAmount(text, 6)).toThrow("is not a decimal number");
  });

  test("digits that do not fit are refused unless a rounding is named", () => {
    expect(() => parseAmount("1.23", 1)).toThrow("more than 1 decimals");
  });

  const roundings: [Rounding, [bigint, bigint, bigint, bigint]][] = [
    ["down", [12n, 12n, -13n, -13n]],
    ["up", [13n, 13n, -12n, -12n]],
    ["nearest", [12n, 13n, -12n, -13n]],
  ];
  test.each(roundings)("%s rounds as it says, on both sides of zero", (rounding, expected) => {
    const got = ["1.24", "1.25", "-1.24", "-1.25"].map(text => parseAmount(text, 1, rounding));
    expect(got).toEqual(expected);
  });

  test("text shows every digit, or as many as asked", () => {
    expect(formatAmount(1_500_000n, 6)).toBe("1.5");
    expect(formatAmount(-1n, 6)).toBe("-0.000001");
    expect(formatAmount(5n, 0)).toBe("5");
    expect(formatAmount(0n, 6)).toBe("0");
    expect(formatAmount(1_500_000n, 6, { digits: 2 })).toBe("1.50");
    expect(formatAmount(1_999_999n, 6, { digits: 2 })).toBe("1.99");
    expect(formatAmount(-1_999_999n, 6, { digits: 2 })).toBe("-2.00");
    expect(formatAmount(1_999_999n, 6, { digits: 0, rounding: "up" })).toBe("2");
    expect(formatAmount(1_234n, 2, { digits: 4 })).toBe("12.3400");
  });

  test("what was formatted parses to the same", () => {
    for (const amount of [0n, 1n, -1n, 999_999n, 10n ** 30n + 1n, -(2n ** 63n)]) {
      expect(parseAmount(formatAmount(amount, 9), 9)).toBe(amount);
    }
  });
});
