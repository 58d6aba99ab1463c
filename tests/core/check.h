/* SPDX-License-Identifier: Apache-2.0 */
/* CHECK for the C tests: at the first false expression, a program prints its place and ends with status 1. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(expression)                                                                                              \
    do {                                                                                                               \
        if (!(expression)) {                                                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                                           \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
