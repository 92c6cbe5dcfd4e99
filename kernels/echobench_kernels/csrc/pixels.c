/* What follows a convolution pixel by pixel: gated channels, and the gates of a recurrent map. */
#include <stdlib.h>

#include "kernels.h"
#include "lanes.h"

/* The mean over the pixels of LANES channels of an image. */
#define DEFINE_MEAN(NAME, LOAD, BYTES)                                                                                 \
    FOR_EACH_PROCESSOR static void NAME(const char *from, ptrdiff_t pixels, ptrdiff_t channels, float *to) {           \
        lanes sum = {0}, other = {0};                                                                                  \
        ptrdiff_t p = 0;                                                                                               \
        for (; p + 1 < pixels; p += 2) {                                                                               \
            sum += LOAD(from + p * channels * BYTES);                                                                  \
            other += LOAD(from + (p + 1) * channels * BYTES);                                                          \
        }                                                                                                              \
        if (p < pixels) sum += LOAD(from + p * channels * BYTES);                                                      \
        store_float((char *)to, (sum + other) / (float)pixels);                                                        \
    }

/* x + gate branch, for one pixel. */
#define DEFINE_GATED(NAME, LOAD, STORE, BYTES)                                                                         \
    FOR_EACH_PROCESSOR static void NAME(const char *from, const char *branch, const float *gate, char *to,             \
                                        ptrdiff_t channels) {                                                          \
        for (ptrdiff_t c = 0; c < channels; c += LANES)                                                                \
            STORE(to + c * BYTES, LOAD(from + c * BYTES) + load_float((const char *)(gate + c)) * LOAD(branch + c * BYTES));\
    }

DEFINE_MEAN(mean_float, load_float, 4)
DEFINE_MEAN(mean_bfloat, load_bfloat, 2)
DEFINE_GATED(gated_float, load_float, store_float, 4)
DEFINE_GATED(gated_bfloat, load_bfloat, store_bfloat, 2)

/* The gates of LANES channels, from the means around them. */
FOR_EACH_PROCESSOR static void gates(const float *means, const float *taps, ptrdiff_t count, float *to) {
    lanes sum = {0};
    for (ptrdiff_t k = 0; k < count; k++) sum += taps[k] * load_float((const char *)(means + k));
    store_float((char *)to, sigmoid(sum));
}

int gate_channels(const ChannelGate *given, int bfloat, int threads) {
    const ChannelGate job = *given;
    const ptrdiff_t parts = job.channels / LANES, line = job.channels * (bfloat ? 2 : 4);
    const ptrdiff_t padded = job.channels + job.count - 1; /* means with zeros on either side */
    float *means = calloc((size_t)(job.n * (padded + job.channels)), sizeof *means), *gate = means + job.n * padded;
    if (means == NULL) return -1;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < job.n * parts; i++) {
            const ptrdiff_t image = i / parts, c = i % parts * LANES;
            const char *from = job.branch + image * job.pixels * line + c * (bfloat ? 2 : 4);
            (bfloat ? mean_bfloat : mean_float)(from, job.pixels, job.channels, means + image * padded + job.count / 2 + c);
        }
#pragma omp for schedule(static)
        for (ptrdiff_t i = 0; i < job.n * parts; i++) {
            const ptrdiff_t image = i / parts, c = i % parts * LANES;
            gates(means + image * padded + c, job.taps, job.count, gate + image * job.channels + c);
        }
#pragma omp for schedule(static)
        for (ptrdiff_t p = 0; p < job.n * job.pixels; p++) {
            const float *own = gate + p / job.pixels * job.channels;
            (bfloat ? gated_bfloat : gated_float)(job.from + p * line, job.branch + p * line, own, job.to + p * line,
                                                  job.channels);
        }
    }
    free(means);
    return 0;
}

/* One pixel of the hidden map. */
#define DEFINE_UPDATE(NAME, LOAD, BYTES)                                                                               \
    FOR_EACH_PROCESSOR static void NAME(const char *maps, const char *hidden, char *to, ptrdiff_t channels) {          \
        for (ptrdiff_t c = 0; c < channels; c += LANES) {                                                              \
            const lanes forget = sigmoid(LOAD(maps + c * BYTES));                                                      \
            const lanes update = sigmoid(LOAD(maps + (channels + c) * BYTES));                                         \
            const lanes new = 2 * sigmoid(2 * LOAD(maps + (2 * channels + c) * BYTES)) - 1;                            \
            const lanes kept = forget * load_float(hidden + 4 * c);                                                    \
            store_float(to + 4 * c, kept + update * (new - kept));                                                     \
        }                                                                                                              \
    }

DEFINE_UPDATE(update_float, load_float, 4)
DEFINE_UPDATE(update_bfloat, load_bfloat, 2)

void update_hidden(const Recurrence *given, int bfloat, int threads) {
    const Recurrence job = *given;
    const ptrdiff_t line = 3 * job.channels * (bfloat ? 2 : 4), own = 4 * job.channels;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (ptrdiff_t p = 0; p < job.pixels; p++)
        (bfloat ? update_bfloat : update_float)(job.maps + p * line, job.hidden + p * own, job.to + p * own, job.channels);
}
