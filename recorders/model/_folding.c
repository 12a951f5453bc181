/* The sketch of a parameter and its length in one pass over its memory, as recorders/model/sketches.py has it, which
   does the same where this was not built. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* Where the compiler can make it for wider registers too, the processor's own are taken. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define WIDE __attribute__((target_clones("arch=haswell", "default")))
#else
#define WIDE
#endif

/* So many sums go side by side, since each waits for the one before. */
#define AT_ONCE 32

/* Add elements times signs to as many buckets, and return the sum of their squares. */
WIDE static double add(const float *restrict x, const float *restrict signs, float turn, float *restrict bucket,
                  Py_ssize_t count)
{
    float sum[AT_ONCE] = {0};
    Py_ssize_t j = 0;
    for (; j + AT_ONCE <= count; j += AT_ONCE)
        for (int k = 0; k < AT_ONCE; k++) {
            bucket[j + k] += turn * signs[j + k] * x[j + k];
            sum[k] += x[j + k] * x[j + k];
        }
    for (; j < count; j++) {
        bucket[j] += turn * signs[j] * x[j];
        sum[0] += x[j] * x[j];
    }
    double total = 0;
    for (int k = 0; k < AT_ONCE; k++)
        total += (double)sum[k];
    return total;
}

/* So many elements are added at most before their squares go into a sum in double precision. */
#define PART 4096
/* Few buckets are folded up of several rounds of them, so that one is not always at an end. The nearest cache holds so many. */
#define ROUND 2048

static double fold(const float *x, Py_ssize_t size, const float *signs, const int64_t *runs, Py_ssize_t length,
                   float *buckets, Py_ssize_t count)
{
    float several[ROUND];
    Py_ssize_t rounds = count < ROUND ? ROUND / count : 1, width = rounds * count;
    float *room = rounds > 1 ? several : buckets;
    double squares = 0;
    memset(room, 0, (size_t)width * sizeof(float));
    for (Py_ssize_t start = 0; start < size; start += length, runs += 3) {
        const float *sign = signs + runs[0], *from = x + start;
        Py_ssize_t left = size - start < length ? size - start : length, at = runs[1];
        while (left > 0) {
            Py_ssize_t part = width - at < left ? width - at : left;
            part = part < PART ? part : PART;
            squares += add(from, sign, (float)runs[2], room + at, part);
            from += part, sign += part, left -= part, at += part;
            at = at == width ? 0 : at;
        }
    }
    if (rounds > 1)
        for (Py_ssize_t k = 0; k < count; k++) {
            float sum = 0;
            for (Py_ssize_t j = 0; j < rounds; j++)
                sum += room[j * count + k];
            buckets[k] = sum;
        }
    return squares;
}

/* Return the sum of squares. */
WIDE static double measure(const float *restrict x, Py_ssize_t size)
{
    double total = 0;
    for (Py_ssize_t start = 0; start < size; start += PART) {
        Py_ssize_t count = size - start < PART ? size - start : PART, j = 0;
        const float *from = x + start;
        float sum[AT_ONCE] = {0};
        for (; j + AT_ONCE <= count; j += AT_ONCE)
            for (int k = 0; k < AT_ONCE; k++)
                sum[k] += from[j + k] * from[j + k];
        for (; j < count; j++)
            sum[0] += from[j] * from[j];
        for (int k = 0; k < AT_ONCE; k++)
            total += (double)sum[k];
    }
    return total;
}

/* Whether every run lies within the table of signs and begins at a bucket that there is. */
static int are_within(const int64_t *runs, Py_ssize_t number, Py_ssize_t length, Py_ssize_t signs, Py_ssize_t count)
{
    for (Py_ssize_t k = 0; k < number; k++, runs += 3)
        if (runs[0] < 0 || runs[0] + length > signs || runs[1] < 0 || runs[1] >= count)
            return 0;
    return 1;
}

static PyObject *py_fold(PyObject *Py_UNUSED(module), PyObject *args)
{
    Py_buffer x, signs, runs, buckets;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "y*y*y*nw*", &x, &signs, &runs, &length, &buckets))
        return NULL;
    Py_ssize_t size = x.len / 4, count = buckets.len / 4, number = runs.len / 24;
    double squares = 0;
    int is_right = length > 0 && count > 0 && number == (size + length - 1) / length
                   && are_within(runs.buf, number, length, signs.len / 4, count);
    if (is_right) {
        Py_BEGIN_ALLOW_THREADS
        squares = fold(x.buf, size, signs.buf, runs.buf, length, buckets.buf, count);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&signs);
    PyBuffer_Release(&runs);
    PyBuffer_Release(&buckets);
    if (!is_right) {
        PyErr_SetString(PyExc_ValueError, "runs do not cover the elements, or leave the signs or the buckets");
        return NULL;
    }
    return PyFloat_FromDouble(squares);
}

static PyObject *py_squares(PyObject *Py_UNUSED(module), PyObject *given)
{
    Py_buffer x;
    double total;
    if (PyObject_GetBuffer(given, &x, PyBUF_SIMPLE) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    total = measure(x.buf, x.len / 4);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&x);
    return PyFloat_FromDouble(total);
}

static PyMethodDef methods[] = {
    {"fold", py_fold, METH_VARARGS, "Put the sketch of single-precision elements into buckets; return their squares' sum."},
    {"squares", py_squares, METH_O, "Return the sum of the squares of single-precision elements."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_folding", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__folding(void)
{
    return PyModule_Create(&module);
}
