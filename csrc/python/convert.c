/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <string.h>

/* ---- texts ---- */

static void name_the_surrogate(const char *name, Py_ssize_t row)
{
    PyObject *type, *error, *traceback;
    Py_ssize_t at = -1;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (PyUnicodeEncodeError_GetStart(error, &at) < 0)
        PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    PyErr_Format(PyExc_ValueError,
                 "%s[%zd] has a lone surrogate at index %zd, which is not a character; "
                 "text.encode('utf-8', 'replace').decode() puts '?' in its place",
                 name, row, at);
}

static int view_text(PyObject *item, const char *name, Py_ssize_t row, struct deberta_text *view)
{
    if (!PyUnicode_Check(item)) {
        PyErr_Format(PyExc_TypeError, "%s[%zd] must be str, not %.100s", name, row, Py_TYPE(item)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    view->bytes = PyUnicode_AsUTF8AndSize(item, &size);
    if (!view->bytes) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            name_the_surrogate(name, row);
        return -1;
    }
    view->size = (size_t)size;
    return 0;
}

static int alloc_views(struct binding_texts *texts, Py_ssize_t count)
{
    texts->views = PyMem_New(struct deberta_text, (size_t)count);
    if (!texts->views) {
        PyErr_NoMemory();
        return -1;
    }
    texts->count = (size_t)count;
    return 0;
}

static int view_buffers(struct binding_texts *texts, const char *name)
{
    PyArrayObject *offsets, *data;
    if (!PyTuple_Check(texts->owner) || PyTuple_GET_SIZE(texts->owner) != 2) {
        PyErr_Format(PyExc_TypeError, "utf8_buffers of %s must be a tuple (offsets, data)", name);
        return -1;
    }
    if (binding_vector(PyTuple_GET_ITEM(texts->owner, 0), "offsets", NPY_INT64, -1, &offsets) < 0 ||
        binding_vector(PyTuple_GET_ITEM(texts->owner, 1), "data", NPY_UINT8, -1, &data) < 0)
        return -1;
    const int64_t *ends = offsets ? PyArray_DATA(offsets) : NULL;
    npy_intp count = ends ? PyArray_SIZE(offsets) - 1 : -1;
    bool sound = data && count >= 0 && ends[0] >= 0 && ends[count] <= PyArray_SIZE(data);
    for (npy_intp i = 0; sound && i < count; i++)
        sound = ends[i] <= ends[i + 1];
    if (!sound) {
        PyErr_Format(PyExc_ValueError, "the offsets of %s must ascend from 0 to the size of its data at most", name);
        return -1;
    }
    if (alloc_views(texts, count) < 0)
        return -1;
    const char *bytes = PyArray_DATA(data);
    for (npy_intp i = 0; i < count; i++)
        texts->views[i] = (struct deberta_text){bytes + ends[i], (size_t)(ends[i + 1] - ends[i])};
    return 0;
}

int binding_texts_init(struct binding_texts *texts, PyObject *sequence, const char *name)
{
    *texts = (struct binding_texts){0};
    if (PyUnicode_Check(sequence) || PyBytes_Check(sequence)) {
        PyErr_Format(PyExc_TypeError, "%s must be a sequence of str, not %.100s: write [text] for a single one", name,
                     Py_TYPE(sequence)->tp_name);
        return -1;
    }
    bool plain = PyList_Check(sequence) || PyTuple_Check(sequence);
    if (!plain && PyObject_HasAttrString(sequence, "utf8_buffers")) {
        texts->owner = PyObject_GetAttrString(sequence, "utf8_buffers");
        return texts->owner ? view_buffers(texts, name) : -1;
    }
    texts->owner = PySequence_Tuple(sequence);
    if (!texts->owner)
        return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(texts->owner);
    if (alloc_views(texts, count) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (view_text(PyTuple_GET_ITEM(texts->owner, i), name, i, &texts->views[i]) < 0)
            return -1;
    }
    return 0;
}

void binding_texts_release(struct binding_texts *texts)
{
    PyMem_Free(texts->views);
    Py_XDECREF(texts->owner);
    *texts = (struct binding_texts){0};
}

/* ---- configuration ---- */

enum kind { KIND_SIZE, KIND_BOOL, KIND_FLOAT, KIND_STRING, KIND_HEAD };

static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
} fields[] = {
#define FIELD(kind, name) {#name, kind, offsetof(struct deberta_config, name)}
    FIELD(KIND_SIZE, vocab_size),
    FIELD(KIND_SIZE, embedding_size),
    FIELD(KIND_SIZE, hidden_size),
    FIELD(KIND_SIZE, layers),
    FIELD(KIND_SIZE, heads),
    FIELD(KIND_SIZE, intermediate_size),
    FIELD(KIND_SIZE, max_positions),
    FIELD(KIND_SIZE, type_vocab_size),
    FIELD(KIND_SIZE, num_labels),
    FIELD(KIND_SIZE, head_size),
    FIELD(KIND_SIZE, position_buckets),
    FIELD(KIND_SIZE, max_relative_positions),
    FIELD(KIND_BOOL, relative_attention),
    FIELD(KIND_BOOL, c2p),
    FIELD(KIND_BOOL, p2c),
    FIELD(KIND_BOOL, share_att_key),
    FIELD(KIND_BOOL, norm_rel_ebd),
    FIELD(KIND_BOOL, position_biased_input),
    FIELD(KIND_SIZE, attention_terms),
    FIELD(KIND_FLOAT, layer_norm_eps),
    FIELD(KIND_STRING, hidden_act),
    FIELD(KIND_BOOL, key_bias),
    FIELD(KIND_SIZE, conv_kernel_size),
    FIELD(KIND_STRING, conv_act),
    FIELD(KIND_BOOL, enhanced_mask_decoder),
    FIELD(KIND_HEAD, head),
    FIELD(KIND_STRING, head_act),
#undef FIELD
};

static int wrong_entry(const struct field *field, const char *wanted, PyObject *value)
{
    PyErr_Format(PyExc_TypeError, "config[\"%s\"] must be %s, not %R", field->name, wanted, value);
    return -1;
}

static int read_size(const struct field *field, PyObject *value, size_t *size)
{
    if (!PyLong_Check(value) || PyBool_Check(value))
        return wrong_entry(field, "an int", value);
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (overflow || number < 0 || number > (long long)1 << 31) {
        PyErr_Format(PyExc_ValueError, "config[\"%s\"] must be between 0 and 2**31, not %R", field->name, value);
        return -1;
    }
    *size = (size_t)number;
    return 0;
}

static int read_float(const struct field *field, PyObject *value, float *number)
{
    if (!PyFloat_Check(value) && (!PyLong_Check(value) || PyBool_Check(value)))
        return wrong_entry(field, "a float", value);
    *number = (float)PyFloat_AsDouble(value);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_head(const struct field *field, PyObject *value, enum deberta_head *head)
{
    static const char *const names[] = {
        [DEBERTA_NO_HEAD] = "none",  [DEBERTA_POOLER] = "pooler",       [DEBERTA_SEQUENCE] = "sequence",
        [DEBERTA_TOKENS] = "tokens", [DEBERTA_MASKED_LM] = "masked_lm", [DEBERTA_REPLACED_TOKENS] = "replaced_tokens",
    };
    for (size_t i = 0; PyUnicode_Check(value) && i < sizeof names / sizeof *names; i++) {
        if (PyUnicode_CompareWithASCIIString(value, names[i]) == 0) {
            *head = (enum deberta_head)i;
            return 0;
        }
    }
    return wrong_entry(field, "none, pooler, sequence, tokens, masked_lm or replaced_tokens", value);
}

static int read_field(const struct field *field, PyObject *value, struct deberta_config *config)
{
    void *member = (char *)config + field->offset;
    switch (field->kind) {
    case KIND_SIZE:
        return read_size(field, value, member);
    case KIND_BOOL:
        if (!PyBool_Check(value))
            return wrong_entry(field, "a bool", value);
        *(bool *)member = value == Py_True;
        return 0;
    case KIND_FLOAT:
        return read_float(field, value, member);
    case KIND_HEAD:
        return read_head(field, value, member);
    default:
        if (!PyUnicode_Check(value))
            return wrong_entry(field, "a str", value);
        *(const char **)member = PyUnicode_AsUTF8(value);
        return *(const char **)member ? 0 : -1;
    }
}

int binding_config(PyObject *settings, struct deberta_config *config)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        PyObject *name = PyUnicode_FromString(fields[i].name);
        PyObject *value = name ? PyDict_GetItemWithError(settings, name) : NULL;
        Py_XDECREF(name);
        if (!value && PyErr_Occurred())
            return -1;
        if (!value) {
            PyErr_Format(PyExc_ValueError, "config lacks the entry \"%s\"", fields[i].name);
            return -1;
        }
        if (read_field(&fields[i], value, config) < 0)
            return -1;
    }
    return 0;
}

/* ---- tensors ---- */

static int read_dtype(const char *name, const char *text, enum deberta_dtype *dtype, size_t *item_size)
{
    static const struct {
        const char *text;
        enum deberta_dtype dtype;
        size_t size;
    } known[] = {{"F32", DEBERTA_F32, 4}, {"F16", DEBERTA_F16, 2}, {"BF16", DEBERTA_BF16, 2}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].text, text) == 0) {
            *dtype = known[i].dtype;
            *item_size = known[i].size;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "tensor %s has dtype \"%s\", which is not F32, F16 or BF16", name, text);
    return -1;
}

/* Sets the shape; changes `bytes` from bytes of an item to bytes of the tensor. */
static int read_shape(PyObject *shape, struct deberta_tensor *tensor, size_t *bytes)
{
    Py_ssize_t rank = PyTuple_GET_SIZE(shape);
    if (rank > (Py_ssize_t)(sizeof tensor->shape / sizeof *tensor->shape)) {
        PyErr_Format(PyExc_ValueError, "tensor %s has rank %zd; at most 4 is possible", tensor->name, rank);
        return -1;
    }
    tensor->rank = (int)rank;
    for (Py_ssize_t i = 0; i < rank; i++) {
        size_t size = PyLong_AsSize_t(PyTuple_GET_ITEM(shape, i));
        if (PyErr_Occurred() || __builtin_mul_overflow(*bytes, size, bytes)) {
            PyErr_Format(PyExc_ValueError, "tensor %s has the invalid shape %R", tensor->name, shape);
            return -1;
        }
        tensor->shape[i] = size;
    }
    return 0;
}

/* Sets block and step; changes `bytes` to the bytes from the first row to the last. */
static int read_blocks(PyObject *blocks, struct deberta_tensor *tensor, size_t *bytes)
{
    if (blocks == Py_None)
        return 0;
    Py_ssize_t block, step;
    if (!PyTuple_Check(blocks) || !PyArg_ParseTuple(blocks, "nn", &block, &step)) {
        PyErr_Format(PyExc_TypeError,
                     "tensor %s: blocks must be None or (rows of a block, rows from one block to the next)",
                     tensor->name);
        return -1;
    }
    size_t rows = tensor->shape[0], reach;
    if (tensor->rank != 2 || rows == 0 || block < 1 || step < block || rows % (size_t)block != 0 ||
        __builtin_mul_overflow(rows / (size_t)block - 1, (size_t)step, &reach) ||
        __builtin_add_overflow(reach, (size_t)block, &reach) || __builtin_mul_overflow(reach, *bytes / rows, bytes)) {
        PyErr_Format(PyExc_ValueError, "tensor %s of %zu rows cannot be in blocks of %zd rows, %zd apart", tensor->name,
                     rows, block, step);
        return -1;
    }
    tensor->block = (size_t)block;
    tensor->step = (size_t)step;
    return 0;
}

static int read_tensor(PyObject *item, Py_ssize_t row, struct deberta_tensor *tensor)
{
    PyObject *name, *dtype, *shape, *data, *blocks;
    int mapped;
    if (!PyTuple_Check(item) ||
        !PyArg_ParseTuple(item, "UUO!OOp", &name, &dtype, &PyTuple_Type, &shape, &data, &blocks, &mapped)) {
        PyErr_Format(PyExc_TypeError,
                     "tensors[%zd] must be a tuple of name, dtype, shape, bytes, blocks and mapped, not %.200R", row,
                     item);
        return -1;
    }
    size_t item_size;
    const char *dtype_text = PyUnicode_AsUTF8(dtype);
    tensor->name = PyUnicode_AsUTF8(name);
    if (!tensor->name || !dtype_text || read_dtype(tensor->name, dtype_text, &tensor->dtype, &item_size) < 0)
        return -1;
    size_t bytes = item_size;
    PyArrayObject *array;
    tensor->mapped = mapped != 0;
    if (read_shape(shape, tensor, &bytes) < 0 || read_blocks(blocks, tensor, &bytes) < 0 ||
        binding_vector(data, tensor->name, NPY_UINT8, -1, &array) < 0)
        return -1;
    if (!array || (size_t)PyArray_SIZE(array) != bytes) {
        PyErr_Format(PyExc_ValueError, "tensor %s of shape %R and dtype %U needs %zu bytes, not %zd", tensor->name,
                     shape, dtype, bytes, array ? PyArray_SIZE(array) : (npy_intp)0);
        return -1;
    }
    tensor->data = PyArray_DATA(array);
    if ((uintptr_t)tensor->data % item_size != 0) {
        PyErr_Format(PyExc_ValueError, "the bytes of tensor %s are not aligned to %zu: copy them first", tensor->name,
                     item_size);
        return -1;
    }
    return 0;
}

struct deberta_tensor *binding_tensors(PyObject *tuple)
{
    Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    struct deberta_tensor *tensors = PyMem_Calloc((size_t)count, sizeof *tensors);
    if (!tensors) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (read_tensor(PyTuple_GET_ITEM(tuple, i), i, &tensors[i]) < 0) {
            PyMem_Free(tensors);
            return NULL;
        }
    }
    return tensors;
}

/* ---- arrays ---- */

int binding_vector(PyObject *argument, const char *name, int type, npy_intp size, PyArrayObject **array)
{
    *array = NULL;
    if (argument == Py_None)
        return 0;
    PyArray_Descr *wanted = PyArray_DescrFromType(type);
    if (!PyArray_Check(argument)) {
        PyErr_Format(PyExc_TypeError, "%s must be a NumPy array of %S, not %.100s", name, wanted,
                     Py_TYPE(argument)->tp_name);
    } else {
        PyArrayObject *found = (PyArrayObject *)argument;
        if (PyArray_TYPE(found) != type || PyArray_NDIM(found) != 1 || !PyArray_ISCARRAY_RO(found))
            PyErr_Format(PyExc_ValueError, "%s must be a contiguous array of %S of rank 1, but is %s%S of rank %d",
                         name, wanted, PyArray_ISCARRAY_RO(found) ? "" : "non-contiguous ", PyArray_DESCR(found),
                         PyArray_NDIM(found));
        else if (size >= 0 && PyArray_SIZE(found) != size)
            PyErr_Format(PyExc_ValueError, "%s must have %zd items, not %zd", name, size, PyArray_SIZE(found));
        else
            *array = found;
    }
    Py_DECREF(wanted);
    return *array ? 0 : -1;
}
