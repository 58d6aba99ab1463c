/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of tokens as Python lists, one per row. Equal numbers and equal short pairs are one shared object: a list
 * that only counts references is several times as fast to make as one of new objects. */
#include "python/binding.h"

#include <string.h>

#define PAIR_STARTS 1024 /* spans are shared if they start below this */
#define PAIR_SIZES 16    /* and are shorter than this */

int binding_shared_init(struct binding_shared *shared, size_t count)
{
    if (shared->numbers)
        return 0;
    PyObject **numbers = PyMem_Calloc(count, sizeof *numbers);
    PyObject **pairs = PyMem_Calloc(PAIR_STARTS * PAIR_SIZES, sizeof *pairs);
    if (!numbers || !pairs) {
        PyMem_Free(numbers);
        PyMem_Free(pairs);
        PyErr_NoMemory();
        return -1;
    }
    *shared = (struct binding_shared){numbers, count, pairs};
    return 0;
}

static void release_objects(PyObject **objects, size_t count)
{
    for (size_t i = 0; objects && i < count; i++)
        Py_XDECREF(objects[i]);
    PyMem_Free(objects);
}

void binding_shared_release(struct binding_shared *shared)
{
    release_objects(shared->numbers, shared->count);
    release_objects(shared->pairs, PAIR_STARTS * PAIR_SIZES);
    *shared = (struct binding_shared){0};
}

/* ---- values of a column ---- */

static PyObject *number_of(struct binding_shared *shared, int32_t number)
{
    if (number < 0 || (size_t)number >= shared->count)
        return PyLong_FromLong(number);
    if (!shared->numbers[number])
        shared->numbers[number] = PyLong_FromLong(number);
    return Py_XNewRef(shared->numbers[number]);
}

/* A tuple of two numbers is never part of a cycle: the garbage collector need not track it. */
static PyObject *new_pair(struct binding_shared *shared, int32_t start, int32_t end)
{
    PyObject *first = number_of(shared, start), *second = number_of(shared, end), *pair = PyTuple_New(2);
    if (!first || !second || !pair) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        Py_XDECREF(pair);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, first);
    PyTuple_SET_ITEM(pair, 1, second);
    PyObject_GC_UnTrack(pair);
    return pair;
}

static PyObject *pair_of(struct binding_shared *shared, int32_t start, int32_t end)
{
    if (start < 0 || start >= PAIR_STARTS || end < start || end - start >= PAIR_SIZES)
        return new_pair(shared, start, end);
    PyObject **place = &shared->pairs[start * PAIR_SIZES + (end - start)];
    if (!*place)
        *place = new_pair(shared, start, end);
    return Py_XNewRef(*place);
}

/* Values (T) or (T, 2), or one for all tokens. */
struct column {
    PyObject *constant; /* or NULL */
    PyObject *filler;
    const void *values;
    bool pairs, bytes; /* uint8 if `bytes`, otherwise int32 */
};

static PyObject *value_of(struct binding_shared *shared, const struct column *column, int64_t token)
{
    const int32_t *numbers = column->values;
    if (column->constant)
        return Py_NewRef(column->constant);
    if (column->bytes)
        return number_of(shared, ((const uint8_t *)column->values)[token]);
    return column->pairs ? pair_of(shared, numbers[2 * token], numbers[2 * token + 1])
                         : number_of(shared, numbers[token]);
}

/* ---- arguments ---- */

/* Rows are between offsets; shorter ones are filled up to `width`. */
struct layout {
    const int64_t *offsets;
    Py_ssize_t rows, width;
    int left;
};

static int read_layout(PyObject *argument, struct layout *layout)
{
    PyArrayObject *array;
    if (binding_vector(argument, "offsets", NPY_INT64, -1, &array) < 0)
        return -1;
    if (!array || PyArray_SIZE(array) == 0) {
        PyErr_SetString(PyExc_ValueError, "offsets must be an array that is not empty");
        return -1;
    }
    layout->offsets = PyArray_DATA(array);
    layout->rows = PyArray_SIZE(array) - 1;
    for (Py_ssize_t i = 0; i <= layout->rows; i++) {
        if (layout->offsets[i] >= (i ? layout->offsets[i - 1] : 0))
            continue;
        PyErr_Format(PyExc_ValueError, "offsets[%zd] is %lld: offsets must ascend from 0", i,
                     (long long)layout->offsets[i]);
        return -1;
    }
    return 0;
}

static int read_array(PyArrayObject *array, int64_t tokens, struct column *column)
{
    int type = PyArray_TYPE(array), rank = PyArray_NDIM(array);
    column->pairs = rank == 2 && PyArray_DIM(array, 1) == 2;
    column->bytes = type == NPY_UINT8 || type == NPY_BOOL;
    column->values = PyArray_DATA(array);
    bool known = type == NPY_INT32 ? rank == 1 || column->pairs : column->bytes && rank == 1;
    if (!known || !PyArray_ISCARRAY_RO(array)) {
        PyErr_Format(PyExc_ValueError,
                     "a column must be a contiguous array of int32, (T) or (T, 2), of uint8 or bool, "
                     "(T), or one value for all, not %S of rank %d",
                     PyArray_DESCR(array), rank);
        return -1;
    }
    if (PyArray_DIM(array, 0) < tokens) {
        PyErr_Format(PyExc_ValueError, "a column of %zd tokens ends before the offsets, which end at %lld",
                     PyArray_DIM(array, 0), (long long)tokens);
        return -1;
    }
    return 0;
}

static int read_column(PyObject *item, const struct layout *layout, struct column *column)
{
    PyObject *values;
    *column = (struct column){0};
    if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        PyErr_Format(PyExc_TypeError, "a column must be a tuple (values, filler), not %.200R", item);
        return -1;
    }
    values = PyTuple_GET_ITEM(item, 0);
    column->filler = PyTuple_GET_ITEM(item, 1);
    if (PyArray_Check(values))
        return read_array((PyArrayObject *)values, layout->offsets[layout->rows], column);
    column->constant = values;
    return 0;
}

/* ---- lists ---- */

static void fill(PyObject *row, Py_ssize_t start, Py_ssize_t end, PyObject *filler)
{
    for (Py_ssize_t i = start; i < end; i++)
        PyList_SET_ITEM(row, i, Py_NewRef(filler));
}

static PyObject *list_row(struct binding_shared *shared, const struct layout *layout, const struct column *column,
                          Py_ssize_t number)
{
    int64_t first = layout->offsets[number];
    Py_ssize_t count = (Py_ssize_t)(layout->offsets[number + 1] - first);
    Py_ssize_t size = count < layout->width ? layout->width : count;
    Py_ssize_t start = layout->left ? size - count : 0;
    PyObject *row = PyList_New(size);
    if (!row)
        return NULL;
    fill(row, 0, start, column->filler);
    fill(row, start + count, size, column->filler);
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *value = value_of(shared, column, first + i);
        if (!value) {
            Py_DECREF(row);
            return NULL;
        }
        PyList_SET_ITEM(row, start + i, value);
    }
    return row;
}

static PyObject *list_rows(struct binding_shared *shared, const struct layout *layout, PyObject *item)
{
    struct column column;
    if (read_column(item, layout, &column) < 0)
        return NULL;
    PyObject *rows = PyList_New(layout->rows);
    for (Py_ssize_t i = 0; rows && i < layout->rows; i++) {
        PyObject *row = list_row(shared, layout, &column, i);
        if (!row)
            Py_CLEAR(rows);
        else
            PyList_SET_ITEM(rows, i, row);
    }
    return rows;
}

/* None of the new objects is garbage: with the collector on, searching them would take most of the time. */
static PyObject *list_columns(struct binding_shared *shared, const struct layout *layout, PyObject *columns)
{
    int collects = PyGC_Disable();
    Py_ssize_t count = PyTuple_GET_SIZE(columns);
    PyObject *lists = PyList_New(count);
    for (Py_ssize_t i = 0; lists && i < count; i++) {
        PyObject *rows = list_rows(shared, layout, PyTuple_GET_ITEM(columns, i));
        if (!rows)
            Py_CLEAR(lists);
        else
            PyList_SET_ITEM(lists, i, rows);
    }
    if (collects)
        PyGC_Enable();
    return lists;
}

PyObject *binding_rows(struct binding_shared *shared, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"offsets", "columns", "width", "left", NULL};
    PyObject *offsets, *columns;
    struct layout layout = {0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO!|$np:rows", names, &offsets, &PyTuple_Type, &columns,
                                     &layout.width, &layout.left) ||
        read_layout(offsets, &layout) < 0)
        return NULL;
    return list_columns(shared, &layout, columns);
}
