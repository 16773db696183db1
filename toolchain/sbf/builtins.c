// What LLVM's BPF backend calls but SBPF does not have: 128-bit arithmetic and the memory functions.
//
// Compiled to LLVM IR at install time and handed to sbpf-linker as text. It is C because the code generator
// expects 128-bit results in a register pair, while rustc of this version returns i128 through a pointer: a Rust
// implementation links and then faults. SBPF v3 has a 64-bit unsigned divide of one instruction and no wide multiply.
// Checked on the VM against native arithmetic by tests/cases/conformance.rs.

typedef unsigned long long u64;
typedef long long i64;
typedef unsigned __int128 u128;
typedef __int128 i128;

typedef struct { u64 lo, hi; } pair;

static inline u64 lo(u128 v) { return (u64)v; }
static inline u64 hi(u128 v) { return (u64)(v >> 64); }
static inline u128 join(u64 h, u64 l) { return ((u128)h << 64) | l; }

// 64 x 64 -> 128 from four 32-bit products.
static inline pair mul_wide(u64 a, u64 b) {
    const u64 mask = 0xffffffffULL;
    u64 a0 = a & mask, a1 = a >> 32, b0 = b & mask, b1 = b >> 32;
    u64 p00 = a0 * b0, p01 = a0 * b1, p10 = a1 * b0, p11 = a1 * b1;
    u64 mid = (p00 >> 32) + (p01 & mask) + (p10 & mask);
    pair r;
    r.lo = (mid << 32) | (p00 & mask);
    r.hi = p11 + (p01 >> 32) + (p10 >> 32) + (mid >> 32);
    return r;
}

i128 __multi3(i128 a, i128 b) {
    u64 al = lo((u128)a), ah = hi((u128)a), bl = lo((u128)b), bh = hi((u128)b);
    pair p = mul_wide(al, bl);
    return (i128)join(p.hi + al * bh + ah * bl, p.lo);
}

static inline unsigned leading_zeros(u64 v) {
    unsigned n = 0;
    if (!(v >> 32)) { n += 32; v <<= 32; }
    if (!(v >> 48)) { n += 16; v <<= 16; }
    if (!(v >> 56)) { n += 8; v <<= 8; }
    if (!(v >> 60)) { n += 4; v <<= 4; }
    if (!(v >> 62)) { n += 2; v <<= 2; }
    if (!(v >> 63)) { n += 1; }
    return n;
}

// (h:l) / d with h < d, d having its top bit set: two 32-bit quotient digits (Knuth, TAOCP 2, 4.3.1, algorithm D).
static inline u64 div_normalised(u64 h, u64 l, u64 d, u64 *rem) {
    const u64 base = 1ULL << 32, mask = base - 1;
    u64 d1 = d >> 32, d0 = d & mask;
    u64 q1 = h / d1, r = h - q1 * d1;
    while (q1 >= base || q1 * d0 > ((r << 32) | (l >> 32))) {
        q1--;
        r += d1;
        if (r >= base) break;
    }
    u64 m = ((h << 32) | (l >> 32)) - q1 * d;
    u64 q0 = m / d1;
    r = m - q0 * d1;
    while (q0 >= base || q0 * d0 > ((r << 32) | (l & mask))) {
        q0--;
        r += d1;
        if (r >= base) break;
    }
    *rem = ((m << 32) | (l & mask)) - q0 * d;
    return (q1 << 32) | q0;
}

static u128 divmod(u128 n, u128 d, u128 *rem) {
    u64 nh = hi(n), nl = lo(n), dh = hi(d), dl = lo(d);
    if (!dh) {
        if (!nh) {
            *rem = nl % dl;
            return nl / dl;
        }
        u64 qh = nh / dl, h = nh % dl, r;
        unsigned s = leading_zeros(dl);
        u64 ql;
        if (s) {
            ql = div_normalised((h << s) | (nl >> (64 - s)), nl << s, dl << s, &r);
            r >>= s;
        } else {
            ql = div_normalised(h, nl, dl, &r);
        }
        *rem = r;
        return join(qh, ql);
    }
    if (n < d) {
        *rem = n;
        return 0;
    }
    // The quotient fits 64 bits. Dividing half the dividend by the divisor's top 64 bits gives an estimate at most one too
    // large; after the decrement it is at most one too small (Hacker's Delight, unsigned doubleword division).
    unsigned s = leading_zeros(dh);
    u64 top = lo((d << s) >> 64), ignored;
    u128 half = n >> 1;
    u64 q = div_normalised(hi(half), lo(half), top, &ignored);
    q >>= 63 - s;
    if (q) q--;
    pair low = mul_wide(q, dl);
    u128 r = n - join(low.hi + q * dh, low.lo);
    if (r >= d) {
        q++;
        r -= d;
    }
    *rem = r;
    return q;
}

u128 __udivti3(u128 n, u128 d) { u128 r; return divmod(n, d, &r); }
u128 __umodti3(u128 n, u128 d) { u128 r; divmod(n, d, &r); return r; }

static inline u128 magnitude(i128 v) { return v < 0 ? -(u128)v : (u128)v; }

i128 __divti3(i128 n, i128 d) {
    u128 r, q = divmod(magnitude(n), magnitude(d), &r);
    return (i128)(((n < 0) != (d < 0)) ? -q : q);
}

i128 __modti3(i128 n, i128 d) {
    u128 r;
    divmod(magnitude(n), magnitude(d), &r);
    return (i128)(n < 0 ? -r : r);
}

extern void sol_memcpy_(void *dst, const void *src, u64 n);
extern void sol_memmove_(void *dst, const void *src, u64 n);
extern void sol_memset_(void *dst, unsigned char value, u64 n);
extern void sol_memcmp_(const void *a, const void *b, u64 n, int *result);

void *memcpy(void *dst, const void *src, u64 n) { sol_memcpy_(dst, src, n); return dst; }
void *memmove(void *dst, const void *src, u64 n) { sol_memmove_(dst, src, n); return dst; }
void *memset(void *dst, int value, u64 n) { sol_memset_(dst, (unsigned char)value, n); return dst; }
int memcmp(const void *a, const void *b, u64 n) { int result = 0; sol_memcmp_(a, b, n, &result); return result; }
int bcmp(const void *a, const void *b, u64 n) { return memcmp(a, b, n); }
