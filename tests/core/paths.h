/* SPDX-License-Identifier: Apache-2.0 */
/* Every instruction set and every path of linear layers of this machine, one after the other. */
#ifndef DEBERTA_TESTS_PATHS_H
#define DEBERTA_TESTS_PATHS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "check.h"
#include "deberta.h"

/* Calls check(own) for each: own is true for the kernel of deberta_c, false for oneDNN. */
static inline void for_each_path(const char *name, void (*check)(bool own))
{
    static const char *const paths[] = {"own", "onednn"};
    for (int level = 0; level < ISA_COUNT; level++) {
        for (int path = 0; path < 2; path++) {
            setenv("DEBERTA_C_ISA", isa_names[level], 1);
            setenv("DEBERTA_C_MATMUL", paths[path], 1);
            if (!cpu_has((enum isa)level)) {
                CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), isa_names[level]));
                printf("%s: no %s on this machine\n", name, isa_names[level]);
                break;
            }
            CHECK(deberta_start() == DEBERTA_OK);
            deberta_set_threads(2);
            check(path == 0);
            printf("%s: %s is right with %s\n", name, isa_names[level], paths[path]);
        }
    }
}

#endif
