/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <pthread.h>
#include <string.h>

enum { IDLE_MAX = 16 };          /* contexts kept for later calls; calls of more threads make and free their own */
enum { IDLE_BYTES = 128 << 20 }; /* a larger context is freed, too */

struct model_object {
    PyObject_HEAD
    PyObject *settings; /* the dict that owns the configuration's strings */
    PyObject *words;    /* the item of the tensors that owns the word table */
    struct deberta_config config;
    struct deberta_model *model;
    struct deberta_context *idle[IDLE_MAX]; /* guarded by idle_mutex, even without a GIL */
    int idle_count;
};

/* ---- contexts: one call uses one ---- */

static pthread_mutex_t idle_mutex = PTHREAD_MUTEX_INITIALIZER; /* of all models */

static void lock_idle(void)
{
    pthread_mutex_lock(&idle_mutex);
}

static void unlock_idle(void)
{
    pthread_mutex_unlock(&idle_mutex);
}

/* A fork waits for the mutex: in the child no thread would unlock it. */
__attribute__((constructor)) static void watch_forks(void)
{
    pthread_atfork(lock_idle, unlock_idle, unlock_idle);
}

static enum deberta_status take_context(struct model_object *self, struct deberta_context **context)
{
    *context = NULL;
    lock_idle();
    if (self->idle_count > 0)
        *context = self->idle[--self->idle_count];
    unlock_idle();
    return *context ? DEBERTA_OK : deberta_context_new(self->model, context);
}

static void give_context(struct model_object *self, struct deberta_context *context)
{
    lock_idle();
    bool kept = self->idle_count < IDLE_MAX && deberta_context_memory(context) <= IDLE_BYTES;
    if (kept)
        self->idle[self->idle_count++] = context;
    unlock_idle();
    if (!kept)
        deberta_context_free(context);
}

/* ---- the object ---- */

/* Makes the model and keeps its word table alive. */
static int build(struct model_object *self, PyObject *owner, const struct deberta_tensor *tensors)
{
    enum deberta_status status;
    size_t count = (size_t)PyTuple_GET_SIZE(owner);
    Py_BEGIN_ALLOW_THREADS
    status = deberta_model_new(&self->config, tensors, count, &self->model);
    Py_END_ALLOW_THREADS
    for (size_t i = 0; status == DEBERTA_OK && !self->words && i < count; i++)
        if (tensors[i].data == deberta_model_words(self->model))
            self->words = Py_NewRef(PyTuple_GET_ITEM(owner, (Py_ssize_t)i));
    return binding_check(status);
}

static const char *const precisions[DEBERTA_PRECISIONS] = {"float32", "bfloat16", "int8"};

PyObject *binding_dtypes(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    PyObject *names = PyList_New(0), *result;
    for (int i = 0; names && i < DEBERTA_PRECISIONS; i++) {
        PyObject *name = deberta_multiplies((enum deberta_precision)i) ? PyUnicode_FromString(precisions[i]) : NULL;
        if (PyErr_Occurred() || (name && PyList_Append(names, name) < 0))
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    result = names ? PyList_AsTuple(names) : NULL;
    Py_XDECREF(names);
    return result;
}

static int read_precision(const char *name, enum deberta_precision *precision)
{
    for (int i = 0; i < DEBERTA_PRECISIONS; i++) {
        *precision = (enum deberta_precision)i;
        if (strcmp(name, precisions[i]) == 0)
            return 0;
    }
    PyErr_Format(PyExc_ValueError, "dtype is \"%.100s\"; it must be float32, bfloat16 or int8", name);
    return -1;
}

static int precision_of(PyObject *dtype, enum deberta_precision *precision)
{
    const char *name = PyUnicode_AsUTF8(dtype);
    return name ? read_precision(name, precision) : -1;
}

PyObject *binding_multiplier(PyObject *module, PyObject *dtype)
{
    (void)module;
    enum deberta_precision precision;
    if (precision_of(dtype, &precision) < 0)
        return NULL;
    return PyUnicode_FromFormat("%s %s%s", deberta_multiplier(precision), deberta_instructions(precision),
                                deberta_multiplies(precision) ? "" : " in float32");
}

PyObject *binding_known_products(PyObject *module, PyObject *dtype)
{
    (void)module;
    enum deberta_precision precision;
    bool right;
    if (precision_of(dtype, &precision) < 0 || binding_check(deberta_known_products(precision, &right)) < 0)
        return NULL;
    return PyBool_FromLong(right);
}

/* Marks the tensors whose names are in `keep`. */
static int mark_exact(struct deberta_tensor *tensors, Py_ssize_t count, PyObject *keep)
{
    for (Py_ssize_t i = 0; keep && i < count; i++) {
        PyObject *name = PyUnicode_FromString(tensors[i].name);
        int found = name ? PySequence_Contains(keep, name) : -1;
        Py_XDECREF(name);
        if (found < 0)
            return -1;
        tensors[i].exact = found;
    }
    return 0;
}

static PyObject *model_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"config", "tensors", "dtype", "keep", NULL};
    PyObject *config, *tensors, *keep = NULL;
    const char *dtype = precisions[DEBERTA_FLOAT32];
    enum deberta_precision precision;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$sO:Model", names, &config, &tensors, &dtype, &keep) ||
        read_precision(dtype, &precision) < 0)
        return NULL;
    struct model_object *self = (struct model_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct deberta_tensor *table = NULL;
    PyObject *owner = NULL;
    bool made = (self->settings = binding_settings(config, &self->config)) && (owner = PySequence_Tuple(tensors)) &&
                (table = binding_tensors(owner)) && mark_exact(table, PyTuple_GET_SIZE(owner), keep) == 0;
    self->config.precision = precision;
    made = made && build(self, owner, table) == 0;
    PyMem_Free(table);
    Py_XDECREF(owner);
    if (!made)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void model_dealloc(PyObject *object)
{
    struct model_object *self = (struct model_object *)object;
    PyTypeObject *type = Py_TYPE(object);
    while (self->idle_count > 0)
        deberta_context_free(self->idle[--self->idle_count]);
    deberta_model_free(self->model);
    Py_XDECREF(self->words);
    Py_XDECREF(self->settings);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *model_memory(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(deberta_model_memory(((struct model_object *)self)->model));
}

/* ---- forward ---- */

static enum deberta_status forward(struct model_object *self, const struct deberta_batch *batch,
                                   const struct deberta_outputs *outputs)
{
    struct deberta_context *context;
    enum deberta_status status = take_context(self, &context);
    if (status != DEBERTA_OK)
        return status;
    int64_t last = binding_now();
    deberta_context_set_cancel(context, binding_interrupted, &last);
    status = deberta_model_forward(self->model, context, batch, outputs);
    deberta_context_set_cancel(context, NULL, NULL);
    give_context(self, context);
    return status;
}

static PyObject *model_forward(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    struct model_object *self = (struct model_object *)object;
    struct binding_inputs inputs;
    if (binding_inputs_of(arguments, keywords, "OO|$OOOOOpppp:forward", false, &inputs) < 0)
        return NULL;
    struct deberta_batch batch;
    struct deberta_outputs outputs;
    if (binding_batch(&inputs, &batch) < 0)
        return NULL;
    PyObject *result = binding_outputs(&self->config, &inputs, &batch, &outputs);
    if (!result)
        return NULL;
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = forward(self, &batch, &outputs);
    Py_END_ALLOW_THREADS
    if (binding_check(status) < 0)
        Py_CLEAR(result);
    return result;
}

struct shapes {
    PyObject *list; /* NULL: an exception is set */
};

static void append_shape(const char *name, size_t rows, size_t columns, void *data)
{
    struct shapes *shapes = data;
    if (!shapes->list)
        return;
    PyObject *item = columns ? Py_BuildValue("s(nn)", name, (Py_ssize_t)rows, (Py_ssize_t)columns)
                             : Py_BuildValue("s(n)", name, (Py_ssize_t)rows);
    if (!item || PyList_Append(shapes->list, item) < 0)
        Py_CLEAR(shapes->list);
    Py_XDECREF(item);
}

PyObject *binding_parameters(PyObject *module, PyObject *config)
{
    (void)module;
    struct deberta_config read = {0};
    PyObject *settings = binding_settings(config, &read);
    struct shapes shapes = {NULL};
    if (settings && (shapes.list = PyList_New(0)) &&
        binding_check(deberta_parameters(&read, append_shape, &shapes)) < 0)
        Py_CLEAR(shapes.list);
    Py_XDECREF(settings);
    return shapes.list;
}

static PyMethodDef methods[] = {
    {"forward", (PyCFunction)(void (*)(void))model_forward, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "forward($self, ids, offsets, *, types=None, mask=None, pair_mask=None, first=None, selected=None,\n"
         "        logits=True, last=False, hidden_states=False, attentions=False)\n--\n\n"
         "logits (N, C), or of a head of tokens (T, C), of the `selected` ones (K, C); the last layer (T, H), all "
         "hidden\n"
         "states (L + 1, T, H) and flat attentions of a packed batch; None for outputs that are off.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"memory", model_memory, NULL, PyDoc_STR("Bytes that the model holds, without the tensors that it reads in place."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("Model(config, tensors, *, dtype='float32', keep=())\n--\n\n"
                                  "An immutable network: config has the members of struct deberta_config, tensors are\n"
                                  "(name, dtype, shape, bytes, blocks, mapped) with dtype F32, F16 or BF16; blocks is\n"
                                  "None or (rows of a block, rows from one block to the next); mapped: the bytes are\n"
                                  "a mapped file, whose pages are dropped after reading. Linear layers of the encoder\n"
                                  "multiply in dtype, except those of the tensors named in keep.")},
    {Py_tp_new, model_new},
    {Py_tp_dealloc, model_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec binding_model_spec = {
    .name = "deberta_c._core.Model",
    .basicsize = sizeof(struct model_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
