/* Matrix products in panels; the layout of a right factor is that of echobench_kernels/native.py. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include <stddef.h>

/* Products of BLOCK rows with a panel.
 *
 * rows: the left factor, `row` bytes apart, `steps` times four bytes each (a float32, or two bfloat16).
 * panel: [steps, PANEL] of four bytes each. What follows it in memory is fetched meanwhile.
 * out: float32, PANEL numbers for each row, `apart` bytes apart.
 */
typedef void (*Products)(const char *rows, const char *panel, char *out, ptrdiff_t row, ptrdiff_t steps, ptrdiff_t apart);

/* The fastest that this processor can run. */
Products products_of(int bfloat);

enum { NEAR_BYTES = 256 * 1024 }; /* of panels that stay in a core's cache */

/* A piece of work: a block of rows with a panel. */
typedef struct {
    ptrdiff_t block, panel;
} Piece;

/* Blocks that stay together, so that pieces dealt out evenly in their order make threads share the smaller factor (caches of
 * two cores can be far from each other): panels of `bytes` in all, where there are more rows than columns; else the rows. */
static inline ptrdiff_t chunk_of(ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t blocks, ptrdiff_t bytes, int threads) {
    if (rows <= columns) return blocks;
    return bytes <= NEAR_BYTES ? 1 : (blocks + threads - 1) / threads;
}

/* The pieces go through the chunks, in a chunk through the panels, and with a panel through the chunk's blocks. */
static inline Piece piece_at(ptrdiff_t at, ptrdiff_t chunk, ptrdiff_t blocks, ptrdiff_t panels) {
    const ptrdiff_t first = at / (chunk * panels) * chunk, some = blocks - first < chunk ? blocks - first : chunk;
    const ptrdiff_t left = at - first * panels;
    return (Piece){first + left % some, left / some};
}

#endif
