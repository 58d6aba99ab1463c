/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <pthread.h>

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

/* A copy of the mapping `config` as a dict, read into `read`; NULL with an exception set on failure. */
static PyObject *new_settings(PyObject *config, struct deberta_config *read)
{
    if (!PyDict_Check(config) && (!PyMapping_Check(config) || !PyObject_HasAttrString(config, "keys")))
        return PyErr_Format(PyExc_TypeError, "config must be a mapping, not %.100s", Py_TYPE(config)->tp_name);
    PyObject *settings = PyDict_New();
    if (settings && (PyDict_Update(settings, config) < 0 || binding_config(settings, read) < 0))
        Py_CLEAR(settings);
    return settings;
}

static PyObject *model_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"config", "tensors", NULL};
    PyObject *config, *tensors;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO:Model", names, &config, &tensors))
        return NULL;
    struct model_object *self = (struct model_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct deberta_tensor *table = NULL;
    PyObject *owner = NULL;
    bool made = (self->settings = new_settings(config, &self->config)) && (owner = PySequence_Tuple(tensors)) &&
                (table = binding_tensors(owner)) && build(self, owner, table) == 0;
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

struct inputs {
    PyObject *ids, *offsets, *types, *mask, *pair_mask, *first, *selected;
    int logits, last, hidden_states, attentions;
};

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

static int read_batch(const struct inputs *inputs, struct deberta_batch *batch)
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

/* (logits, last layer, hidden states, attentions), each an array or None, and their memory in `outputs`. */
static PyObject *new_outputs(const struct deberta_config *config, const struct inputs *inputs,
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
    static char *names[] = {"ids",      "offsets", "types", "mask",          "pair_mask",  "first",
                            "selected", "logits",  "last",  "hidden_states", "attentions", NULL};
    struct model_object *self = (struct model_object *)object;
    struct inputs inputs = {
        .types = Py_None, .mask = Py_None, .pair_mask = Py_None, .first = Py_None, .selected = Py_None, .logits = 1};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$OOOOOpppp:forward", names, &inputs.ids, &inputs.offsets,
                                     &inputs.types, &inputs.mask, &inputs.pair_mask, &inputs.first, &inputs.selected,
                                     &inputs.logits, &inputs.last, &inputs.hidden_states, &inputs.attentions))
        return NULL;
    struct deberta_batch batch;
    struct deberta_outputs outputs;
    if (read_batch(&inputs, &batch) < 0)
        return NULL;
    PyObject *result = new_outputs(&self->config, &inputs, &batch, &outputs);
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
    PyObject *settings = new_settings(config, &read);
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
    {Py_tp_doc, (void *)PyDoc_STR("Model(config, tensors)\n--\n\n"
                                  "An immutable network: config has the members of struct deberta_config, tensors are\n"
                                  "(name, dtype, shape, bytes, blocks, mapped) with dtype F32, F16 or BF16; blocks is\n"
                                  "None or (rows of a block, rows from one block to the next); mapped: the bytes are\n"
                                  "a mapped file, whose pages are dropped after reading.")},
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
