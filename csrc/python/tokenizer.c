/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <string.h>

struct tokenizer_object {
    PyObject_HEAD
    struct deberta_tokenizer *tokenizer;
};

static struct deberta_tokenizer *tokenizer_of(PyObject *self)
{
    return ((struct tokenizer_object *)self)->tokenizer;
}

static PyObject *tokenizer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"spm", "lower_case", "split_by_punct", "byte_fallback", NULL};
    PyObject *spm;
    int lower_case = 0, split_by_punct = 0, byte_fallback = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "S|$ppp:Tokenizer", names, &spm, &lower_case, &split_by_punct,
                                     &byte_fallback))
        return NULL;
    struct tokenizer_object *self = (struct tokenizer_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct deberta_tokenizer_options options = {lower_case, split_by_punct, byte_fallback};
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_tokenizer_new(PyBytes_AS_STRING(spm), (size_t)PyBytes_GET_SIZE(spm), &options, &self->tokenizer);
    Py_END_ALLOW_THREADS
    if (binding_check(status) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void tokenizer_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    deberta_tokenizer_free(tokenizer_of(self));
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_ssize_t tokenizer_length(PyObject *self)
{
    return (Py_ssize_t)deberta_tokenizer_size(tokenizer_of(self));
}

static PyObject *tokenizer_piece(PyObject *self, PyObject *argument)
{
    size_t size = deberta_tokenizer_size(tokenizer_of(self));
    int overflow;
    long long id = PyLong_AsLongLongAndOverflow(argument, &overflow);
    if (id == -1 && PyErr_Occurred())
        return NULL;
    if (overflow || id < 0 || (size_t)id >= size)
        return PyErr_Format(PyExc_IndexError, "id %R is outside of the vocabulary: 0 to %zu", argument, size - 1);
    struct deberta_text piece = deberta_tokenizer_piece(tokenizer_of(self), (size_t)id);
    return PyUnicode_DecodeUTF8(piece.bytes, (Py_ssize_t)piece.size, NULL);
}

/* ---- encode ---- */

static int read_truncation(const char *text, enum deberta_truncation *truncation)
{
    static const char *const names[] = {
        [DEBERTA_KEEP] = "do_not_truncate",
        [DEBERTA_LONGEST_FIRST] = "longest_first",
        [DEBERTA_ONLY_FIRST] = "only_first",
        [DEBERTA_ONLY_SECOND] = "only_second",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *truncation = (enum deberta_truncation)i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError,
                 "truncation must be \"do_not_truncate\", \"longest_first\", \"only_first\" or \"only_second\", "
                 "not \"%s\"",
                 text);
    return -1;
}

static void free_encodings(PyObject *capsule)
{
    struct deberta_encodings *encodings = PyCapsule_GetPointer(capsule, NULL);
    deberta_encodings_release(encodings);
    PyMem_RawFree(encodings);
}

/* An array over memory that the capsule owns. */
static PyObject *wrap(int type, npy_intp size, void *data, PyObject *capsule)
{
    PyObject *array = PyArray_SimpleNewFromData(1, &size, type, data);
    if (!array)
        return NULL;
    if (PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(capsule)) < 0)
        Py_CLEAR(array);
    return array;
}

/* (ids, types, offsets, cut) over the memory of `encodings`, which this takes. */
static PyObject *wrap_encodings(struct deberta_encodings *encodings)
{
    PyObject *capsule = PyCapsule_New(encodings, NULL, free_encodings);
    if (!capsule) {
        deberta_encodings_release(encodings);
        PyMem_RawFree(encodings);
        return NULL;
    }
    npy_intp rows = (npy_intp)encodings->count, tokens = (npy_intp)encodings->offsets[rows];
    PyObject *ids = wrap(NPY_INT32, tokens, encodings->ids, capsule);
    PyObject *types = wrap(NPY_UINT8, tokens, encodings->types, capsule);
    PyObject *offsets = wrap(NPY_INT64, rows + 1, encodings->offsets, capsule);
    PyObject *result = NULL;
    if (ids && types && offsets)
        result = Py_BuildValue("OOOn", ids, types, offsets, (Py_ssize_t)encodings->cut);
    Py_XDECREF(ids);
    Py_XDECREF(types);
    Py_XDECREF(offsets);
    Py_DECREF(capsule);
    return result;
}

static PyObject *encode(const struct deberta_tokenizer *tokenizer, const struct binding_texts *texts,
                        const struct binding_texts *pairs, const struct deberta_encode_options *options)
{
    struct deberta_encodings *encodings = PyMem_RawCalloc(1, sizeof *encodings);
    if (!encodings)
        return PyErr_NoMemory();
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_tokenizer_encode(tokenizer, texts->views, pairs->views, texts->count, options, encodings);
    Py_END_ALLOW_THREADS
    if (binding_check(status) < 0) {
        PyMem_RawFree(encodings);
        return NULL;
    }
    return wrap_encodings(encodings);
}

static PyObject *tokenizer_encode(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"texts", "pairs", "add_special_tokens", "truncation", "max_length", NULL};
    PyObject *firsts, *seconds = Py_None, *result = NULL;
    int special = 1;
    const char *truncation = "do_not_truncate";
    Py_ssize_t max_length = 0;
    struct deberta_encode_options options;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O$psn:encode", names, &firsts, &seconds, &special,
                                     &truncation, &max_length) ||
        read_truncation(truncation, &options.truncation) < 0)
        return NULL;
    if (max_length < 0)
        return PyErr_Format(PyExc_ValueError, "max_length must not be negative, but is %zd", max_length);
    options.add_special_tokens = special;
    options.max_length = (size_t)max_length;
    struct binding_texts texts, pairs = {0};
    if (binding_texts_init(&texts, firsts, "texts") == 0 &&
        (seconds == Py_None || binding_texts_init(&pairs, seconds, "pairs") == 0)) {
        if (seconds != Py_None && pairs.count != texts.count)
            PyErr_Format(PyExc_ValueError, "pairs must have as many rows as texts: %zu, not %zu", texts.count,
                         pairs.count);
        else
            result = encode(tokenizer_of(self), &texts, &pairs, &options);
    }
    binding_texts_release(&texts);
    binding_texts_release(&pairs);
    return result;
}

static PyMethodDef methods[] = {
    {"piece", tokenizer_piece, METH_O, PyDoc_STR("piece($self, id, /)\n--\n\nThe string of an id.")},
    {"encode", (PyCFunction)(void (*)(void))tokenizer_encode, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("encode($self, texts, pairs=None, *, add_special_tokens=True, truncation='do_not_truncate',\n"
               "       max_length=0)\n--\n\n"
               "ids (T), types (T), offsets (N + 1) and the number of rows that were cut.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Tokenizer(spm, *, lower_case=False, split_by_punct=False, byte_fallback=False)\n"
                                  "--\n\nThe tokenizer of an spm.model, given as bytes.")},
    {Py_tp_new, tokenizer_new},
    {Py_tp_dealloc, tokenizer_dealloc},
    {Py_tp_methods, methods},
    {Py_sq_length, tokenizer_length},
    {0, NULL},
};

PyType_Spec binding_tokenizer_spec = {
    .name = "deberta_c._core.Tokenizer",
    .basicsize = sizeof(struct tokenizer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
