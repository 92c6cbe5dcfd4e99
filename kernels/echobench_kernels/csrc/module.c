/* The extension module echobench_kernels._native; see _native.pyi. Every function gives the interpreter free meanwhile. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#include "kernels.h"
#include "lanes.h"

typedef unsigned long long Address;

static char *at(Address address) { return (char *)(uintptr_t)address; }

static PyObject *finished(int failed) {
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Whether a number suits; sets a ValueError that names it where it does not. */
static int suits(const char *name, Py_ssize_t number, Py_ssize_t factor) {
    if (number >= 1 && number % factor == 0) return 1;
    PyErr_Format(PyExc_ValueError, "%s must be a positive multiple of %zd, got %zd", name, factor, number);
    return 0;
}

static PyObject *python_convolve(PyObject *self, PyObject *arguments) {
    Address from, filters, bias, residual, to;
    Convolution job = {0};
    Py_ssize_t band;
    int bfloat, threads, failed;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKKKnnnnnpinpi", &from, &filters, &bias, &residual, &to, &job.n, &job.height,
                          &job.width, &job.inputs, &job.outputs, &job.rectify, &job.activation, &band, &bfloat, &threads))
        return NULL;
    if (!suits("inputs", job.inputs, LANES) || !suits("outputs", job.outputs, PANEL) || !suits("band", band, BLOCK) ||
        !suits("threads", threads, 1))
        return NULL;
    job.from = at(from), job.filters = at(filters), job.bias = at(bias), job.residual = at(residual), job.to = at(to);
    Py_BEGIN_ALLOW_THREADS
    failed = convolve(&job, band, bfloat, threads);
    Py_END_ALLOW_THREADS
    return finished(failed);
}

static PyObject *python_multiply(PyObject *self, PyObject *arguments) {
    Address from, panels, bias, residual, to;
    Multiplication job = {0};
    int bfloat, threads, failed;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKKKnnnipi", &from, &panels, &bias, &residual, &to, &job.count, &job.inputs,
                          &job.outputs, &job.activation, &bfloat, &threads))
        return NULL;
    if (!suits("inputs", job.inputs, bfloat ? 2 : 1) || !suits("outputs", job.outputs, 1) || !suits("threads", threads, 1))
        return NULL;
    job.from = at(from), job.panels = at(panels), job.bias = at(bias), job.residual = at(residual), job.to = at(to);
    Py_BEGIN_ALLOW_THREADS
    failed = multiply(&job, bfloat, threads);
    Py_END_ALLOW_THREADS
    return finished(failed);
}

static PyObject *python_gate_channels(PyObject *self, PyObject *arguments) {
    Address from, branch, taps, to;
    ChannelGate job = {0};
    int bfloat, threads, failed;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKKnnnnpi", &from, &branch, &taps, &to, &job.n, &job.pixels, &job.channels, &job.count,
                          &bfloat, &threads))
        return NULL;
    if (!suits("channels", job.channels, LANES) || !suits("taps", job.count, 1) || !suits("threads", threads, 1)) return NULL;
    job.from = at(from), job.branch = at(branch), job.taps = (const float *)at(taps), job.to = at(to);
    Py_BEGIN_ALLOW_THREADS
    failed = gate_channels(&job, bfloat, threads);
    Py_END_ALLOW_THREADS
    return finished(failed);
}

static PyObject *python_update_hidden(PyObject *self, PyObject *arguments) {
    Address maps, hidden, to;
    Recurrence job = {0};
    int bfloat, threads;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KKKnnpi", &maps, &hidden, &to, &job.pixels, &job.channels, &bfloat, &threads))
        return NULL;
    if (!suits("channels", job.channels, LANES) || !suits("threads", threads, 1)) return NULL;
    job.maps = at(maps), job.hidden = at(hidden), job.to = at(to);
    Py_BEGIN_ALLOW_THREADS
    update_hidden(&job, bfloat, threads);
    Py_END_ALLOW_THREADS
    return finished(0);
}

static PyMethodDef methods[] = {
    {"convolve", python_convolve, METH_VARARGS, "3x3 convolution in tiles."},
    {"multiply", python_multiply, METH_VARARGS, "Rows times a matrix."},
    {"gate_channels", python_gate_channels, METH_VARARGS, "Residual sum with gated channels."},
    {"update_hidden", python_update_hidden, METH_VARARGS, "Gates of a recurrent map."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) { return PyModule_Create(&module); }
