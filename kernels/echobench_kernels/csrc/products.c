#include "products.h"

#include "lanes.h"
#ifdef X86
#include <immintrin.h>
#endif

/* sum + the product of a number, which all lanes share, with a number in each lane. */
INLINE lanes multiply_float(lanes sum, const char *shared, lanes right) {
    float value;
    memcpy(&value, shared, sizeof value);
    return sum + value * right;
}

/* The same of two bfloat16 numbers each. */
INLINE lanes multiply_bfloat(lanes sum, const char *shared, lanes right) {
    uint32_t pair;
    memcpy(&pair, shared, sizeof pair);
    const uint32_t parts[2] = {pair << 16, pair & 0xffff0000u};
    float values[2];
    memcpy(values, parts, sizeof values);
    return sum + values[0] * numbers_of(bits_of(right) << 16) + values[1] * numbers_of(bits_of(right) & 0xffff0000u);
}

/* ROWS rows at a time keep their sums in registers. */
#define DEFINE_PRODUCTS(NAME, TARGET, ROWS, MULTIPLY)                                                                  \
    TARGET static void NAME(const char *rows, const char *panel, char *out, ptrdiff_t row, ptrdiff_t steps,            \
                            ptrdiff_t apart) {                                                                         \
        enum { BYTES = 4 * PANEL };                                                                                    \
        const char *next = panel + BYTES * steps;                                                                      \
        for (int first = 0; first < BLOCK; first += ROWS) {                                                            \
            const char *left = rows + first * row;                                                                     \
            lanes sums[ROWS][2] = {0};                                                                                 \
            for (ptrdiff_t k = 0; k < steps; k++) {                                                                    \
                const lanes one = load_float(panel + BYTES * k), other = load_float(panel + BYTES * k + BYTES / 2);    \
                __builtin_prefetch(next, 0, 2);                                                                        \
                next += BYTES * ROWS / BLOCK;                                                                          \
                _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++) {                                              \
                    sums[r][0] = MULTIPLY(sums[r][0], left + r * row + 4 * k, one);                                    \
                    sums[r][1] = MULTIPLY(sums[r][1], left + r * row + 4 * k, other);                                  \
                }                                                                                                      \
            }                                                                                                          \
            _Pragma("GCC unroll 16") for (int r = 0; r < ROWS; r++) {                                                  \
                store_float(out + (first + r) * apart, sums[r][0]);                                                    \
                store_float(out + (first + r) * apart + BYTES / 2, sums[r][1]);                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_PRODUCTS(products_float, FOR_EACH_PROCESSOR, 2, multiply_float)
DEFINE_PRODUCTS(products_bfloat, FOR_EACH_PROCESSOR, 2, multiply_bfloat)

#ifdef X86 /* with 32 registers of 64 bytes, and an instruction for pairs of bfloat16 */
#define V4_BFLOAT __attribute__((target("arch=x86-64-v4,avx512bf16")))

V4_BFLOAT INLINE lanes multiply_pairs(lanes sum, const char *shared, lanes right) {
    int32_t pair;
    memcpy(&pair, shared, sizeof pair);
    return (lanes)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)right);
}

DEFINE_PRODUCTS(products_float_v4, __attribute__((target("arch=x86-64-v4"))), 8, multiply_float)
DEFINE_PRODUCTS(products_bfloat_v4, V4_BFLOAT, 8, multiply_pairs)

static int is_v4(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

Products products_of(int bfloat) {
#ifdef X86
    if (is_v4()) {
        if (!bfloat) return products_float_v4;
        if (__builtin_cpu_supports("avx512bf16")) return products_bfloat_v4;
    }
#endif
    return bfloat ? products_bfloat : products_float;
}
