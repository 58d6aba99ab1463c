/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the binding: Python, NumPy and deberta.h.
 * Functions that return an int return -1 with a Python exception set when they fail. */
#ifndef DEBERTA_PYTHON_BINDING_H
#define DEBERTA_PYTHON_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define PY_ARRAY_UNIQUE_SYMBOL deberta_numpy_api
#ifndef BINDING_IMPORTS_NUMPY /* module.c */
#define NO_IMPORT_ARRAY
#endif
#include <numpy/arrayobject.h>

#include "deberta.h"

/* ---- errors.c ---- */

/* Turns a status into an exception with the core's message. */
int binding_check(enum deberta_status status);

int64_t binding_now(void); /* nanoseconds */
/* Handles signals (Ctrl-C) about ten times a second, without the GIL held, in the main thread; true if a handler
 * raised. Does nothing in other threads: Python handles no signals there and ends a daemon thread that takes the GIL
 * while the process exits. `last` points to the int64_t of the last time. */
bool binding_interrupted(void *last);

/* ---- convert.c ---- */

struct binding_texts {
    PyObject *owner; /* a tuple that keeps the strings, and so their UTF-8, or the arrays alive */
    struct deberta_text *views;
    size_t count;
};

/* Reads a sequence of str, the argument `name`, or an object whose `utf8_buffers` are those of a large_string of Arrow:
 * offsets, int64 (N + 1), and valid UTF-8, uint8. Released by binding_texts_release, also after a failure. */
int binding_texts_init(struct binding_texts *texts, PyObject *sequence, const char *name);
void binding_texts_release(struct binding_texts *texts);

/* Reads a dict with the members of struct deberta_config; the dict owns the strings. */
int binding_config(PyObject *settings, struct deberta_config *config);

/* Reads a tuple of (name, dtype, shape, bytes, blocks, mapped) into an array, which PyMem_Free frees; NULL with an
 * exception set on failure. The tuple's items own the data. */
struct deberta_tensor *binding_tensors(PyObject *tuple);

/* The array of an argument: C-contiguous, aligned, of this NumPy type and rank 1, with `size` items unless `size` is
 * -1. NULL for None. */
int binding_vector(PyObject *argument, const char *name, int type, npy_intp size, PyArrayObject **array);

/* ---- batch.c ---- */

/* A copy of the mapping `config` as a dict, read into `read`; NULL with an exception set on failure. */
PyObject *binding_settings(PyObject *config, struct deberta_config *read);

/* Arguments of a forward pass: arrays or None, and which outputs are computed. */
struct binding_inputs {
    PyObject *ids, *offsets, *types, *mask, *pair_mask, *first, *selected;
    PyObject *given; /* of a Training: the output of its frozen layers */
    int logits, last, hidden_states, attentions;
};

#define BINDING_NO_INPUTS                                                                                              \
    {.types = Py_None,                                                                                                 \
     .mask = Py_None,                                                                                                  \
     .pair_mask = Py_None,                                                                                             \
     .first = Py_None,                                                                                                 \
     .selected = Py_None,                                                                                              \
     .given = Py_None,                                                                                                 \
     .logits = 1}

/* From the arguments of a method; `format` ends with its name, and its last item is `given` if the method takes it. */
int binding_inputs_of(PyObject *arguments, PyObject *keywords, const char *format, bool takes_given,
                      struct binding_inputs *inputs);

/* The batch reads the memory of the arrays. */
int binding_batch(const struct binding_inputs *inputs, struct deberta_batch *batch);

/* (logits, last layer, hidden states, attentions), each an array or None, and their memory in `outputs`. */
PyObject *binding_outputs(const struct deberta_config *config, const struct binding_inputs *inputs,
                          const struct deberta_batch *batch, struct deberta_outputs *outputs);

/* ---- stages.c ---- */

struct binding_stages {
    struct deberta_tokenizer_spec spec;
    PyObject *owners;  /* a list of the objects that own the data of the spec */
    PyObject *nothing; /* an empty tuple */
};

/* From the keywords of Tokenizer. Released by binding_stages_release, also after a failure. */
int binding_stages_init(struct binding_stages *stages, PyObject *arguments, PyObject *keywords);
void binding_stages_release(struct binding_stages *stages);

/* ---- lists.c ---- */

/* Objects that the lists of a tokenizer share, made on first use. Starts as {0}. */
struct binding_shared {
    PyObject **numbers; /* the ints from 0 up to `count`, or NULL before binding_shared_init */
    size_t count;
    PyObject **pairs; /* tuples of short spans near the start of a text */
};

int binding_shared_init(struct binding_shared *shared, size_t count);
void binding_shared_release(struct binding_shared *shared);

/* Tokenizer.rows. */
PyObject *binding_rows(struct binding_shared *shared, PyObject *arguments, PyObject *keywords);

/* ---- spm.c ---- */

/* The content of an SpmModel, which it owns; NULL with an exception for another object. */
const struct deberta_spm *binding_spm(PyObject *object);

/* ---- spm.c, tokenizer.c, model.c, training.c ---- */

extern PyType_Spec binding_spm_spec, binding_tokenizer_spec, binding_model_spec, binding_training_spec;

/* Methods of the module. */
PyObject *binding_parameters(PyObject *module, PyObject *config);
PyObject *binding_dtypes(PyObject *module, PyObject *unused);
PyObject *binding_multiplier(PyObject *module, PyObject *dtype);
PyObject *binding_known_products(PyObject *module, PyObject *dtype);

#endif
