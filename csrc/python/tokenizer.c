/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <string.h>

struct tokenizer_object {
    PyObject_HEAD
    struct deberta_tokenizer *tokenizer;
    struct binding_shared shared;
};

static struct deberta_tokenizer *tokenizer_of(PyObject *self)
{
    return ((struct tokenizer_object *)self)->tokenizer;
}

/* The place of a name in a list that NULL ends. */
static int read_choice(const char *argument, const char *name, const char *const *names, int *choice)
{
    for (*choice = 0; names[*choice]; ++*choice)
        if (strcmp(name, names[*choice]) == 0)
            return 0;
    PyObject *known = PyUnicode_FromString(names[0]);
    for (int i = 1; known && names[i]; i++)
        Py_SETREF(known, PyUnicode_FromFormat("%U, %s", known, names[i]));
    if (known)
        PyErr_Format(PyExc_ValueError, "%s must be one of %U, not \"%s\"", argument, known, name);
    Py_XDECREF(known);
    return -1;
}

static PyObject *tokenizer_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    struct binding_stages description;
    struct tokenizer_object *self = NULL;
    if (binding_stages_init(&description, arguments, keywords) == 0)
        self = (struct tokenizer_object *)type->tp_alloc(type, 0);
    if (self) {
        enum deberta_status status;
        Py_BEGIN_ALLOW_THREADS
        status = deberta_tokenizer_new(&description.spec, &self->tokenizer);
        Py_END_ALLOW_THREADS
        if (binding_check(status) < 0)
            Py_CLEAR(self);
    }
    binding_stages_release(&description);
    return (PyObject *)self;
}

static void tokenizer_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    binding_shared_release(&((struct tokenizer_object *)self)->shared);
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

static void free_encodings(PyObject *capsule)
{
    struct deberta_encodings *encodings = PyCapsule_GetPointer(capsule, NULL);
    deberta_encodings_release(encodings);
    PyMem_RawFree(encodings);
}

/* An array over memory that the capsule owns; None for NULL. */
static PyObject *wrap(int type, int rank, npy_intp size, void *data, PyObject *capsule)
{
    if (!data)
        Py_RETURN_NONE;
    npy_intp shape[] = {size, 2};
    PyObject *array = PyArray_SimpleNewFromData(rank, shape, type, data);
    if (!array)
        return NULL;
    if (PyArray_SetBaseObject((PyArrayObject *)array, Py_NewRef(capsule)) < 0)
        Py_CLEAR(array);
    return array;
}

/* A list of str: what each token is in the text, or the token's own string. None when that was not wanted. */
static PyObject *list_strings(const struct deberta_tokenizer *tokenizer, const struct deberta_encodings *encodings)
{
    if (!encodings->string_offsets)
        Py_RETURN_NONE;
    Py_ssize_t count = (Py_ssize_t)encodings->offsets[encodings->count];
    PyObject *list = PyList_New(count);
    for (Py_ssize_t i = 0; list && i < count; i++) {
        int64_t start = encodings->string_offsets[i], end = encodings->string_offsets[i + 1];
        struct deberta_text text = {encodings->strings + start, (size_t)(end - start)};
        if (text.size == 0)
            text = deberta_tokenizer_piece(tokenizer, (size_t)encodings->ids[i]);
        PyObject *string = PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size, "replace");
        if (!string) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, i, string);
    }
    return list;
}

/* Puts a value into a dict unless it is None; takes the value, which may be NULL after a failure. */
static int put(PyObject *dict, const char *key, PyObject *value)
{
    int result = !value ? -1 : value == Py_None ? 0 : PyDict_SetItemString(dict, key, value);
    Py_XDECREF(value);
    return result;
}

/* (ids, types, offsets, cut, extras) over the memory of `encodings`, which this takes. */
static PyObject *wrap_encodings(const struct deberta_tokenizer *tokenizer, struct deberta_encodings *encodings)
{
    PyObject *capsule = PyCapsule_New(encodings, NULL, free_encodings);
    if (!capsule) {
        deberta_encodings_release(encodings);
        PyMem_RawFree(encodings);
        return NULL;
    }
    npy_intp rows = (npy_intp)encodings->count, tokens = (npy_intp)encodings->offsets[rows];
    PyObject *extras = PyDict_New(), *result = NULL;
    if (extras && put(extras, "spans", wrap(NPY_INT32, 2, tokens, encodings->spans, capsule)) == 0 &&
        put(extras, "words", wrap(NPY_INT32, 1, tokens, encodings->words, capsule)) == 0 &&
        put(extras, "sequences", wrap(NPY_INT8, 1, tokens, encodings->sequences, capsule)) == 0 &&
        put(extras, "samples", wrap(NPY_INT32, 1, rows, encodings->samples, capsule)) == 0 &&
        put(extras, "strings", list_strings(tokenizer, encodings)) == 0)
        result = Py_BuildValue("NNNnO", wrap(NPY_INT32, 1, tokens, encodings->ids, capsule),
                               wrap(NPY_UINT8, 1, tokens, encodings->types, capsule),
                               wrap(NPY_INT64, 1, rows + 1, encodings->offsets, capsule), (Py_ssize_t)encodings->cut,
                               extras);
    Py_XDECREF(extras);
    Py_DECREF(capsule);
    return result;
}

static PyObject *encode(const struct deberta_tokenizer *tokenizer, const struct deberta_rows *rows,
                        const struct deberta_encode_options *options)
{
    struct deberta_encodings *encodings = PyMem_RawCalloc(1, sizeof *encodings);
    if (!encodings)
        return PyErr_NoMemory();
    enum deberta_status status;
    int64_t last = binding_now();
    struct deberta_encode_options watched = *options;
    watched.stop = binding_interrupted;
    watched.stop_data = &last;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_tokenizer_encode(tokenizer, rows, &watched, encodings);
    Py_END_ALLOW_THREADS
    if (binding_check(status) < 0) {
        PyMem_RawFree(encodings);
        return NULL;
    }
    return wrap_encodings(tokenizer, encodings);
}

/* How many rows there are: words of a row lie between two offsets, which must cover all texts. */
static int read_words(PyObject *argument, const char *name, const struct binding_texts *texts, const int64_t **words,
                      size_t *count)
{
    PyArrayObject *array;
    *words = NULL;
    *count = texts->count;
    if (binding_vector(argument, name, NPY_INT64, -1, &array) < 0)
        return -1;
    if (!array)
        return 0;
    const int64_t *offsets = PyArray_DATA(array);
    npy_intp size = PyArray_SIZE(array);
    bool sound = size > 0 && offsets[0] == 0 && offsets[size - 1] == (int64_t)texts->count;
    for (npy_intp i = 1; sound && i < size; i++)
        sound = offsets[i - 1] <= offsets[i];
    if (!sound) {
        PyErr_Format(PyExc_ValueError, "%s must ascend from 0 to the number of words, %zu", name, texts->count);
        return -1;
    }
    *words = offsets;
    *count = (size_t)size - 1;
    return 0;
}

static int read_wanted(PyObject *tuple, unsigned *wanted)
{
    static const char *const names[] = {"spans", "words", "strings", "sequences", NULL};
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        const char *name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(tuple, i));
        int choice;
        if (!name || read_choice("want", name, names, &choice) < 0)
            return -1;
        *wanted |= 1u << choice;
    }
    return 0;
}

/* The arguments of encode. */
struct encode_call {
    PyObject *firsts, *seconds, *first_words, *second_words;
    struct deberta_encode_options options;
};

static int read_call(PyObject *arguments, PyObject *keywords, struct encode_call *call)
{
    static char *names[] = {
        "texts",      "pairs",           "first_words", "second_words", "add_special_tokens",   "truncation",
        "max_length", "truncation_side", "stride",      "overflow",     "split_special_tokens", "want",
        NULL};
    static const char *const truncations[] = {
        [DEBERTA_KEEP] = "do_not_truncate",
        [DEBERTA_LONGEST_FIRST] = "longest_first",
        [DEBERTA_ONLY_FIRST] = "only_first",
        [DEBERTA_ONLY_SECOND] = "only_second",
        NULL,
    };
    static const char *const sides[] = {"right", "left", NULL};
    int special = 1, overflow = 0, split = 0, strategy, left;
    const char *truncation = "do_not_truncate", *side = "right";
    Py_ssize_t max_length = 0, stride = 0;
    PyObject *want = NULL;
    *call = (struct encode_call){.seconds = Py_None, .first_words = Py_None, .second_words = Py_None};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O$OOpsnsnppO!:encode", names, &call->firsts,
                                     &call->seconds, &call->first_words, &call->second_words, &special, &truncation,
                                     &max_length, &side, &stride, &overflow, &split, &PyTuple_Type, &want) ||
        read_choice("truncation", truncation, truncations, &strategy) < 0 ||
        read_choice("truncation_side", side, sides, &left) < 0)
        return -1;
    if (max_length < 0 || stride < 0) {
        bool which = max_length < 0;
        PyErr_Format(PyExc_ValueError, "%s must not be negative, but is %zd", which ? "max_length" : "stride",
                     which ? max_length : stride);
        return -1;
    }
    call->options = (struct deberta_encode_options){
        .add_special_tokens = special,
        .truncation = (enum deberta_truncation)strategy,
        .max_length = (size_t)max_length,
        .cut_left = left,
        .overflow = overflow,
        .stride = (size_t)stride,
        .split_special_tokens = split,
    };
    return want ? read_wanted(want, &call->options.wanted) : 0;
}

static PyObject *encode_texts(const struct deberta_tokenizer *tokenizer, const struct encode_call *call,
                              const struct binding_texts *texts, const struct binding_texts *pairs)
{
    struct deberta_rows rows = {.firsts = texts->views};
    size_t pair_count;
    if (read_words(call->first_words, "first_words", texts, &rows.first_words, &rows.count) < 0)
        return NULL;
    if (call->seconds == Py_None)
        return encode(tokenizer, &rows, &call->options);
    rows.seconds = pairs->views;
    if (read_words(call->second_words, "second_words", pairs, &rows.second_words, &pair_count) < 0)
        return NULL;
    if (pair_count != rows.count)
        return PyErr_Format(PyExc_ValueError, "pairs must have as many rows as texts: %zu, not %zu", rows.count,
                            pair_count);
    return encode(tokenizer, &rows, &call->options);
}

static PyObject *tokenizer_encode(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    struct encode_call call;
    struct binding_texts texts, pairs = {0};
    PyObject *result = NULL;
    if (read_call(arguments, keywords, &call) < 0)
        return NULL;
    if (binding_texts_init(&texts, call.firsts, "texts") == 0 &&
        (call.seconds == Py_None || binding_texts_init(&pairs, call.seconds, "pairs") == 0))
        result = encode_texts(tokenizer_of(self), &call, &texts, &pairs);
    binding_texts_release(&texts);
    binding_texts_release(&pairs);
    return result;
}

static PyObject *tokenizer_rows(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    struct binding_shared *shared = &((struct tokenizer_object *)self)->shared;
    if (binding_shared_init(shared, deberta_tokenizer_size(tokenizer_of(self))) < 0)
        return NULL;
    return binding_rows(shared, arguments, keywords);
}

static PyMethodDef methods[] = {
    {"piece", tokenizer_piece, METH_O, PyDoc_STR("piece($self, id, /)\n--\n\nThe string of an id.")},
    {"encode", (PyCFunction)(void (*)(void))tokenizer_encode, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("encode($self, texts, pairs=None, *, first_words=None, second_words=None, add_special_tokens=True,\n"
               "       truncation='do_not_truncate', max_length=0, truncation_side='right', stride=0,\n"
               "       overflow=False, split_special_tokens=False, want=())\n--\n\n"
               "ids (T), types (T), offsets (N + 1), the number of rows that were cut, and a dict of what is wanted.")},
    {"rows", (PyCFunction)(void (*)(void))tokenizer_rows, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "rows($self, offsets, columns, *, width=0, left=False)\n--\n\n"
         "Each column, a tuple of values (T), (T, 2) or one for all, and a filler, as N lists of int or of pairs;\n"
         "equal values may be one object.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Tokenizer(*, normalizers, pretokenizers, model, added, single, pair, "
                                  "marks_apart)\n--\n\nThe tokenizer of stages that dicts describe.")},
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
