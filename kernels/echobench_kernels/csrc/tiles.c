/* 3x3 convolution by Winograd's F(4 x 4, 3 x 3); harness/modeling/winograd.py says what is computed.
 *
 * A band of tiles is transformed to [tiles, 36, inputs]; then each piece of work, PANEL outputs of BLOCK tiles, is multiplied
 * at all positions, transformed back and written.
 */
#include <stdlib.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "kernels.h"
#include "lanes.h"
#include "products.h"

enum { STEP = 4, SIZE = 6 };      /* rows and columns of the pixels that a tile gives, and that it takes */
enum { POSITIONS = SIZE * SIZE }; /* of a transformed tile */

/* The finite points are 0, NEAR, -NEAR, FAR, -FAR; the last one is infinity. */
#define NEAR 0.75f
#define FAR 1.5f
#define NEAR2 (NEAR * NEAR)
#define FAR2 (FAR * FAR)

/* B' of F(4, 3): six values to six, `step` apart. */
INLINE void input_transform(const lanes *d, lanes *out, int step) {
    const lanes near_even = d[4] - FAR2 * d[2], near_odd = NEAR * (d[3] - FAR2 * d[1]);
    const lanes far_even = d[4] - NEAR2 * d[2], far_odd = FAR * (d[3] - NEAR2 * d[1]);
    out[0] = NEAR2 * FAR2 * d[0] - (NEAR2 + FAR2) * d[2] + d[4];
    out[step] = near_even + near_odd;
    out[2 * step] = near_even - near_odd;
    out[3 * step] = far_even + far_odd;
    out[4 * step] = far_even - far_odd;
    out[5 * step] = NEAR2 * FAR2 * d[1] - (NEAR2 + FAR2) * d[3] + d[5];
}

/* A' of F(4, 3): six values to four, `step` apart. */
INLINE void output_transform(const lanes *m, lanes *out, int step) {
    const lanes near_sum = m[1] + m[2], near_gap = NEAR * (m[1] - m[2]);
    const lanes far_sum = m[3] + m[4], far_gap = FAR * (m[3] - m[4]);
    out[0] = m[0] + near_sum + far_sum;
    out[step] = near_gap + far_gap;
    out[2 * step] = NEAR2 * near_sum + FAR2 * far_sum;
    out[3 * step] = NEAR2 * near_gap + FAR2 * far_gap + m[5];
}

/* Transform a tile of the images to `out` [36, inputs]; `zeros` stands for pixels outside. */
#define DEFINE_INPUT(NAME, LOAD, STORE, BYTES)                                                                         \
    FOR_EACH_PROCESSOR static void NAME(const Convolution *given, ptrdiff_t tile, const char *zeros, char *out) {      \
        const Convolution job = *given; /* a copy that no store can change */                                          \
        const ptrdiff_t pixel = job.inputs * BYTES;                                                                    \
        const ptrdiff_t column = tile % job.columns, row = tile / job.columns % job.rows;                              \
        const char *image = job.from + tile / (job.columns * job.rows) * job.height * job.width * pixel;               \
        const ptrdiff_t top = STEP * row - 1, left = STEP * column - 1;                                                \
        const char *pixels[POSITIONS];                                                                                 \
        _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++)                                                         \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                const ptrdiff_t r = top + y, s = left + x;                                                             \
                const int inside = r >= 0 && r < job.height && s >= 0 && s < job.width;                                \
                pixels[SIZE * y + x] = inside ? image + (r * job.width + s) * pixel : zeros;                           \
            }                                                                                                          \
        for (ptrdiff_t c = 0; c < pixel; c += LANES * BYTES) {                                                         \
            lanes columns[POSITIONS], line[SIZE];                                                                      \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++) {                                               \
                    const lanes value = LOAD(pixels[SIZE * y + x] + c);                                                \
                    line[y] = job.rectify ? rectified(value) : value;                                                  \
                }                                                                                                      \
                input_transform(line, columns + x, SIZE);                                                              \
            }                                                                                                          \
            _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++) {                                                   \
                input_transform(columns + SIZE * y, line, 1);                                                          \
                _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) STORE(out + (SIZE * y + x) * pixel + c, line[x]);\
            }                                                                                                          \
        }                                                                                                              \
    }

/* Transform the products [36, PANEL] of a tile back and write its pixels, from output `first`, inside the image. */
#define DEFINE_OUTPUT(NAME, LOAD, STORE, BYTES)                                                                        \
    FOR_EACH_PROCESSOR static void NAME(const Convolution *given, ptrdiff_t tile, ptrdiff_t first, const char *products) {\
        const Convolution job = *given; /* a copy that no store can change */                                          \
        const ptrdiff_t pixel = job.outputs * BYTES;                                                                   \
        const ptrdiff_t column = tile % job.columns, row = tile / job.columns % job.rows;                              \
        const ptrdiff_t image = tile / (job.columns * job.rows);                                                       \
        const ptrdiff_t top = STEP * row, left = STEP * column;                                                        \
        const int high = job.height - top < STEP ? (int)(job.height - top) : STEP;                                     \
        const int wide = job.width - left < STEP ? (int)(job.width - left) : STEP;                                     \
        for (int part = 0; part < PANEL; part += LANES) {                                                              \
            const ptrdiff_t c = (first + part) * BYTES;                                                                \
            const ptrdiff_t start = ((image * job.height + top) * job.width + left) * pixel + c;                       \
            const lanes bias = LOAD(job.bias + c);                                                                     \
            lanes columns[STEP * SIZE], line[SIZE];                                                                    \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++)                                                 \
                    line[y] = load_float(products + 4 * ((SIZE * y + x) * PANEL + part));                              \
                output_transform(line, columns + x, SIZE);                                                             \
            }                                                                                                          \
            for (int y = 0; y < high; y++) {                                                                           \
                output_transform(columns + SIZE * y, line, 1);                                                         \
                for (int x = 0; x < wide; x++) {                                                                       \
                    const ptrdiff_t at = start + (y * job.width + x) * pixel;                                          \
                    lanes value = line[x] + bias;                                                                      \
                    if (job.residual != NULL) value += LOAD(job.residual + at);                                        \
                    STORE(job.to + at, activated(value, job.activation));                                              \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_INPUT(input_float, load_float, store_float, 4)
DEFINE_INPUT(input_bfloat, load_bfloat, store_bfloat, 2)
DEFINE_OUTPUT(output_float, load_float, store_float, 4)
DEFINE_OUTPUT(output_bfloat, load_bfloat, store_bfloat, 2)

typedef void (*Input)(const Convolution *, ptrdiff_t, const char *, char *);
typedef void (*Output)(const Convolution *, ptrdiff_t, ptrdiff_t, const char *);

static size_t aligned(ptrdiff_t bytes) { return ((size_t)bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

int convolve(const Convolution *given, ptrdiff_t band, int bfloat, int threads) {
    Convolution job = *given;
    job.rows = (job.height + STEP - 1) / STEP;
    job.columns = (job.width + STEP - 1) / STEP;
    const Input input = bfloat ? input_bfloat : input_float;
    const Output output = bfloat ? output_bfloat : output_float;
    const Products products = products_of(bfloat);
    const ptrdiff_t line = job.inputs * (bfloat ? 2 : 4), row = POSITIONS * line;
    const ptrdiff_t count = job.n * job.rows * job.columns, panels = job.outputs / PANEL, apart = 4 * POSITIONS * PANEL;
    if (band > count) band = (count + BLOCK - 1) / BLOCK * BLOCK;
    const size_t zero_bytes = aligned(line), band_bytes = aligned(band * row), own_bytes = (size_t)(BLOCK * apart);
    char *memory = aligned_alloc(ALIGNMENT, zero_bytes + band_bytes + (size_t)threads * own_bytes);
    if (memory == NULL) return -1;
    char *zeros = memory, *tiles = memory + zero_bytes, *sums = tiles + band_bytes;
    memset(zeros, 0, zero_bytes);
#pragma omp parallel num_threads(threads)
    {
        char *own = sums;
#ifdef _OPENMP
        own += (size_t)omp_get_thread_num() * own_bytes;
#endif
        for (ptrdiff_t start = 0; start < count; start += band) {
            const ptrdiff_t some = count - start < band ? count - start : band, blocks = (some + BLOCK - 1) / BLOCK;
            const ptrdiff_t chunk = chunk_of(some, job.outputs, blocks, job.outputs * row, threads);
#pragma omp for schedule(static)
            for (ptrdiff_t tile = 0; tile < blocks * BLOCK; tile++) {
                if (tile < some)
                    input(&job, start + tile, zeros, tiles + tile * row);
                else
                    memset(tiles + tile * row, 0, (size_t)row);
            }
#pragma omp for schedule(static)
            for (ptrdiff_t i = 0; i < panels * blocks; i++) {
                const Piece piece = piece_at(i, chunk, blocks, panels);
                const ptrdiff_t panel = piece.panel, first = piece.block * BLOCK;
                const char *filters = job.filters + panel * PANEL * row, *block = tiles + first * row;
                for (int at = 0; at < POSITIONS; at++)
                    products(block + at * line, filters + at * PANEL * line, own + 4 * at * PANEL, row, line / 4, apart);
                for (ptrdiff_t tile = 0; tile < BLOCK && first + tile < some; tile++)
                    output(&job, start + first + tile, panel * PANEL, own + tile * apart);
            }
        }
    }
    free(memory);
    return 0;
}
