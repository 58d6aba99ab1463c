/* SPDX-License-Identifier: Apache-2.0 */
/* Failure is a status and one message. The library never prints, exits or aborts. */
#ifndef DEBERTA_BASE_STATUS_H
#define DEBERTA_BASE_STATUS_H

enum deberta_status {
    DEBERTA_OK = 0,
    DEBERTA_ARGUMENT, /* an invalid value from the caller */
    DEBERTA_FORMAT,   /* an invalid file or table of weights */
    DEBERTA_MEMORY,   /* an allocation failed */
    DEBERTA_INTERNAL, /* another library failed */
    DEBERTA_STOPPED,  /* the caller cancelled */
};

#define MUST_USE __attribute__((warn_unused_result))

/* Records the message of the calling thread and returns `status`. */
enum deberta_status fail(enum deberta_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The message of the last failure in the calling thread. */
const char *status_message(void);

/* Returns from the calling function when `expression` is not DEBERTA_OK. */
#define TRY(expression)                                                                                                \
    do {                                                                                                               \
        enum deberta_status try_status_ = (expression);                                                                \
        if (try_status_ != DEBERTA_OK)                                                                                 \
            return try_status_;                                                                                        \
    } while (0)

#endif
