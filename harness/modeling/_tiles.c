/* Winograd's transforms of images to tiles and back, for harness/modeling/winograd.py, which says what they compute.
 *
 * Images are [n, height, width, c] and tiles [n, rows, columns, 36, c] in C order, c a multiple of LANES; all
 * arithmetic is float32. OpenMP's threads are those of torch, because both are linked to the same libgomp.so.1.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LANES 16
enum { STEP = 4, SIZE = 6 }; /* rows and columns of the pixels that a tile gives, and that it takes */
typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef uint32_t words __attribute__((vector_size(4 * LANES)));
typedef uint16_t halves __attribute__((vector_size(2 * LANES)));

/* The same source for each instruction set; the loader picks the best one that the processor has. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

typedef struct {
    const char *from;
    const char *bias;     /* of the output's channels */
    const char *residual; /* NULL, or of the output's shape */
    char *to;
    Py_ssize_t n, height, width, channels, first, rows, columns; /* first: row of tiles that the first row is */
    int relu; /* of the image, whether it comes in or goes out */
} Job;

INLINE lanes load_float(const char *address) {
    lanes value;
    memcpy(&value, address, sizeof value);
    return value;
}

INLINE void store_float(char *address, lanes value) { memcpy(address, &value, sizeof value); }

INLINE lanes load_bfloat(const char *address) {
    halves bits;
    memcpy(&bits, address, sizeof bits);
    words wide = __builtin_convertvector(bits, words) << 16;
    lanes value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* To the nearest, ties to even. A NaN that comes from bfloat16 numbers has an empty lower half, so that it stays one. */
INLINE void store_bfloat(char *address, lanes value) {
    words bits;
    memcpy(&bits, &value, sizeof bits);
    bits += 0x7fff + ((bits >> 16) & 1);
    halves narrow = __builtin_convertvector(bits >> 16, halves);
    memcpy(address, &narrow, sizeof narrow);
}

INLINE lanes rectified(lanes value) {
    words negative = (words)(value < 0);
    words bits;
    memcpy(&bits, &value, sizeof bits);
    bits &= ~negative;
    memcpy(&value, &bits, sizeof value);
    return value;
}

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

/* One tile of an image; `zeros` stands for pixels outside. */
#define DEFINE_INPUT(NAME, LOAD, STORE, BYTES)                                                                         \
    FOR_EACH_PROCESSOR static void NAME(const Job *given, Py_ssize_t tile, const char *zeros) {                        \
        const Job job = *given; /* a copy that no store can change */                                                  \
        const Py_ssize_t pixel = job.channels * BYTES;                                                                 \
        const Py_ssize_t column = tile % job.columns, row = tile / job.columns % job.rows;                             \
        const char *image = job.from + tile / (job.columns * job.rows) * job.height * job.width * pixel;               \
        const Py_ssize_t top = STEP * (job.first + row) - 1, left = STEP * column - 1;                                 \
        const char *pixels[SIZE * SIZE];                                                                               \
        _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++)                                                         \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                const Py_ssize_t r = top + y, s = left + x;                                                            \
                const int inside = r >= 0 && r < job.height && s >= 0 && s < job.width;                                \
                pixels[SIZE * y + x] = inside ? image + (r * job.width + s) * pixel : zeros;                           \
            }                                                                                                          \
        char *out = job.to + tile * SIZE * SIZE * pixel;                                                               \
        for (Py_ssize_t c = 0; c < pixel; c += LANES * BYTES) {                                                        \
            lanes columns[SIZE * SIZE], line[SIZE];                                                                    \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++) {                                               \
                    const lanes value = LOAD(pixels[SIZE * y + x] + c);                                                \
                    line[y] = job.relu ? rectified(value) : value;                                                     \
                }                                                                                                      \
                input_transform(line, columns + x, SIZE);                                                              \
            }                                                                                                          \
            _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++) {                                                   \
                input_transform(columns + SIZE * y, line, 1);                                                          \
                _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) STORE(out + (SIZE * y + x) * pixel + c, line[x]);\
            }                                                                                                          \
        }                                                                                                              \
    }

/* One tile of products to its pixels, as far as they are inside the image. */
#define DEFINE_OUTPUT(NAME, LOAD, STORE, BYTES)                                                                        \
    FOR_EACH_PROCESSOR static void NAME(const Job *given, Py_ssize_t tile, const char *zeros) {                        \
        const Job job = *given; /* a copy that no store can change */                                                  \
        const Py_ssize_t pixel = job.channels * BYTES;                                                                 \
        const Py_ssize_t column = tile % job.columns, row = tile / job.columns % job.rows;                             \
        const Py_ssize_t image = tile / (job.columns * job.rows);                                                      \
        const Py_ssize_t top = STEP * (job.first + row), left = STEP * column;                                         \
        const int high = job.height - top < STEP ? (int)(job.height - top) : STEP;                                     \
        const int wide = job.width - left < STEP ? (int)(job.width - left) : STEP;                                     \
        const char *in = job.from + tile * SIZE * SIZE * pixel;                                                        \
        const Py_ssize_t start = ((image * job.height + top) * job.width + left) * pixel;                              \
        for (Py_ssize_t c = 0; c < pixel; c += LANES * BYTES) {                                                        \
            const lanes bias = LOAD(job.bias + c);                                                                     \
            lanes columns[STEP * SIZE], line[SIZE];                                                                    \
            _Pragma("GCC unroll 6") for (int x = 0; x < SIZE; x++) {                                                   \
                _Pragma("GCC unroll 6") for (int y = 0; y < SIZE; y++) line[y] = LOAD(in + (SIZE * y + x) * pixel + c);\
                output_transform(line, columns + x, SIZE);                                                             \
            }                                                                                                          \
            for (int y = 0; y < high; y++) {                                                                           \
                output_transform(columns + SIZE * y, line, 1);                                                         \
                for (int x = 0; x < wide; x++) {                                                                       \
                    const Py_ssize_t at = start + (y * job.width + x) * pixel + c;                                     \
                    lanes value = line[x] + bias;                                                                      \
                    if (job.residual != NULL) value += LOAD(job.residual + at);                                        \
                    STORE(job.to + at, job.relu ? rectified(value) : value);                                           \
                }                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
        (void)zeros;                                                                                                   \
    }

DEFINE_INPUT(input_float, load_float, store_float, 4)
DEFINE_INPUT(input_bfloat, load_bfloat, store_bfloat, 2)
DEFINE_OUTPUT(output_float, load_float, store_float, 4)
DEFINE_OUTPUT(output_bfloat, load_bfloat, store_bfloat, 2)

typedef void (*Transform)(const Job *, Py_ssize_t, const char *);

static PyObject *run(PyObject *arguments, const Transform *choices) {
    unsigned long long from, bias, residual, to;
    Job job;
    int bfloat, threads;
    if (!PyArg_ParseTuple(arguments, "KKKKnnnnnnnppi", &from, &bias, &residual, &to, &job.n, &job.height, &job.width,
                          &job.channels, &job.first, &job.rows, &job.columns, &job.relu, &bfloat, &threads))
        return NULL;
    if (job.channels % LANES != 0 || threads < 1) {
        PyErr_Format(PyExc_ValueError, "channels must be a multiple of %d and threads positive, got %zd and %d", LANES,
                     job.channels, threads);
        return NULL;
    }
    job.from = (const char *)(uintptr_t)from;
    job.bias = (const char *)(uintptr_t)bias;
    job.residual = (const char *)(uintptr_t)residual;
    job.to = (char *)(uintptr_t)to;
    char *zeros = calloc((size_t)job.channels, sizeof(float));
    if (zeros == NULL) return PyErr_NoMemory();
    const Transform transform = choices[bfloat];
    const Py_ssize_t count = job.n * job.rows * job.columns;
    Py_BEGIN_ALLOW_THREADS
#pragma omp parallel for schedule(static) num_threads(threads)
    for (Py_ssize_t tile = 0; tile < count; tile++) transform(&job, tile, zeros);
    Py_END_ALLOW_THREADS
    free(zeros);
    Py_RETURN_NONE;
}

static PyObject *to_tiles(PyObject *self, PyObject *arguments) {
    static const Transform choices[] = {input_float, input_bfloat};
    (void)self;
    return run(arguments, choices);
}

static PyObject *from_tiles(PyObject *self, PyObject *arguments) {
    static const Transform choices[] = {output_float, output_bfloat};
    (void)self;
    return run(arguments, choices);
}

static PyMethodDef methods[] = {
    {"to_tiles", to_tiles, METH_VARARGS, "Images to transformed tiles; see _tiles.pyi."},
    {"from_tiles", from_tiles, METH_VARARGS, "Tiles of products to images; see _tiles.pyi."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_tiles", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__tiles(void) { return PyModule_Create(&module); }
