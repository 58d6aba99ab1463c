/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[512];

enum deberta_status fail(enum deberta_status status, const char *format, ...)
{
    char fresh[sizeof message]; /* an argument may be the last message itself */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    memcpy(message, fresh, sizeof message);
    return status;
}

const char *status_message(void)
{
    return message;
}
