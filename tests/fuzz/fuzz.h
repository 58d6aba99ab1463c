/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the fuzz targets: reading an input, encoding with all checks, and a driver. With libFuzzer, define
 * FUZZ_ENGINE and link with -fsanitize=fuzzer. Otherwise a program replays the files that it is given and mutates
 * inputs of its own: DEBERTA_FUZZ_ROUNDS of them (4000), or for DEBERTA_FUZZ_SECONDS. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "deberta.h"
#include "text/unicode/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Defined by each target: writes its valid input `number`. Returns the size. */
size_t fuzz_seed(uint32_t number, uint8_t *data, size_t capacity);

/* ---- reading an input ---- */

struct input {
    const uint8_t *data;
    size_t size;
};

static inline uint8_t take(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* Invalid bytes become question marks: deberta.h requires valid UTF-8. */
static inline struct deberta_text make_valid(char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        struct character c = utf8_decode(text + i, size - i);
        if (!c.valid)
            text[i] = '?';
        i += c.size;
    }
    return (struct deberta_text){text, size};
}

/* A byte that says how many bytes follow, copied into `room` of 255 bytes. */
static inline struct deberta_text take_text(struct input *input, char *room)
{
    size_t size = take(input);
    size = size < input->size ? size : input->size;
    memcpy(room, input->data, size);
    input->data += size;
    input->size -= size;
    return make_valid(room, size);
}

/* ---- encoding ---- */

static inline size_t count_characters(struct deberta_text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += !utf8_continues(text.bytes[i]);
    return count;
}

static inline void check_row(const struct deberta_encodings *out, size_t row, size_t characters, size_t ids)
{
    for (int64_t i = out->offsets[row]; i < out->offsets[row + 1]; i++) {
        CHECK(out->ids[i] >= 0 && (size_t)out->ids[i] < ids);
        CHECK(out->sequences[i] >= -1 && out->sequences[i] <= 1);
        CHECK((out->sequences[i] < 0) == (out->words[i] < 0));
        CHECK(out->spans[2 * i] >= 0 && out->spans[2 * i] <= out->spans[2 * i + 1]);
        CHECK((size_t)out->spans[2 * i + 1] <= characters);
        CHECK(out->string_offsets[i] <= out->string_offsets[i + 1]);
    }
}

/* Encodes a text, alone and beside itself, and checks the output. `cut` mod 4 is the truncation strategy. */
static inline void encode(const struct deberta_tokenizer *tokenizer, struct deberta_text text, uint8_t cut)
{
    struct deberta_rows rows = {&text, cut & 4 ? &text : NULL, NULL, NULL, 1};
    struct deberta_encode_options options = {.add_special_tokens = true};
    struct deberta_encodings all, ids, parts;
    options.wanted = DEBERTA_WANT_SPANS | DEBERTA_WANT_WORDS | DEBERTA_WANT_STRINGS | DEBERTA_WANT_SEQUENCES;
    enum deberta_status status = deberta_tokenizer_encode(tokenizer, &rows, &options, &all);
    if (status == DEBERTA_ARGUMENT) /* an unknown character without an unknown token */
        return;
    CHECK(status == DEBERTA_OK);
    CHECK(all.count == 1 && all.offsets[0] == 0 && all.cut == 0);
    check_row(&all, 0, count_characters(text), deberta_tokenizer_size(tokenizer));

    options.wanted = 0;
    CHECK(deberta_tokenizer_encode(tokenizer, &rows, &options, &ids) == DEBERTA_OK);
    CHECK(ids.count == 1 && ids.offsets[1] == all.offsets[1]);
    CHECK(memcmp(ids.ids, all.ids, (size_t)all.offsets[1] * sizeof *all.ids) == 0);

    options.truncation = (enum deberta_truncation)(cut & 3);
    options.max_length = 5 + (cut >> 5);
    options.cut_left = cut & 8;
    options.overflow = cut & 16;
    options.stride = cut & 16 ? cut >> 7 : 0;
    options.wanted = DEBERTA_WANT_SPANS | DEBERTA_WANT_WORDS | DEBERTA_WANT_STRINGS | DEBERTA_WANT_SEQUENCES;
    status = deberta_tokenizer_encode(tokenizer, &rows, &options, &parts);
    CHECK(status == DEBERTA_OK || status == DEBERTA_ARGUMENT);
    for (size_t row = 0; status == DEBERTA_OK && row < parts.count; row++) {
        check_row(&parts, row, count_characters(text), deberta_tokenizer_size(tokenizer));
        int64_t length = parts.offsets[row + 1] - parts.offsets[row];
        CHECK(options.truncation == DEBERTA_KEEP || (size_t)length <= options.max_length);
    }
    deberta_encodings_release(&all);
    deberta_encodings_release(&ids);
    if (status == DEBERTA_OK)
        deberta_encodings_release(&parts);
}

/* ---- a driver ---- */

#ifndef FUZZ_ENGINE

static uint32_t random_state = 7;

static inline uint32_t draw(uint32_t below)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % below;
}

/* Changes a few bytes, or removes or repeats a part. */
static inline size_t mutate(uint8_t *data, size_t size, size_t capacity)
{
    for (uint32_t changes = 1 + draw(4); changes > 0 && size > 1; changes--) {
        size_t at = draw((uint32_t)size), length = draw(12);
        length = length < size - at ? length : size - at;
        switch (draw(4)) {
        case 0:
            data[at] = (uint8_t)draw(256);
            break;
        case 1:
            data[at] ^= (uint8_t)(1u << draw(8));
            break;
        case 2:
            if (size - length < 2)
                break;
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        default:
            if (size + length > capacity)
                break;
            memmove(data + at + length, data + at, size - at);
            size += length;
        }
    }
    return size;
}

/* Copies the input to a block of its exact size, so that the sanitizer detects a read past the end. */
static inline void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    CHECK(exact);
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static inline size_t read_input(const char *path, uint8_t *data, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t size = fread(data, 1, capacity, file);
    fclose(file);
    return size;
}

static inline long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? strtol(value, NULL, 10) : otherwise;
}

#define FUZZ_SEEDS 16

int main(int count, char **paths)
{
    static uint8_t data[1 << 20];
    for (int i = 1; i < count; i++)
        run(data, read_input(paths[i], data, sizeof data));
    for (uint32_t number = 0; number < FUZZ_SEEDS; number++)
        run(data, fuzz_seed(number, data, sizeof data));
    long rounds = setting("DEBERTA_FUZZ_ROUNDS", 4000), seconds = setting("DEBERTA_FUZZ_SECONDS", 0), round = 0;
    for (time_t start = time(NULL); seconds ? time(NULL) - start < seconds : round < rounds; round++) {
        uint32_t from = draw(FUZZ_SEEDS + (uint32_t)count - 1);
        size_t size = from < FUZZ_SEEDS ? fuzz_seed(from, data, sizeof data)
                                        : read_input(paths[from - FUZZ_SEEDS + 1], data, sizeof data);
        run(data, mutate(data, size, sizeof data));
    }
    printf("%d files, %d inputs of our own, %ld mutations\n", count - 1, FUZZ_SEEDS, round);
    return 0;
}

#endif

#endif
