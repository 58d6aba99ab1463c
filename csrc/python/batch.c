/* SPDX-License-Identifier: Apache-2.0 */
/* What calls of networks take and return: configurations, packed batches, output arrays. */
#include "python/binding.h"

PyObject *binding_settings(PyObject *config, struct deberta_config *read)
{
    if (!PyDict_Check(config) && (!PyMapping_Check(config) || !PyObject_HasAttrString(config, "keys")))
        return PyErr_Format(PyExc_TypeError, "config must be a mapping, not %.100s", Py_TYPE(config)->tp_name);
    PyObject *settings = PyDict_New();
    if (settings && (PyDict_Update(settings, config) < 0 || binding_config(settings, read) < 0))
        Py_CLEAR(settings);
    return settings;
}

static int check_offsets(const int64_t *offsets, size_t count, npy_intp tokens)
{
    if (offsets[0] != 0 || offsets[count] != tokens) {
        PyErr_Format(PyExc_ValueError, "offsets must go from 0 to the number of ids, %zd, not from %lld to %lld",
                     tokens, (long long)offsets[0], (long long)offsets[count]);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] >= offsets[i + 1]) {
            PyErr_Format(PyExc_ValueError,
                         "offsets must be strictly increasing, but offsets[%zu] is %lld and the next %lld", i,
                         (long long)offsets[i], (long long)offsets[i + 1]);
            return -1;
        }
    }
    return 0;
}

/* How many pairs of tokens the sequences have; NPY_MAX_INTP where the number does not fit. */
static npy_intp count_pairs(const int64_t *offsets, npy_intp rows)
{
    npy_intp pairs = 0, square;
    for (npy_intp i = 0; i < rows; i++) {
        npy_intp length = (npy_intp)(offsets[i + 1] - offsets[i]);
        if (__builtin_mul_overflow(length, length, &square) || __builtin_add_overflow(pairs, square, &pairs))
            return NPY_MAX_INTP;
    }
    return pairs;
}

int binding_inputs_of(PyObject *arguments, PyObject *keywords, const char *format, bool takes_given,
                      struct binding_inputs *inputs)
{
    char *names[] = {"ids",      "offsets", "types", "mask",          "pair_mask",  "first",
                     "selected", "logits",  "last",  "hidden_states", "attentions", takes_given ? "given" : NULL,
                     NULL};
    *inputs = (struct binding_inputs)BINDING_NO_INPUTS;
    bool parsed = PyArg_ParseTupleAndKeywords(arguments, keywords, format, names, &inputs->ids, &inputs->offsets,
                                              &inputs->types, &inputs->mask, &inputs->pair_mask, &inputs->first,
                                              &inputs->selected, &inputs->logits, &inputs->last, &inputs->hidden_states,
                                              &inputs->attentions, &inputs->given);
    return parsed ? 0 : -1;
}

int binding_batch(const struct binding_inputs *inputs, struct deberta_batch *batch)
{
    PyArrayObject *ids, *offsets, *types, *mask, *pair_mask, *first, *selected;
    if (binding_vector(inputs->ids, "ids", NPY_INT32, -1, &ids) < 0 ||
        binding_vector(inputs->offsets, "offsets", NPY_INT64, -1, &offsets) < 0)
        return -1;
    if (!ids || !offsets || PyArray_SIZE(offsets) == 0) {
        PyErr_SetString(PyExc_ValueError, "ids and offsets must be arrays, and offsets must start with 0");
        return -1;
    }
    npy_intp tokens = PyArray_SIZE(ids), rows = PyArray_SIZE(offsets) - 1;
    if (check_offsets(PyArray_DATA(offsets), (size_t)rows, tokens) < 0 ||
        binding_vector(inputs->types, "types", NPY_UINT8, tokens, &types) < 0 ||
        binding_vector(inputs->mask, "mask", NPY_UINT8, tokens, &mask) < 0 ||
        binding_vector(inputs->pair_mask, "pair_mask", NPY_UINT8, count_pairs(PyArray_DATA(offsets), rows),
                       &pair_mask) < 0 ||
        binding_vector(inputs->first, "first", NPY_INT32, rows, &first) < 0 ||
        binding_vector(inputs->selected, "selected", NPY_UINT8, tokens, &selected) < 0)
        return -1;
    *batch = (struct deberta_batch){
        .ids = PyArray_DATA(ids),
        .types = types ? PyArray_DATA(types) : NULL,
        .mask = mask ? PyArray_DATA(mask) : NULL,
        .pair_mask = pair_mask ? PyArray_DATA(pair_mask) : NULL,
        .offsets = PyArray_DATA(offsets),
        .first = first ? PyArray_DATA(first) : NULL,
        .selected = selected ? PyArray_DATA(selected) : NULL,
        .count = (size_t)rows,
    };
    return 0;
}

/* An uninitialised float32 array, or None when it is not `wanted`. */
static PyObject *new_output(int wanted, int rank, npy_intp *shape, float **data)
{
    *data = NULL;
    if (!wanted)
        return Py_NewRef(Py_None);
    PyObject *array = PyArray_SimpleNew(rank, shape, NPY_FLOAT32);
    if (array)
        *data = PyArray_DATA((PyArrayObject *)array);
    return array;
}

/* NumPy raises for sizes beyond its limits. */
static npy_intp dimension(size_t size)
{
    return size < NPY_MAX_INTP ? (npy_intp)size : NPY_MAX_INTP;
}

PyObject *binding_outputs(const struct deberta_config *config, const struct binding_inputs *inputs,
                          const struct deberta_batch *batch, struct deberta_outputs *outputs)
{
    struct deberta_shapes shapes = deberta_output_shapes(config, batch);
    npy_intp logits_shape[] = {(npy_intp)shapes.logit_rows, (npy_intp)shapes.logit_columns};
    npy_intp hidden_shape[] = {(npy_intp)config->layers + 1, (npy_intp)shapes.tokens, (npy_intp)config->hidden_size};
    npy_intp attention_shape[] = {dimension(shapes.probabilities)};
    PyObject *logits = new_output(inputs->logits, 2, logits_shape, &outputs->logits);
    PyObject *last = new_output(inputs->last, 2, hidden_shape + 1, &outputs->last);
    PyObject *hidden = new_output(inputs->hidden_states, 3, hidden_shape, &outputs->hidden);
    PyObject *attentions = new_output(inputs->attentions, 1, attention_shape, &outputs->attentions);
    PyObject *result = NULL;
    if (logits && last && hidden && attentions)
        result = PyTuple_Pack(4, logits, last, hidden, attentions);
    Py_XDECREF(logits);
    Py_XDECREF(last);
    Py_XDECREF(hidden);
    Py_XDECREF(attentions);
    return result;
}
