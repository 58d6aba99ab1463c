/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of failures, one for each thread. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "check.h"

static enum deberta_status fails(bool really)
{
    TRY(really ? fail(DEBERTA_FORMAT, "tensor %s: %d", "x", 7) : DEBERTA_OK);
    return DEBERTA_OK;
}

static void *message_of_a_fresh_thread(void *unused)
{
    (void)unused;
    CHECK(*status_message() == '\0');
    CHECK(fail(DEBERTA_ARGUMENT, "elsewhere") == DEBERTA_ARGUMENT);
    return NULL;
}

static void check_status(void)
{
    CHECK(fails(false) == DEBERTA_OK);
    CHECK(fails(true) == DEBERTA_FORMAT && strcmp(status_message(), "tensor x: 7") == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, message_of_a_fresh_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(strcmp(status_message(), "tensor x: 7") == 0);
    (void)fail(DEBERTA_FORMAT, "file y: %s", status_message());
    CHECK(strcmp(status_message(), "file y: tensor x: 7") == 0);
    (void)fail(DEBERTA_FORMAT, "%2000d", 1);
    CHECK(strlen(status_message()) > 100 && strlen(status_message()) < 2000);
}

int main(void)
{
    check_status();
    return 0;
}
