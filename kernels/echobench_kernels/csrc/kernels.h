/* The kernels of echobench_kernels/native.py. Numbers are float32 or, with `bfloat`, bfloat16; images are [n, height, width, c]
 * in C order. OpenMP's threads are those of torch, because both are linked to the same libgomp.so.1. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>

/* 3x3 convolution in tiles. */
typedef struct {
    const char *from;
    const char *filters;  /* transformed, [outputs / PANEL, 36, inputs, PANEL]; see winograd.tiled_filters */
    const char *bias;     /* [outputs] */
    const char *residual; /* NULL, or of the output's shape */
    char *to;
    ptrdiff_t n, height, width, inputs, outputs;
    ptrdiff_t rows, columns; /* of tiles in an image; set by `convolve` */
    int rectify, activation; /* of what comes in (ReLU or not), of what goes out */
} Convolution;

/* In bands of so many tiles; 0, or -1 where memory is missing. */
int convolve(const Convolution *given, ptrdiff_t band, int bfloat, int threads);

/* activation(rows x panels + bias + residual). */
typedef struct {
    const char *from;     /* [count, inputs] */
    const char *panels;   /* [panels, inputs, PANEL]; see native.in_panels */
    const char *bias;     /* [panels * PANEL] */
    const char *residual; /* NULL, or of the output's shape */
    char *to;             /* [count, outputs] */
    ptrdiff_t count, inputs, outputs;
    int activation;
} Multiplication;

int multiply(const Multiplication *given, int bfloat, int threads);

/* x + sigmoid(taps * mean over pixels of branch) branch: `taps` numbers slide over the channels. */
typedef struct {
    const char *from, *branch; /* [n, pixels, channels] */
    const float *taps;         /* an odd number of them */
    char *to;                  /* may be `branch` */
    ptrdiff_t n, pixels, channels, count;
} ChannelGate;

int gate_channels(const ChannelGate *given, int bfloat, int threads);

/* h <- sigmoid(f) h (1 - u) + u tanh(new) with u = sigmoid(update): from maps [pixels, 3 * channels] (f, update, new). */
typedef struct {
    const char *maps;
    const char *hidden; /* [pixels, channels], float32 */
    char *to;           /* the same, and may be the same */
    ptrdiff_t pixels, channels;
} Recurrence;

void update_hidden(const Recurrence *given, int bfloat, int threads);

#endif
