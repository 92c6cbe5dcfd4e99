/* Products of rows with a matrix. */
#include <stdlib.h>

#include "kernels.h"
#include "lanes.h"
#include "products.h"

enum { BAND_BYTES = 512 * 1024 }; /* of rows that are multiplied with all panels before the next ones come */

/* Add bias and residual to the sums [rows, PANEL] of rows from `start` and outputs from `first`, and write them. */
#define DEFINE_FINISH(NAME, LOAD, STORE, BYTES)                                                                        \
    FOR_EACH_PROCESSOR static void NAME(const Multiplication *given, ptrdiff_t start, ptrdiff_t rows, ptrdiff_t first, \
                                        const char *sums) {                                                            \
        const Multiplication job = *given; /* a copy that no store can change */                                       \
        const ptrdiff_t line = job.outputs * BYTES, at = start * line + first * BYTES;                                 \
        const ptrdiff_t outputs = job.outputs - first < PANEL ? job.outputs - first : PANEL;                           \
        for (ptrdiff_t part = 0; part < outputs; part += LANES) {                                                      \
            const lanes bias = LOAD(job.bias + (first + part) * BYTES);                                                \
            const char *sum = sums + 4 * part, *residual = job.residual == NULL ? NULL : job.residual + at + part * BYTES;\
            char *to = job.to + at + part * BYTES;                                                                     \
            if (outputs - part >= LANES) {                                                                             \
                for (ptrdiff_t row = 0; row < rows; row++) {                                                           \
                    lanes value = load_float(sum + 4 * PANEL * row) + bias;                                            \
                    if (residual != NULL) value += LOAD(residual + row * line);                                        \
                    STORE(to + row * line, activated(value, job.activation));                                          \
                }                                                                                                      \
                continue;                                                                                              \
            }                                                                                                          \
            const size_t bytes = (size_t)(outputs - part) * BYTES; /* fewer than fill the lanes */                     \
            for (ptrdiff_t row = 0; row < rows; row++) {                                                               \
                char few[LANES * BYTES] = {0};                                                                         \
                if (residual != NULL) memcpy(few, residual + row * line, bytes);                                       \
                const lanes value = load_float(sum + 4 * PANEL * row) + bias + LOAD(few);                              \
                STORE(few, activated(value, job.activation));                                                          \
                memcpy(to + row * line, few, bytes);                                                                   \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_FINISH(finish_float, load_float, store_float, 4)
DEFINE_FINISH(finish_bfloat, load_bfloat, store_bfloat, 2)

typedef void (*Finish)(const Multiplication *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *);

int multiply(const Multiplication *given, int bfloat, int threads) {
    const Multiplication job = *given;
    const Finish finish = bfloat ? finish_bfloat : finish_float;
    const Products products = products_of(bfloat);
    const ptrdiff_t line = job.inputs * (bfloat ? 2 : 4), panels = (job.outputs + PANEL - 1) / PANEL;
    const ptrdiff_t band = BAND_BYTES / line < BLOCK ? BLOCK : BAND_BYTES / line / BLOCK * BLOCK;
    const ptrdiff_t whole = job.count / BLOCK * BLOCK; /* the rows after these are copied, to fill a block */
    char *last = calloc(BLOCK, (size_t)line);
    if (last == NULL) return -1;
    memcpy(last, job.from + whole * line, (size_t)((job.count - whole) * line));
#pragma omp parallel num_threads(threads)
    {
        char sums[4 * BLOCK * PANEL] __attribute__((aligned(ALIGNMENT)));
        for (ptrdiff_t start = 0; start < job.count; start += band) {
            const ptrdiff_t some = job.count - start < band ? job.count - start : band;
            const ptrdiff_t blocks = (some + BLOCK - 1) / BLOCK;
            const ptrdiff_t chunk = chunk_of(some, job.outputs, blocks, panels * PANEL * line, threads);
#pragma omp for schedule(static) nowait
            for (ptrdiff_t i = 0; i < panels * blocks; i++) {
                const Piece piece = piece_at(i, chunk, blocks, panels);
                const ptrdiff_t panel = piece.panel, first = start + piece.block * BLOCK;
                const ptrdiff_t rows = job.count - first < BLOCK ? job.count - first : BLOCK;
                const char *left = first < whole ? job.from + first * line : last;
                products(left, job.panels + panel * PANEL * line, sums, line, line / 4, 4 * PANEL);
                finish(&job, first, rows, panel * PANEL, sums);
            }
        }
    }
    free(last);
    return 0;
}
