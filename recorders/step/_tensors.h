/* Torch's tensors seen from C, through DLPack, the standard by which libraries share them:
   https://dmlc.github.io/dlpack/latest/c_api.html. No header of torch's is needed, and no Python code runs.

   Nothing that was seen at an earlier step is relied on: a tensor is asked each time where its data are and what they
   look like. A function that returns 0 has left its work to Python, and no error but one that interrupts. */

#ifndef DYN_TENSORS_H
#define DYN_TENSORS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

enum { DLPACK_MAJOR = 1, ON_CPU = 1, INT = 0, UINT = 1, FLOAT = 2, BFLOAT = 4, BOOL = 6 };

typedef struct {
    void *data;
    struct { int32_t type, id; } device;
    int32_t ndim;
    struct { uint8_t code, bits; uint16_t lanes; } dtype;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} DLTensor;

typedef struct {
    struct { uint32_t major, minor; } version;
    void *previous, *allocate, *from_object, *to_object;
    int (*look)(void *object, DLTensor *out);
    void *current_stream;
} Exchange;

enum { MOST_SOURCES = 8, MOST_AXES = 8 };

/* A parameter or a buffer: where its module keeps it, where it goes within a row, and what it was when the recording
   began, its type included. */
typedef struct {
    PyObject *owner, *key, *type;
    Py_ssize_t start, nbytes;
    /* Where its data lie, since Python copied it there; or since the recording began. */
    const void *seen;
    int64_t shape[MOST_AXES];
    int32_t ndim;
    uint8_t code, bits;
} Source;

/* What torch allocates begins at a multiple of so many bytes. */
enum { ALLOCATION = 64 };

static PyObject *text_is_neg;

/* Leave to Python what went wrong, and let go on what interrupts, such as Ctrl-C. */
static void forgive(void)
{
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear();
}

/* The answer to a caller that is to do the work itself; or the interruption. */
static PyObject *refuse(void)
{
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
}

/* Look at a tensor of exactly this type whose values can be read from memory. */
static int look(const Exchange *exchange, PyObject *type, PyObject *tensor, DLTensor *seen)
{
    if ((PyObject *)Py_TYPE(tensor) != type)
        return 0;
    if (exchange->look(tensor, seen) != 0) {
        forgive();
        return 0;
    }
    return seen->device.type == ON_CPU && seen->dtype.lanes == 1 && seen->byte_offset == 0 && seen->data != NULL;
}

/* Whether the memory of a tensor holds its values, and not their negatives. */
static int is_positive(PyObject *tensor)
{
    PyObject *answer = PyObject_CallMethodNoArgs(tensor, text_is_neg);
    int is_known = answer == Py_False;
    forgive();
    Py_XDECREF(answer);
    return is_known;
}

/* Return what a dictionary has at *key*, borrowed; NULL without an error where it has nothing. */
static PyObject *at(PyObject *dictionary, PyObject *key)
{
    PyObject *value = PyDict_Check(dictionary) ? PyDict_GetItemWithError(dictionary, key) : NULL;
    if (value == NULL)
        PyErr_Clear();
    return value;
}

/* Whether each (dictionary, key, value, ...) holds: whether the modules are where they were. */
static int are_there(PyObject *entries)
{
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(entries); k++) {
        PyObject *entry = PyTuple_GET_ITEM(entries, k);
        if (at(PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1)) != PyTuple_GET_ITEM(entry, 2))
            return 0;
    }
    return 1;
}

/* Read the number that a tensor of one element holds. */
static int read_number(const Exchange *exchange, PyObject *type, PyObject *tensor, double *number)
{
    DLTensor seen;
    float single;
    if (!look(exchange, type, tensor, &seen) || seen.dtype.code != FLOAT)
        return 0;
    /* What holds negatives is the imaginary part of a conjugate, which is not where an allocation begins. */
    if ((uintptr_t)seen.data % ALLOCATION && !is_positive(tensor))
        return 0;
    for (int32_t k = 0; k < seen.ndim; k++)
        if (seen.shape[k] != 1)
            return 0;
    if (seen.dtype.bits == 64) {
        memcpy(number, seen.data, sizeof *number);
        return 1;
    }
    if (seen.dtype.bits != 32)
        return 0;
    memcpy(&single, seen.data, sizeof single);
    *number = single;
    return 1;
}

/* Note a parameter, or a buffer, given as (owner, key, type, start, bytes), in a row of so many bytes. */
static int note_source(const Exchange *exchange, PyObject *given, Py_ssize_t row_bytes, Source *source)
{
    DLTensor seen;
    if (!PyArg_ParseTuple(given, "OOOnn", &source->owner, &source->key, &source->type, &source->start, &source->nbytes)) {
        PyErr_Clear();
        return 0;
    }
    PyObject *parameter = at(source->owner, source->key);
    if (parameter == NULL || !look(exchange, source->type, parameter, &seen) || seen.ndim > MOST_AXES)
        return 0;
    int code = source->code = seen.dtype.code;
    int64_t bits = source->bits = seen.dtype.bits;
    source->seen = is_positive(parameter) ? seen.data : NULL;
    for (int32_t k = source->ndim = seen.ndim; k-- > 0;)
        bits *= source->shape[k] = seen.shape[k];
    int is_known = code == INT || code == UINT || code == FLOAT || code == BFLOAT || code == BOOL;
    int is_within = source->start >= 0 && source->nbytes > 0 && source->start <= row_bytes - source->nbytes;
    return is_known && is_within && bits == 8 * source->nbytes;
}

/* Whether a tensor has the shape, the kind of numbers and the order in memory of a source. */
static int is_like(const DLTensor *seen, const Source *source)
{
    if (seen->ndim != source->ndim || seen->dtype.code != source->code || seen->dtype.bits != source->bits)
        return 0;
    int64_t stride = 1;
    for (int32_t k = source->ndim; k-- > 0; stride *= seen->shape[k])
        if (seen->shape[k] != source->shape[k] || (seen->strides[k] != stride && seen->shape[k] != 1))
            return 0;
    return 1;
}

/* Copy a parameter into a row, if it looks as it did. */
static int copy_source(const Exchange *exchange, Source *source, char *row)
{
    DLTensor seen;
    PyObject *parameter = at(source->owner, source->key);
    if (parameter == NULL || !look(exchange, source->type, parameter, &seen) || !is_like(&seen, source))
        return 0;
    if (seen.data != source->seen) {
        /* Data in a new place are copied by Python once. */
        source->seen = is_positive(parameter) ? seen.data : NULL;
        return 0;
    }
    memcpy(row + source->start, seen.data, (size_t)source->nbytes);
    return 1;
}

#endif
