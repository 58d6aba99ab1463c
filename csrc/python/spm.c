/* SPDX-License-Identifier: Apache-2.0 */
/* The type SpmModel: an spm.model that was read, for Python and for the vocabulary of a Tokenizer. */
#include "python/binding.h"

#include <string.h>

struct spm_object {
    PyObject_HEAD
    PyObject *file; /* the bytes that the texts point into */
    struct deberta_spm spm;
};

static const struct deberta_spm *spm_of(PyObject *self)
{
    return &((struct spm_object *)self)->spm;
}

static PyObject *spm_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"file", NULL};
    PyObject *file;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "S:SpmModel", names, &file))
        return NULL;
    struct spm_object *self = (struct spm_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    self->file = Py_NewRef(file);
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_spm_read(&self->spm, PyBytes_AS_STRING(file), (size_t)PyBytes_GET_SIZE(file));
    Py_END_ALLOW_THREADS
    if (binding_check(status) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void spm_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    deberta_spm_release(&((struct spm_object *)self)->spm);
    Py_XDECREF(((struct spm_object *)self)->file);
    type->tp_free(self);
    Py_DECREF(type);
}

const struct deberta_spm *binding_spm(PyObject *object)
{
    if (Py_TYPE(object)->tp_dealloc == spm_dealloc) /* no other type has it, and there are no subclasses */
        return spm_of(object);
    PyErr_Format(PyExc_TypeError, "'spm' must be an SpmModel, not %.200R", object);
    return NULL;
}

static Py_ssize_t spm_length(PyObject *self)
{
    return (Py_ssize_t)spm_of(self)->count;
}

static PyObject *string_of(struct deberta_text text)
{
    return PyUnicode_DecodeUTF8(text.bytes, (Py_ssize_t)text.size, NULL);
}

static PyObject *spm_piece(PyObject *self, PyObject *argument)
{
    const struct deberta_spm *spm = spm_of(self);
    Py_ssize_t id = PyLong_AsSsize_t(argument);
    if (id == -1 && PyErr_Occurred())
        return NULL;
    if (id < 0 || (size_t)id >= spm->count)
        return PyErr_Format(PyExc_IndexError, "id %zd is outside of the vocabulary: 0 to %zu", id, spm->count - 1);
    return string_of(spm->tokens[id]);
}

static PyObject *spm_find(PyObject *self, PyObject *argument)
{
    const struct deberta_spm *spm = spm_of(self);
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(argument, &size);
    if (!text)
        return NULL;
    for (size_t id = 0; id < spm->count; id++)
        if (spm->tokens[id].size == (size_t)size && memcmp(spm->tokens[id].bytes, text, (size_t)size) == 0)
            return PyLong_FromSize_t(id);
    return PyLong_FromLong(-1);
}

/* Appends an object, which this takes and which may be NULL after a failure. */
static int append(PyObject *list, PyObject *item)
{
    int result = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return result;
}

static PyObject *spm_added_pieces(PyObject *self, PyObject *unused)
{
    (void)unused;
    const struct deberta_spm *spm = spm_of(self);
    PyObject *list = PyList_New(0);
    for (size_t id = 0; list && id < spm->count; id++) {
        bool control = spm->types[id] == DEBERTA_PIECE_CONTROL;
        if (!control && spm->types[id] != DEBERTA_PIECE_USER_DEFINED)
            continue;
        if (append(list, Py_BuildValue("NnN", string_of(spm->tokens[id]), (Py_ssize_t)id, PyBool_FromLong(control))) <
            0)
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *spm_vocab(PyObject *self, PyObject *unused)
{
    (void)unused;
    const struct deberta_spm *spm = spm_of(self);
    PyObject *list = PyList_New(0);
    for (size_t id = 0; list && id < spm->count; id++)
        if (append(list, Py_BuildValue("[Nd]", string_of(spm->tokens[id]), spm->scores[id])) < 0)
            Py_CLEAR(list);
    return list;
}

static PyObject *spm_unknown(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(spm_of(self)->unknown);
}

static PyObject *spm_charsmap(PyObject *self, void *unused)
{
    (void)unused;
    struct deberta_text charsmap = spm_of(self)->charsmap;
    return PyBytes_FromStringAndSize(charsmap.bytes, (Py_ssize_t)charsmap.size);
}

static PyMethodDef methods[] = {
    {"piece", spm_piece, METH_O, PyDoc_STR("piece($self, id, /)\n--\n\nThe string of an id.")},
    {"find", spm_find, METH_O,
     PyDoc_STR("find($self, piece, /)\n--\n\nThe id of a piece, or -1; compares all pieces.")},
    {"added_pieces", spm_added_pieces, METH_NOARGS,
     PyDoc_STR(
         "added_pieces($self, /)\n--\n\n(piece, id, whether it is of type CONTROL) of the pieces of type CONTROL or "
         "USER_DEFINED.")},
    {"vocab", spm_vocab, METH_NOARGS,
     PyDoc_STR("vocab($self, /)\n--\n\n[piece, score] of all pieces, as in a tokenizer.json.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"unknown", spm_unknown, NULL, PyDoc_STR("The id of the piece of type UNKNOWN."), NULL},
    {"charsmap", spm_charsmap, NULL, PyDoc_STR("The precompiled charsmap as bytes, which may be empty."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("SpmModel(file)\n--\n\nThe content of an spm.model, given as bytes.")},
    {Py_tp_new, spm_new},
    {Py_tp_dealloc, spm_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {Py_sq_length, spm_length},
    {0, NULL},
};

PyType_Spec binding_spm_spec = {
    .name = "deberta_c._core.SpmModel",
    .basicsize = sizeof(struct spm_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
