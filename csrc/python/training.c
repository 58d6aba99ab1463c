/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

struct training_object {
    PyObject_HEAD
    struct deberta_config config;
    struct deberta_training *training;
    PyObject *base; /* the Training whose words are added, or NULL */
    bool busy;      /* a call runs without the GIL */
    int64_t last;   /* when the call last looked for signals */
};

/* ---- life ---- */

static PyObject *training_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"config",         "tensors",       "hidden_dropout", "attention_dropout",
                            "pooler_dropout", "head_dropout",  "padding",        "tied",
                            "base",           "checkpointing", "bf16",           NULL};
    PyObject *config, *tensors, *base = Py_None, *settings = NULL, *owner = NULL;
    struct deberta_training_options options = {.padding = -1};
    struct deberta_dropout *dropout = &options.dropout;
    int tied = 0, checkpointing = 0, bf16 = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$ffffipOpp:Training", names, &config, &tensors,
                                     &dropout->hidden, &dropout->attention, &dropout->pooler, &dropout->head,
                                     &options.padding, &tied, &base, &checkpointing, &bf16))
        return NULL;
    options.tied = tied;
    options.checkpointing = checkpointing;
    options.bf16 = bf16;
    if (base != Py_None && !PyObject_TypeCheck(base, type))
        return PyErr_Format(PyExc_TypeError, "base must be a Training or None, not %.100s", Py_TYPE(base)->tp_name);
    if (base != Py_None)
        options.base = ((struct training_object *)base)->training;
    struct training_object *self = (struct training_object *)type->tp_alloc(type, 0);
    if (!self)
        return NULL;
    struct deberta_tensor *table = NULL;
    bool made = (settings = binding_settings(config, &self->config)) && (owner = PySequence_Tuple(tensors)) &&
                (table = binding_tensors(owner));
    if (made) {
        enum deberta_status status;
        Py_BEGIN_ALLOW_THREADS
        status = deberta_training_new(&self->config, table, (size_t)PyTuple_GET_SIZE(owner), &options, &self->training);
        Py_END_ALLOW_THREADS
        made = binding_check(status) == 0;
    }
    self->config.hidden_act = self->config.conv_act = self->config.head_act = NULL; /* the settings go */
    PyMem_Free(table);
    Py_XDECREF(owner);
    Py_XDECREF(settings);
    if (made && base != Py_None)
        self->base = Py_NewRef(base);
    if (!made)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void training_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    deberta_training_free(((struct training_object *)object)->training);
    Py_XDECREF(((struct training_object *)object)->base);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---- one call at a time, which a signal can interrupt ---- */

static int enter(struct training_object *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread uses this Training; it serves one call at a time");
        return -1;
    }
    self->busy = true;
    self->last = binding_now();
    deberta_training_set_cancel(self->training, binding_interrupted, &self->last);
    return 0;
}

static void leave(struct training_object *self)
{
    deberta_training_set_cancel(self->training, NULL, NULL);
    self->busy = false;
}

/* ---- passes ---- */

/* The output of the frozen layers, flat, or NULL. */
static int read_given(const struct training_object *self, const struct binding_inputs *inputs,
                      const struct deberta_batch *batch, const float **given)
{
    PyArrayObject *array;
    npy_intp floats = (npy_intp)((size_t)batch->offsets[batch->count] * self->config.hidden_size);
    if (binding_vector(inputs->given, "given", NPY_FLOAT32, floats, &array) < 0)
        return -1;
    *given = array ? PyArray_DATA(array) : NULL;
    return 0;
}

/* The outputs of a forward pass with dropout by `seed` or, if `evaluates`, without a tape, as binding_outputs makes
 * them; NULL with an exception set on failure. */
static PyObject *run_pass(struct training_object *self, const struct binding_inputs *inputs, bool evaluates,
                          uint64_t seed)
{
    struct deberta_batch batch;
    struct deberta_outputs outputs;
    const float *given;
    if (binding_batch(inputs, &batch) < 0 || read_given(self, inputs, &batch, &given) < 0 || enter(self) < 0)
        return NULL;
    PyObject *result = binding_outputs(&self->config, inputs, &batch, &outputs);
    enum deberta_status status = DEBERTA_OK;
    if (result) {
        Py_BEGIN_ALLOW_THREADS
        status = evaluates ? deberta_training_evaluate(self->training, &batch, given, &outputs)
                           : deberta_training_forward(self->training, &batch, given, seed, outputs.logits);
        Py_END_ALLOW_THREADS
    }
    leave(self);
    if (result && binding_check(status) < 0)
        Py_CLEAR(result);
    return result;
}

static PyObject *training_forward(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"ids", "offsets", "types", "mask", "pair_mask", "first", "selected", "given", "seed", NULL};
    unsigned long long seed = 0;
    struct binding_inputs inputs = BINDING_NO_INPUTS;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$OOOOOOK:forward", names, &inputs.ids, &inputs.offsets,
                                     &inputs.types, &inputs.mask, &inputs.pair_mask, &inputs.first, &inputs.selected,
                                     &inputs.given, &seed))
        return NULL;
    PyObject *result = run_pass((struct training_object *)object, &inputs, false, seed);
    PyObject *logits = result ? Py_NewRef(PyTuple_GET_ITEM(result, 0)) : NULL;
    Py_XDECREF(result);
    return logits;
}

static PyObject *training_backward(PyObject *object, PyObject *argument)
{
    struct training_object *self = (struct training_object *)object;
    struct deberta_shapes shapes = deberta_training_shapes(self->training);
    PyArrayObject *array;
    if (binding_vector(argument, "d_logits", NPY_FLOAT32, (npy_intp)(shapes.logit_rows * shapes.logit_columns),
                       &array) < 0)
        return NULL;
    if (!array) {
        PyErr_SetString(PyExc_TypeError, "d_logits must be an array");
        return NULL;
    }
    if (enter(self) < 0)
        return NULL;
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_backward(self->training, PyArray_DATA(array));
    Py_END_ALLOW_THREADS
    leave(self);
    if (binding_check(status) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* The loss of targets for a batch of which the inputs are arrays. */
static PyObject *masked_lm(struct training_object *self, const struct binding_inputs *inputs, PyObject *ids,
                           struct deberta_targets targets, bool drops, uint64_t seed)
{
    struct deberta_batch batch;
    PyArrayObject *array;
    if (binding_batch(inputs, &batch) < 0)
        return NULL;
    npy_intp rows = (npy_intp)deberta_output_shapes(&self->config, &batch).logit_rows;
    if (binding_vector(ids, "targets", NPY_INT32, rows, &array) < 0)
        return NULL;
    if (!array) {
        PyErr_SetString(PyExc_TypeError, "targets must be an array");
        return NULL;
    }
    if (enter(self) < 0)
        return NULL;
    enum deberta_status status;
    double loss;
    targets.ids = PyArray_DATA(array);
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_masked_lm(self->training, &batch, &targets, drops, seed, &loss);
    Py_END_ALLOW_THREADS
    leave(self);
    return binding_check(status) < 0 ? NULL : PyFloat_FromDouble(loss);
}

static PyObject *training_masked_lm(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"ids",   "offsets",  "targets", "types",     "mask",  "pair_mask",
                            "first", "selected", "seed",    "smoothing", "drops", NULL};
    struct binding_inputs inputs = BINDING_NO_INPUTS;
    struct deberta_targets targets = {0};
    PyObject *ids;
    unsigned long long seed = 0;
    int drops = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO|$OOOOOKfp:masked_lm", names, &inputs.ids,
                                     &inputs.offsets, &ids, &inputs.types, &inputs.mask, &inputs.pair_mask,
                                     &inputs.first, &inputs.selected, &seed, &targets.smoothing, &drops))
        return NULL;
    return masked_lm((struct training_object *)object, &inputs, ids, targets, drops, seed);
}

static PyObject *training_masked_lm_backward(PyObject *object, PyObject *argument)
{
    struct training_object *self = (struct training_object *)object;
    double scale = PyFloat_AsDouble(argument);
    if ((scale == -1.0 && PyErr_Occurred()) || enter(self) < 0)
        return NULL;
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_masked_lm_backward(self->training, scale);
    Py_END_ALLOW_THREADS
    leave(self);
    if (binding_check(status) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *training_sample(PyObject *object, PyObject *argument)
{
    struct training_object *self = (struct training_object *)object;
    unsigned long long seed = PyLong_AsUnsignedLongLongMask(argument);
    if (seed == (unsigned long long)-1 && PyErr_Occurred())
        return NULL;
    npy_intp rows = (npy_intp)deberta_training_shapes(self->training).logit_rows;
    PyObject *ids = PyArray_SimpleNew(1, &rows, NPY_INT32);
    if (!ids || enter(self) < 0) {
        Py_XDECREF(ids);
        return NULL;
    }
    enum deberta_status status;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_sample(self->training, seed, PyArray_DATA((PyArrayObject *)ids));
    Py_END_ALLOW_THREADS
    leave(self);
    if (binding_check(status) < 0)
        Py_CLEAR(ids);
    return ids;
}

static PyObject *training_evaluate(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    struct binding_inputs inputs;
    if (binding_inputs_of(arguments, keywords, "OO|$OOOOOppppO:evaluate", true, &inputs) < 0)
        return NULL;
    return run_pass((struct training_object *)object, &inputs, true, 0);
}

static PyObject *training_frozen_output(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"ids", "offsets", "types", "mask", "pair_mask", "first", NULL};
    struct training_object *self = (struct training_object *)object;
    struct binding_inputs inputs = BINDING_NO_INPUTS;
    struct deberta_batch batch;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|$OOOO:frozen_output", names, &inputs.ids, &inputs.offsets,
                                     &inputs.types, &inputs.mask, &inputs.pair_mask, &inputs.first) ||
        binding_batch(&inputs, &batch) < 0)
        return NULL;
    npy_intp shape[] = {(npy_intp)batch.offsets[batch.count], (npy_intp)self->config.hidden_size};
    PyObject *rows = PyArray_SimpleNew(2, shape, NPY_FLOAT32);
    if (!rows || enter(self) < 0) {
        Py_XDECREF(rows);
        return NULL;
    }
    enum deberta_status status;
    float *out = PyArray_DATA((PyArrayObject *)rows);
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_frozen_output(self->training, &batch, out);
    Py_END_ALLOW_THREADS
    leave(self);
    if (binding_check(status) < 0)
        Py_CLEAR(rows);
    return rows;
}

static PyObject *training_update(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"learning_rate", "beta1", "beta2",           "epsilon", "weight_decay",
                            "max_norm",      "scale", "bias_correction", NULL};
    struct training_object *self = (struct training_object *)object;
    struct deberta_update update = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .scale = 1.0};
    int bias_correction = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "d|$ddddddp:update", names, &update.learning_rate,
                                     &update.beta1, &update.beta2, &update.epsilon, &update.weight_decay,
                                     &update.max_norm, &update.scale, &bias_correction) ||
        enter(self) < 0)
        return NULL;
    update.bias_correction = bias_correction;
    enum deberta_status status;
    double norm;
    Py_BEGIN_ALLOW_THREADS
    status = deberta_training_update(self->training, &update, &norm);
    Py_END_ALLOW_THREADS
    leave(self);
    return binding_check(status) < 0 ? NULL : PyFloat_FromDouble(norm);
}

static PyObject *training_trim(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct training_object *self = (struct training_object *)object;
    if (enter(self) < 0)
        return NULL;
    deberta_training_trim(self->training);
    leave(self);
    Py_RETURN_NONE;
}

/* ---- parameters ---- */

/* The index of a parameter, or -1 with an exception set. */
static Py_ssize_t find(const struct training_object *self, const char *name)
{
    size_t count = deberta_training_count(self->training);
    for (size_t i = 0; i < count; i++)
        if (strcmp(deberta_training_parameter(self->training, i).name, name) == 0)
            return (Py_ssize_t)i;
    PyErr_Format(PyExc_KeyError, "there is no parameter '%s'; `names` lists them", name);
    return -1;
}

static PyObject *read_part(struct training_object *self, size_t index, enum deberta_parameter_part part)
{
    struct deberta_parameter parameter = deberta_training_parameter(self->training, index);
    npy_intp shape[] = {(npy_intp)parameter.rows, (npy_intp)parameter.columns};
    PyObject *array = PyArray_SimpleNew(parameter.columns ? 2 : 1, shape, NPY_FLOAT32);
    if (!array || enter(self) < 0) {
        Py_XDECREF(array);
        return NULL;
    }
    enum deberta_status status =
        deberta_training_read(self->training, index, part, PyArray_DATA((PyArrayObject *)array));
    leave(self);
    if (binding_check(status) < 0)
        Py_CLEAR(array);
    return array;
}

static PyObject *read_named(PyObject *object, PyObject *argument, enum deberta_parameter_part part)
{
    const char *name = PyUnicode_AsUTF8(argument);
    Py_ssize_t index = name ? find((struct training_object *)object, name) : -1;
    return index < 0 ? NULL : read_part((struct training_object *)object, (size_t)index, part);
}

static PyObject *training_parameter(PyObject *object, PyObject *argument)
{
    return read_named(object, argument, DEBERTA_VALUE);
}

static PyObject *training_gradient(PyObject *object, PyObject *argument)
{
    return read_named(object, argument, DEBERTA_GRADIENT);
}

static PyObject *training_moments(PyObject *object, PyObject *argument)
{
    PyObject *first = read_named(object, argument, DEBERTA_FIRST_MOMENT);
    PyObject *second = first ? read_named(object, argument, DEBERTA_SECOND_MOMENT) : NULL;
    PyObject *both = second ? PyTuple_Pack(2, first, second) : NULL;
    Py_XDECREF(first);
    Py_XDECREF(second);
    return both;
}

static int write_part(struct training_object *self, const char *name, enum deberta_parameter_part part,
                      PyObject *values)
{
    Py_ssize_t index = find(self, name);
    if (index < 0)
        return -1;
    struct deberta_parameter parameter = deberta_training_parameter(self->training, (size_t)index);
    size_t size = parameter.rows * (parameter.columns ? parameter.columns : 1);
    PyArrayObject *array;
    if (binding_vector(values, name, NPY_FLOAT32, (npy_intp)size, &array) < 0)
        return -1;
    if (!array) {
        PyErr_Format(PyExc_TypeError, "%s must be an array", name);
        return -1;
    }
    if (enter(self) < 0)
        return -1;
    enum deberta_status status = deberta_training_write(self->training, (size_t)index, part, PyArray_DATA(array));
    leave(self);
    return binding_check(status);
}

static PyObject *training_set_parameter(PyObject *object, PyObject *arguments)
{
    const char *name;
    PyObject *values;
    if (!PyArg_ParseTuple(arguments, "sO:set_parameter", &name, &values) ||
        write_part((struct training_object *)object, name, DEBERTA_VALUE, values) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *training_set_moments(PyObject *object, PyObject *arguments)
{
    const char *name;
    PyObject *first, *second;
    if (!PyArg_ParseTuple(arguments, "sOO:set_moments", &name, &first, &second) ||
        write_part((struct training_object *)object, name, DEBERTA_FIRST_MOMENT, first) < 0 ||
        write_part((struct training_object *)object, name, DEBERTA_SECOND_MOMENT, second) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *training_set_options(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"name", "trainable", "rate", "decay", NULL};
    struct training_object *self = (struct training_object *)object;
    const char *name;
    int trainable = 1, decay = 1;
    float rate = 1.0f;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "s|$pfp:set_options", names, &name, &trainable, &rate,
                                     &decay))
        return NULL;
    Py_ssize_t index = find(self, name);
    if (index < 0 || enter(self) < 0)
        return NULL;
    enum deberta_status status = deberta_training_set_options(self->training, (size_t)index, trainable, decay, rate);
    leave(self);
    if (binding_check(status) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *training_adapt(PyObject *object, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"name", "rank", "scale", NULL};
    struct training_object *self = (struct training_object *)object;
    const char *name;
    Py_ssize_t rank;
    float scale = 1.0f;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "sn|$f:adapt", names, &name, &rank, &scale))
        return NULL;
    Py_ssize_t index = find(self, name);
    if (index < 0 || enter(self) < 0)
        return NULL;
    enum deberta_status status =
        deberta_training_adapt(self->training, (size_t)index, rank < 0 ? 0 : (size_t)rank, scale);
    leave(self);
    if (binding_check(status) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *training_names(PyObject *object, void *unused)
{
    (void)unused;
    struct training_object *self = (struct training_object *)object;
    size_t count = deberta_training_count(self->training);
    PyObject *names = PyTuple_New((Py_ssize_t)count);
    for (size_t i = 0; names && i < count; i++) {
        PyObject *name = PyUnicode_FromString(deberta_training_parameter(self->training, i).name);
        if (name)
            PyTuple_SET_ITEM(names, (Py_ssize_t)i, name);
        else
            Py_CLEAR(names);
    }
    return names;
}

static PyObject *training_frozen_layers(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(deberta_training_frozen(((struct training_object *)object)->training));
}

static PyObject *training_steps(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromUnsignedLongLong(deberta_training_steps(((struct training_object *)object)->training));
}

static int training_set_steps(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "steps cannot be deleted");
        return -1;
    }
    unsigned long long steps = PyLong_AsUnsignedLongLong(value);
    if (steps == (unsigned long long)-1 && PyErr_Occurred())
        return -1;
    deberta_training_set_steps(((struct training_object *)object)->training, steps);
    return 0;
}

static PyObject *training_memory(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(deberta_training_memory(((struct training_object *)object)->training));
}

#define METHOD(function) (PyCFunction)(void (*)(void)) function

static PyMethodDef methods[] = {
    {"forward", METHOD(training_forward), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("forward($self, ids, offsets, *, types=None, mask=None, pair_mask=None, first=None, selected=None,\n"
               "        given=None, seed=0)\n--\n\n"
               "Logits of a packed batch, as Model.forward returns them, with dropout by `seed`; keeps what backward\n"
               "needs. `given`: frozen_output of the batch, flat, which is then not computed.")},
    {"frozen_output", METHOD(training_frozen_output), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("frozen_output($self, ids, offsets, *, types=None, mask=None, pair_mask=None, first=None)\n--\n\n"
               "The output (T, H) of the frozen layers, the same in every pass.")},
    {"backward", training_backward, METH_O,
     PyDoc_STR("backward($self, d_logits, /)\n--\n\n"
               "Adds the gradients of the last forward pass; d_logits: the gradient by its logits, flat.")},
    {"masked_lm", METHOD(training_masked_lm), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "masked_lm($self, ids, offsets, targets, *, types=None, mask=None, pair_mask=None, first=None,\n"
         "          selected=None, seed=0, smoothing=0.0, drops=True)\n--\n\n"
         "The sum of the cross-entropies of the selected tokens of a packed batch, whose ids should be `targets`\n"
         "(negative: no loss), with dropout by `seed` if `drops`; keeps what masked_lm_backward needs.")},
    {"masked_lm_backward", training_masked_lm_backward, METH_O,
     PyDoc_STR("masked_lm_backward($self, scale, /)\n--\n\nAdds the gradients of scale * the loss of the last "
               "masked_lm.")},
    {"sample", training_sample, METH_O,
     PyDoc_STR("sample($self, seed, /)\n--\n\nAn id for each selected token of the last masked_lm, drawn from the "
               "softmax of its\nlogits; before masked_lm_backward.")},
    {"evaluate", METHOD(training_evaluate), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("evaluate($self, ids, offsets, *, types=None, mask=None, pair_mask=None, first=None, selected=None,\n"
               "         logits=True, last=False, hidden_states=False, attentions=False, given=None)\n--\n\n"
               "Model.forward with the weights as they are now; `given` is that of forward.")},
    {"update", METHOD(training_update), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("update($self, learning_rate, *, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, max_norm=0.0,\n"
               "       scale=1.0, bias_correction=True)\n--\n\n"
               "One step of AdamW; returns the norm of the gradients before clipping, and zeroes them. If the norm is\n"
               "not finite nothing else changes.")},
    {"trim", training_trim, METH_NOARGS,
     PyDoc_STR("trim($self, /)\n--\n\n"
               "Frees the memory of passes until the next one; a forward pass that waits for backward is lost.")},
    {"parameter", training_parameter, METH_O, PyDoc_STR("parameter($self, name, /)\n--\n\nA copy of a parameter.")},
    {"gradient", training_gradient, METH_O, PyDoc_STR("gradient($self, name, /)\n--\n\nA copy of its gradient.")},
    {"moments", training_moments, METH_O,
     PyDoc_STR("moments($self, name, /)\n--\n\nCopies of its first and second moment.")},
    {"set_parameter", training_set_parameter, METH_VARARGS,
     PyDoc_STR("set_parameter($self, name, values, /)\n--\n\nReplaces the values, given flat.")},
    {"set_moments", training_set_moments, METH_VARARGS,
     PyDoc_STR("set_moments($self, name, first, second, /)\n--\n\nReplaces the moments, given flat.")},
    {"set_options", METHOD(training_set_options), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("set_options($self, name, *, trainable=True, rate=1.0, decay=True)\n--\n\n"
               "Whether updates change a parameter, what multiplies its learning rate, whether it takes weight decay.\n"
               "The first forward pass makes gradients and moments for the parameters that are trainable then.")},
    {"adapt", METHOD(training_adapt), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(
         "adapt($self, name, rank, *, scale=1.0)\n--\n\n"
         "Trains scale * B A, which is added to a matrix, in place of the matrix (LoRA): A and B, zeros, are the new\n"
         "parameters lora_A.weight and lora_B.weight. Before the first forward pass.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef properties[] = {
    {"names", training_names, NULL, PyDoc_STR("The names of all parameters, in a fixed order."), NULL},
    {"frozen_layers", training_frozen_layers, NULL,
     PyDoc_STR("The number of first layers that, with what is before them, have no trainable parameter: they run\n"
               "without dropout, and nothing is kept of them."),
     NULL},
    {"steps", training_steps, training_set_steps, PyDoc_STR("Updates so far."), NULL},
    {"memory", training_memory, NULL, PyDoc_STR("Bytes of weights, gradients, moments and activations."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR(
         "Training(config, tensors, *, hidden_dropout=0.0, attention_dropout=0.0, pooler_dropout=0.0,\n"
         "         head_dropout=0.0, padding=-1, tied=False, base=None,\n"
         "         checkpointing=False, bf16=False)\n--\n\n"
         "A network whose weights change, with gradients and moments; config and tensors as those of\n"
         "Model. padding: the id whose row of the word table gets no gradient where it is read; tied:\n"
         "head.out.weight is the word table; base: a Training whose word table is added to this one's\n"
         "wherever that is read, and not trained with it; checkpointing: keeps the inputs of layers alone, and\n"
         "computes the rest again in the backward pass; bf16: the linear layers of the encoder that are trained\n"
         "multiply bfloat16, which needs AVX512_BF16. One call at a time.")},
    {Py_tp_new, training_new},
    {Py_tp_dealloc, training_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, properties},
    {0, NULL},
};

PyType_Spec binding_training_spec = {
    .name = "deberta_c._core.Training",
    .basicsize = sizeof(struct training_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
