/* Vectors of LANES float32 numbers, and what the kernels share.
 *
 * Numbers in memory are float32 or bfloat16; all arithmetic is float32. Functions that are inlined everywhere take the
 * instruction set of their caller.
 */
#ifndef LANES_H
#define LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
enum { BLOCK = 16 };         /* rows of a left factor that are multiplied together */
enum { PANEL = 2 * LANES };  /* columns of a right factor that are multiplied together */
enum { ALIGNMENT = 64 };     /* of scratch memory: a cache line */
enum { NONE, RELU, GELU };   /* activations */
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 11 && !defined(PORTABLE)
#define X86 1
/* The same source for each instruction set; the loader picks the best one that the processor has. */
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE words bits_of(lanes value) {
    words bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE lanes numbers_of(words bits) {
    lanes value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE lanes load_float(const char *address) {
    lanes value;
    memcpy(&value, address, sizeof value);
    return value;
}

INLINE void store_float(char *address, lanes value) { memcpy(address, &value, sizeof value); }

INLINE lanes load_bfloat(const char *address) {
    halves bits;
    memcpy(&bits, address, sizeof bits);
    return numbers_of(__builtin_convertvector(bits, words) << 16);
}

/* To the nearest, ties to even. A NaN that comes from bfloat16 numbers has an empty lower half, so that it stays one. */
INLINE void store_bfloat(char *address, lanes value) {
    words bits = bits_of(value);
    bits += 0x7fff + ((bits >> 16) & 1);
    halves narrow = __builtin_convertvector(bits >> 16, halves);
    memcpy(address, &narrow, sizeof narrow);
}

/* `value` where `mask` is empty, `other` where it is full. */
INLINE lanes replaced(lanes value, words mask, lanes other) {
    return numbers_of((bits_of(value) & ~mask) | (bits_of(other) & mask));
}

INLINE lanes all(float value) { return value - (lanes){0}; }

INLINE lanes at_most(lanes value, float limit) { return replaced(value, (words)(value > limit), all(limit)); }

INLINE lanes at_least(lanes value, float limit) { return replaced(value, (words)(value < limit), all(limit)); }

INLINE lanes rectified(lanes value) { return at_least(value, 0); }

/* exp(x) for x <= 87; below -87 that of -87. 2^n exp(r) with |r| <= ln 2 / 2; relative error 2e-7. */
INLINE lanes exponential(lanes x) {
    const float round = 12582912.0f; /* 1.5 * 2^23: a sum with it has no digits after the point */
    x = at_least(x, -87.0f);
    const lanes shifted = x * 1.44269504f + round, n = shifted - round;
    const lanes r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts */
    lanes sum = r * (1.0f / 720) + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    return numbers_of(bits_of(sum) + (bits_of(shifted) << 23));
}

INLINE lanes sigmoid(lanes x) { return 1.0f / (1.0f + exponential(at_most(-x, 87.0f))); }

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), exact to 3e-7. Phi(-a) exp(a^2 / 2) is, for a <= 13, a polynomial in 1 / (1 + 0.3 a)
 * to 6e-8 of its value (a fit of lowest relative error). */
INLINE lanes gelu(lanes x) {
    const lanes a = at_most(numbers_of(bits_of(x) & 0x7fffffffu), 13.0f);
    const lanes t = 1.0f / (1.0f + 0.3f * a);
    lanes sum = t * 3.827098051e-02f - 1.686434157e-01f;
    sum = sum * t + 2.275777345e-01f;
    sum = sum * t - 7.526519366e-02f;
    sum = sum * t + 1.416754531e-01f;
    sum = sum * t + 9.505122994e-02f;
    sum = sum * t + 1.218258556e-01f;
    sum = sum * t + 1.195010012e-01f;
    sum = sum * t + 6.382890594e-06f;
    return rectified(x) - a * sum * exponential(-0.5f * a * a);
}

INLINE lanes activated(lanes value, int activation) {
    if (activation == RELU) return rectified(value);
    return activation == GELU ? gelu(value) : value;
}

#endif
