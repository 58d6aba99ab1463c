/* SPDX-License-Identifier: Apache-2.0 */
#include "text/truncation.h"

#include "base/memory.h"
#include "text/template.h"

static size_t special(const struct deberta_encode_options *options, bool pair)
{
    return options->add_special_tokens ? template_added(pair) : 0;
}

enum deberta_status truncation_check(const struct deberta_encode_options *options, bool pair)
{
    size_t added = special(options, pair);
    if (options->truncation != DEBERTA_KEEP && options->max_length < added)
        return fail(DEBERTA_ARGUMENT, "max_length is %zu, but the special tokens of a %s are %zu: give at least that",
                    options->max_length, pair ? "pair" : "text", added);
    return DEBERTA_OK;
}

/* The longer text loses first; when both are too long they share the room, and the shorter, or of two equal ones the
 * first, gets the smaller half. */
static void longest_first(size_t room, struct lengths *lengths)
{
    bool swapped = lengths->first > lengths->second;
    size_t shorter = swapped ? lengths->second : lengths->first;
    size_t longer = shorter > room ? shorter : max_size(shorter, room - shorter);
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = room - shorter;
    }
    *lengths = swapped ? (struct lengths){longer, shorter} : (struct lengths){shorter, longer};
}

/* Takes everything that is too much from one text, of which something must remain. */
static enum deberta_status only(size_t surplus, size_t row, const char *which, const char *strategy, size_t *length)
{
    if (*length <= surplus)
        return fail(DEBERTA_ARGUMENT,
                    "row %zu has %zu tokens more than max_length allows, and its %s text has only %zu, so that "
                    "truncation '%s' cannot shorten it: use 'longest_first' or a larger max_length",
                    row, surplus, which, *length, strategy);
    *length -= surplus;
    return DEBERTA_OK;
}

enum deberta_status truncation_apply(const struct deberta_encode_options *options, bool pair, size_t row,
                                     struct lengths *lengths)
{
    size_t total = lengths->first + lengths->second;
    if (options->truncation == DEBERTA_KEEP || total + special(options, pair) <= options->max_length)
        return DEBERTA_OK;
    size_t room = options->max_length - special(options, pair);
    if (room == 0) {
        *lengths = (struct lengths){0, 0};
        return DEBERTA_OK;
    }
    switch (options->truncation) {
    case DEBERTA_ONLY_FIRST:
        return only(total - room, row, "first", "only_first", &lengths->first);
    case DEBERTA_ONLY_SECOND:
        if (!pair)
            return fail(DEBERTA_ARGUMENT,
                        "row %zu is longer than max_length, and truncation 'only_second' needs a second text", row);
        return only(total - room, row, "second", "only_second", &lengths->second);
    default:
        if (pair)
            longest_first(room, lengths);
        else
            lengths->first = room;
        return DEBERTA_OK;
    }
}
