/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

static PyObject *exception_of(enum deberta_status status)
{
    switch (status) {
    case DEBERTA_ARGUMENT:
    case DEBERTA_FORMAT:
        return PyExc_ValueError;
    case DEBERTA_MEMORY:
        return PyExc_MemoryError;
    default:
        return PyExc_RuntimeError;
    }
}

int binding_check(enum deberta_status status)
{
    if (status == DEBERTA_OK)
        return 0;
    if (status == DEBERTA_STOPPED) /* by a signal, whose exception is set */
        return -1;
    /* A message may quote a file: what is not UTF-8 in it is replaced. */
    const char *message = deberta_message();
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    if (text)
        PyErr_SetObject(exception_of(status), text);
    Py_XDECREF(text);
    return -1;
}
