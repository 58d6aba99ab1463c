/* SPDX-License-Identifier: Apache-2.0 */
#include "python/binding.h"

#include <time.h>
#include <unistd.h>

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
    if (status == DEBERTA_STOPPED) /* by a signal handler, whose exception is set */
        return -1;
    /* A message can quote a file: invalid UTF-8 is replaced. */
    const char *message = deberta_message();
    PyObject *text = PyUnicode_DecodeUTF8(message, (Py_ssize_t)strlen(message), "replace");
    if (text)
        PyErr_SetObject(exception_of(status), text);
    Py_XDECREF(text);
    return -1;
}

int64_t binding_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

bool binding_interrupted(void *data)
{
    int64_t *last = data, now = binding_now();
    if (now - *last < 100000000 || getpid() != gettid())
        return false;
    *last = now;
    PyGILState_STATE state = PyGILState_Ensure();
    bool stop = PyErr_CheckSignals() < 0;
    PyGILState_Release(state);
    return stop;
}
