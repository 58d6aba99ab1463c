/* SPDX-License-Identifier: Apache-2.0 */
/* deberta_start: values of environment variables that it must reject. */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "deberta.h"

static void check_environment(void)
{
    CHECK(deberta_start() == DEBERTA_OK);
    setenv("DEBERTA_C_NUM_THREADS", "two", 1);
    CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), "two"));
    unsetenv("DEBERTA_C_NUM_THREADS");
    setenv("DEBERTA_C_ISA", "mmx", 1);
    CHECK(deberta_start() == DEBERTA_ARGUMENT && strstr(deberta_message(), "mmx"));
    unsetenv("DEBERTA_C_ISA");
}

int main(void)
{
    check_environment();
    return 0;
}
