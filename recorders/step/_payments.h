/* What the step just taken brought, to first order: the sums of gradient times motion, while its row is still open.
   As recorders/model/payments.py has it, which does what is left undone here. */

#ifndef DYN_PAYMENTS_H
#define DYN_PAYMENTS_H

#include "_tensors.h"

/* Where the shares of a source go within a row, (outer, inner) numbers, each a sum over the middle of its three axes. */
typedef struct {
    Py_ssize_t start, outer, middle, inner;
} Payment;

static PyObject *text_grad;

/* Note payments given as (start, outer, middle, inner), one for each source; -1 where one is not so. */
static int note_payments(PyObject *given, const Source *sources, int count, Py_ssize_t row_bytes, Payment *payments)
{
    if (PyTuple_GET_SIZE(given) != count)
        return -1;
    for (int k = 0; k < count; k++) {
        Payment *each = &payments[k];
        PyObject *entry = PyTuple_GET_ITEM(given, k);
        if (!PyTuple_Check(entry)
            || !PyArg_ParseTuple(entry, "nnnn", &each->start, &each->outer, &each->middle, &each->inner)) {
            PyErr_Clear();
            return -1;
        }
        /* One that is no parameter, and has no gradient. */
        if (each->outer == 0)
            continue;
        Py_ssize_t shares = each->outer * each->inner, bytes = sources[k].bits / 8;
        int is_within = each->start >= 0 && shares > 0 && each->start + shares * 4 <= row_bytes;
        int is_known = sources[k].code == FLOAT && (bytes == 4 || bytes == 8);
        if (!is_within || !is_known || shares * each->middle * bytes != sources[k].nbytes)
            return -1;
    }
    return count;
}

/* What nothing moved brings nothing, even where its gradient is infinite, as of a step that was skipped for that. */
#define SUM(type)                                                                                                      \
    for (Py_ssize_t j = 0; j < payment->middle; j++, at += payment->inner) {                                           \
        double move = (double)((const type *)now)[at] - (double)((const type *)before)[at];                            \
        if (move != 0)                                                                                                 \
            sum += move * (double)((const type *)slope)[at];                                                           \
    }

static void sum_up(const Payment *payment, int is_double, const void *now, const void *before, const void *slope,
                   char *target)
{
    for (Py_ssize_t i = 0; i < payment->outer; i++)
        for (Py_ssize_t k = 0; k < payment->inner; k++, target += 4) {
            double sum = 0;
            Py_ssize_t at = i * payment->middle * payment->inner + k;
            if (is_double)
                SUM(double)
            else
                SUM(float)
            float share = (float)sum;
            memcpy(target, &share, sizeof share);
        }
}

/* Put the shares of one source into the row that has where it was. */
static int pay(const Exchange *exchange, PyObject *tensor, const Source *source, const Payment *payment, char *row)
{
    if (payment->outer == 0)
        return 1;
    DLTensor now, slope;
    PyObject *parameter = at(source->owner, source->key);
    if (parameter == NULL || !look(exchange, source->type, parameter, &now) || !is_like(&now, source)
        || now.data != source->seen)
        return 0;
    PyObject *gradient = PyObject_GetAttr(parameter, text_grad);
    int is_had = gradient == Py_None;
    if (is_had)
        memset(row + payment->start, 0, (size_t)(4 * payment->outer * payment->inner));
    else if (gradient != NULL && look(exchange, tensor, gradient, &slope) && is_like(&slope, source)
             && ((uintptr_t)slope.data % ALLOCATION == 0 || is_positive(gradient))) {
        sum_up(payment, source->bits == 64, now.data, row + source->start, slope.data, row + payment->start);
        is_had = 1;
    }
    forgive();
    Py_XDECREF(gradient);
    return is_had;
}

#endif
