/* SPDX-License-Identifier: Apache-2.0 */
#define BINDING_IMPORTS_NUMPY
#include "python/binding.h"

static PyObject *get_num_threads(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyLong_FromLong(deberta_threads());
}

static PyObject *set_num_threads(PyObject *module, PyObject *argument)
{
    (void)module;
    enum { MOST = 4096 };
    int overflow;
    long count = PyLong_AsLongAndOverflow(argument, &overflow);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (overflow || count < 0 || count > MOST)
        return PyErr_Format(PyExc_ValueError, "count must be between 0 (the default) and %d, not %R", MOST, argument);
    deberta_set_threads((int)count);
    Py_RETURN_NONE;
}

static PyObject *isa(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(deberta_isa());
}

static PyObject *linear_layers(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    return PyUnicode_FromString(deberta_linear());
}

static PyObject *onednn_version(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const char *version = deberta_onednn();
    return version ? PyUnicode_FromString(version) : (binding_check(DEBERTA_INTERNAL), NULL);
}

static PyMethodDef methods[] = {
    {"get_num_threads", get_num_threads, METH_NOARGS, PyDoc_STR("get_num_threads()\n--\n\nThreads that a call uses.")},
    {"set_num_threads", set_num_threads, METH_O,
     PyDoc_STR("set_num_threads(count, /)\n--\n\nSets the threads of the whole process; 0 restores the default.")},
    {"isa", isa, METH_NOARGS, PyDoc_STR("isa()\n--\n\nThe instruction set in use: scalar, avx2, avx512 or amx.")},
    {"linear_layers", linear_layers, METH_NOARGS,
     PyDoc_STR("linear_layers()\n--\n\nThe implementation of linear layers in new models: own or onednn.")},
    {"dtypes", binding_dtypes, METH_NOARGS,
     PyDoc_STR(
         "dtypes()\n--\n\nThe types that this CPU multiplies, of float32, bfloat16, int8. Without bfloat16, a network "
         "in it has its\nweights in bfloat16 and multiplies float32.")},
    {"multiplier", binding_multiplier, METH_O,
     PyDoc_STR("multiplier(dtype, /)\n--\n\nWho multiplies in a type, own or onednn, and the instructions; \"in "
               "float32\"\nif the CPU does not multiply the type.")},
    {"known_products", binding_known_products, METH_O,
     PyDoc_STR("known_products(dtype, /)\n--\n\nWhether products of known integers are right in this type.")},
    {"onednn_version", onednn_version, METH_NOARGS,
     PyDoc_STR("onednn_version()\n--\n\nThe version of oneDNN, such as \"3.2.0\", which is loaded for it.")},
    {"parameters", binding_parameters, METH_O,
     PyDoc_STR("parameters(config, /)\n--\n\nName and shape of every tensor that a network of this config needs.")},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (!type)
        return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static int execute(PyObject *module)
{
    if (PyArray_ImportNumPyAPI() < 0 || binding_check(deberta_start()) < 0)
        return -1;
    (void)Py_AtExit(deberta_stop); /* after the last Python code, before the destructors of libraries */
    PyType_Spec *specs[] = {&binding_spm_spec, &binding_tokenizer_spec, &binding_model_spec, &binding_training_spec};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++)
        if (add_type(module, specs[i]) < 0)
            return -1;
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#if PY_VERSION_HEX >= 0x030c0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED}, /* NumPy's rule */
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "deberta_c._core",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
