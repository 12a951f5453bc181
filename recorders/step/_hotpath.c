/* The usual step of a small training on the CPU. In a training the caches are cold, so that each object that a step
   touches costs more than the work on it: what such a step needs lies in one struct.

   Each function does the whole of its work, or returns False and leaves the whole of it to Python. */

#include "_payments.h"
#include "_tensors.h"

#include <structmember.h>

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

/* Attributes of the recorder: recorders/step/state.py says what they are, and Python code sees to it that they are. */
#define FLAGS(X) X(is_plain) X(is_listening) X(recorded_last)
#define COUNTS(X) X(row) X(limit) X(steps) X(step) X(base) X(head)
#define TIMES(X) X(due) X(began) X(seconds)
#define OBJECTS(X) X(numbers) X(blank) X(rates) X(from_closure) X(places) X(deferred) X(phase) X(flights) X(optimizers)
#define DECLARE_FLAG(name) char name;
#define DECLARE_COUNT(name) Py_ssize_t name;
#define DECLARE_TIME(name) double name;
#define DECLARE_OBJECT(name) PyObject *name;

typedef struct {
    PyObject_HEAD
    FLAGS(DECLARE_FLAG) COUNTS(DECLARE_COUNT) TIMES(DECLARE_TIME) OBJECTS(DECLARE_OBJECT)
    /* What prepare() was given, and what is borrowed from it. */
    PyObject *given, *tensor, *between, *recording, *modules;
    const Exchange *exchange;
    Py_buffer memory;
    Py_ssize_t first, capacity, row_bytes;
    Source sources[MOST_SOURCES];
    /* -1 where some parameter, or anything else of a row, can only be copied by Python. */
    int n_sources;
    /* What each source's motion brought, which goes into the row too; -1 where Python has to find it. */
    Payment payments[MOST_SOURCES];
    int n_payments;
    /* Whether begin() has filled the row that end() may complete. */
    char is_filled;
} HotPath;

static PyObject *text_lr, *text_param_groups;

/* Whether every learning rate is the object that it was, whose number stands in the blank row. */
static int are_rates_known(const HotPath *self)
{
    Py_ssize_t k = 0;
    int are_known = 1;
    for (Py_ssize_t i = 0; are_known && i < PyTuple_GET_SIZE(self->optimizers); i++) {
        PyObject *groups = PyObject_GetAttr(PyTuple_GET_ITEM(self->optimizers, i), text_param_groups);
        are_known = groups != NULL && PyList_Check(groups);
        for (Py_ssize_t j = 0; are_known && j < PyList_GET_SIZE(groups); j++, k++) {
            PyObject *rate = at(PyList_GET_ITEM(groups, j), text_lr);
            are_known = rate != NULL && k < PyList_GET_SIZE(self->rates) && rate == PyList_GET_ITEM(self->rates, k);
        }
        forgive();
        Py_XDECREF(groups);
    }
    return are_known;
}

static int is_without_closure(PyObject *args, PyObject *kwargs)
{
    return PyTuple_Check(args) && PyTuple_GET_SIZE(args) == 1 && PyDict_Check(kwargs) && PyDict_GET_SIZE(kwargs) == 0;
}

PyDoc_STRVAR(begin_doc, "Fill the next row; whether that was done.");
static PyObject *begin(HotPath *self, PyObject *const *arguments, Py_ssize_t count)
{
    self->is_filled = 0;
    if (self->exchange == NULL || !self->is_plain || self->phase != self->between || self->row >= self->limit)
        return refuse();
    /* A closure is watched by Python. */
    if (self->n_sources < 0 || count != 2 || !is_without_closure(arguments[0], arguments[1]))
        return refuse();
    struct timespec clock;
    clock_gettime(CLOCK_MONOTONIC, &clock);
    double now = (double)clock.tv_sec + 1e-9 * (double)clock.tv_nsec;
    if (now > self->due || !are_there(self->modules) || !are_rates_known(self))
        return refuse();
    self->base = self->first + self->row % self->capacity * self->row_bytes;
    char *row = (char *)self->memory.buf + self->base;
    for (int k = 0; k < self->n_sources; k++)
        if (!copy_source(self->exchange, &self->sources[k], row))
            return refuse();
    self->step = self->steps;
    self->seconds = now - self->began;
    Py_XSETREF(self->phase, Py_NewRef(self->recording));
    self->is_filled = 1;
    Py_RETURN_TRUE;
}

/* Write the row's numbers and what follows them; 0 where they are none or find no room. */
static int write_numbers(const HotPath *self)
{
    Py_ssize_t count = PyList_GET_SIZE(self->numbers);
    Py_ssize_t start = self->base + self->head;
    if (self->head < 0 || PyList_GET_SIZE(self->blank) != count || start + 8 * (count + 3) > self->memory.len)
        return 0;
    char *target = (char *)self->memory.buf + start;
    for (Py_ssize_t k = 0; k < count; k++, target += 8) {
        PyObject *number = PyList_GET_ITEM(self->numbers, k);
        if (!PyFloat_Check(number))
            return 0;
        double value = PyFloat_AS_DOUBLE(number);
        memcpy(target, &value, 8);
    }
    int64_t step = self->step, mark = self->row + 1;
    memcpy(target, &step, 8);
    memcpy(target + 8, &self->seconds, 8);
    /* The mark says that all before it is there. */
    atomic_thread_fence(memory_order_release);
    memcpy(target + 16, &mark, 8);
    return 1;
}

PyDoc_STRVAR(end_doc, "Complete the row that _begin() has filled, and count the step; whether that was done.");
static PyObject *end(HotPath *self, PyObject *Py_UNUSED(none))
{
    int is_mine = self->is_filled && self->is_plain && self->phase == self->recording;
    self->is_filled = 0;
    if (!is_mine || PyDict_GET_SIZE(self->deferred) || PyList_GET_SIZE(self->from_closure))
        Py_RETURN_FALSE;
    if (PyObject_IsTrue(self->flights) || self->n_payments < 0)
        Py_RETURN_FALSE;
    char *row = (char *)self->memory.buf + self->base;
    for (int k = 0; k < self->n_payments; k++)
        if (!pay(self->exchange, self->tensor, &self->sources[k], &self->payments[k], row))
            return refuse();
    if (!write_numbers(self))
        Py_RETURN_FALSE;
    self->row++;
    self->steps++;
    self->recorded_last = 1;
    for (Py_ssize_t k = 0; k < PyList_GET_SIZE(self->numbers); k++)
        PyList_SetItem(self->numbers, k, Py_NewRef(PyList_GET_ITEM(self->blank, k)));
    Py_XSETREF(self->phase, Py_NewRef(self->between));
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(take_doc, "Put what was logged into the next row; whether that was done.");
static PyObject *take(HotPath *self, PyObject *scalars)
{
    if (self->exchange == NULL || !self->is_listening || PyDict_GET_SIZE(self->deferred))
        Py_RETURN_FALSE;
    Py_ssize_t position = 0;
    PyObject *name, *value;
    while (PyDict_Next(scalars, &position, &name, &value)) {
        double read;
        PyObject *place = at(self->places, name), *number = NULL;
        if (place != NULL && PyFloat_CheckExact(value))
            number = Py_NewRef(value);
        else if (place != NULL && read_number(self->exchange, self->tensor, value, &read))
            number = PyFloat_FromDouble(read);
        if (number == NULL)
            return refuse();
        /* Places count from the end. */
        if (PyList_SetItem(self->numbers, PyList_GET_SIZE(self->numbers) + PyLong_AsSsize_t(place), number) < 0)
            return NULL;
    }
    Py_RETURN_TRUE;
}

PyDoc_STRVAR(prepare_doc, "Note where rows go and what they are filled from; whether that was done.");
static PyObject *prepare(HotPath *self, PyObject *given)
{
    PyObject *capsule, *tensor, *between, *recording, *modules, *sources, *payments;
    Py_ssize_t first, capacity, row_bytes;
    Py_buffer memory;
    if (!PyArg_ParseTuple(given, "OOOOO!O!O!nnnw*", &capsule, &tensor, &between, &recording, &PyTuple_Type, &modules,
                          &PyTuple_Type, &sources, &PyTuple_Type, &payments, &first, &capacity, &row_bytes, &memory))
        return NULL;
    const Exchange *exchange = PyCapsule_GetPointer(capsule, "dlpack_exchange_api");
    /* An attribute of that name that holds something else is none of ours. */
    forgive();
    int is_known = exchange != NULL && exchange->version.major == DLPACK_MAJOR && exchange->look != NULL;
    if (!is_known || self->given != NULL || first < 0 || capacity < 1 || memory.len < first + capacity * row_bytes) {
        PyBuffer_Release(&memory);
        return refuse();
    }
    self->given = Py_NewRef(given), self->exchange = exchange, self->tensor = tensor;
    self->between = between, self->recording = recording, self->modules = modules, self->memory = memory;
    self->first = first, self->capacity = capacity, self->row_bytes = row_bytes;
    Py_ssize_t count = PyTuple_GET_SIZE(sources), k = 0;
    while (k < count && k < MOST_SOURCES
           && note_source(exchange, PyTuple_GET_ITEM(sources, k), row_bytes, &self->sources[k]))
        k++;
    self->n_sources = k == count ? (int)count : -1;
    self->n_payments = 0;
    if (PyTuple_GET_SIZE(payments))
        self->n_payments = note_payments(payments, self->sources, self->n_sources, row_bytes, self->payments);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_True);
}

static int traverse(HotPath *self, visitproc visit, void *arg)
{
#define VISIT(name) Py_VISIT(self->name);
    OBJECTS(VISIT) VISIT(given) VISIT(memory.obj)
    return 0;
}

static int clear(HotPath *self)
{
#define CLEAR(name) Py_CLEAR(self->name);
    self->exchange = NULL, self->is_filled = 0;
    OBJECTS(CLEAR) CLEAR(given)
    PyBuffer_Release(&self->memory);
    return 0;
}

static void dealloc(HotPath *self)
{
    PyObject_GC_UnTrack(self);
    clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"_prepare", (PyCFunction)(void (*)(void))prepare, METH_VARARGS, prepare_doc},
    {"_begin", (PyCFunction)(void (*)(void))begin, METH_FASTCALL, begin_doc},
    {"_end", (PyCFunction)(void (*)(void))end, METH_NOARGS, end_doc},
    {"_take", (PyCFunction)(void (*)(void))take, METH_O, take_doc},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(kind, name) {"_" #name, kind, offsetof(HotPath, name), 0, NULL},
#define FLAG_MEMBER(name) MEMBER(T_BOOL, name)
#define COUNT_MEMBER(name) MEMBER(T_PYSSIZET, name)
#define TIME_MEMBER(name) MEMBER(T_DOUBLE, name)
#define OBJECT_MEMBER(name) MEMBER(T_OBJECT_EX, name)
static PyMemberDef members[] = {
    FLAGS(FLAG_MEMBER) COUNTS(COUNT_MEMBER) TIMES(TIME_MEMBER) OBJECTS(OBJECT_MEMBER) {NULL, 0, 0, 0, NULL},
};

static PyTypeObject HotPathType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "dyn.recorders.step._hotpath.HotPath",
    .tp_doc = "What a recorder's step touches, and its quick way through the usual step.",
    .tp_basicsize = sizeof(HotPath),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_new = PyType_GenericNew,
    .tp_dealloc = (destructor)dealloc,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_methods = methods,
    .tp_members = members,
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_hotpath", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__hotpath(void)
{
    text_lr = PyUnicode_InternFromString("lr");
    text_param_groups = PyUnicode_InternFromString("param_groups");
    text_is_neg = PyUnicode_InternFromString("is_neg");
    text_grad = PyUnicode_InternFromString("grad");
    if (text_lr == NULL || text_param_groups == NULL || text_is_neg == NULL || text_grad == NULL || PyType_Ready(&HotPathType) < 0)
        return NULL;
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddObjectRef(made, "HotPath", (PyObject *)&HotPathType) < 0)
        Py_CLEAR(made);
    return made;
}
