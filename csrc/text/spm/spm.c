/* SPDX-License-Identifier: Apache-2.0 */
#include "deberta/tokenizer.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "text/unicode/unicode.h"

/* ---- protobuf's wire format ---- */

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct reader {
    const unsigned char *at, *end;
    const unsigned char *file; /* the start, from which errors count */
};

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;      /* of a varint or a fixed number */
    struct reader bytes; /* of a string or a message */
};

static enum deberta_status truncated(const struct reader *reader)
{
    return fail(DEBERTA_FORMAT, "spm.model is cut short or damaged at byte %zu", (size_t)(reader->at - reader->file));
}

static enum deberta_status read_varint(struct reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (reader->at == reader->end)
            return truncated(reader);
        uint64_t byte = *reader->at++;
        *value |= (byte & 0x7F) << shift;
        if (byte < 0x80)
            return DEBERTA_OK;
    }
    return truncated(reader);
}

static enum deberta_status read_fixed(struct reader *reader, size_t size, uint64_t *value)
{
    if ((size_t)(reader->end - reader->at) < size)
        return truncated(reader);
    *value = 0;
    for (size_t i = 0; i < size; i++)
        *value |= (uint64_t)reader->at[i] << 8 * i;
    reader->at += size;
    return DEBERTA_OK;
}

static enum deberta_status read_field(struct reader *reader, struct field *field)
{
    uint64_t tag;
    TRY(read_varint(reader, &tag));
    field->number = tag >> 3;
    field->wire = (enum wire)(tag & 7);
    if (field->number == 0)
        return truncated(reader);
    switch (field->wire) {
    case WIRE_VARINT:
        return read_varint(reader, &field->value);
    case WIRE_FIXED64:
        return read_fixed(reader, 8, &field->value);
    case WIRE_FIXED32:
        return read_fixed(reader, 4, &field->value);
    case WIRE_BYTES:
        TRY(read_varint(reader, &field->value));
        if (field->value > (uint64_t)(reader->end - reader->at))
            return truncated(reader);
        field->bytes = (struct reader){reader->at, reader->at + field->value, reader->file};
        reader->at += field->value;
        return DEBERTA_OK;
    default: /* groups went out of use before sentencepiece was written */
        return truncated(reader);
    }
}

static bool is(const struct field *field, uint64_t number, enum wire wire)
{
    return field->number == number && field->wire == wire;
}

/* ---- the messages ---- */

enum { MODEL_PIECES = 1, MODEL_TRAINER = 2, MODEL_NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL_TYPE = 3, TRAINER_WHITESPACE_AS_SUFFIX = 24, TRAINER_BYTE_FALLBACK = 35 };
enum {
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_EXTRA_WHITESPACES = 4,
    NORMALIZER_ESCAPE_WHITESPACES = 5,
};

static enum deberta_status read_piece(struct reader reader, size_t id, struct deberta_spm *spm)
{
    struct deberta_text text = {"", 0};
    float score = 0;
    enum deberta_piece_type type = DEBERTA_PIECE_NORMAL;
    while (reader.at != reader.end) {
        struct field field;
        TRY(read_field(&reader, &field));
        if (is(&field, PIECE_TEXT, WIRE_BYTES)) {
            text = (struct deberta_text){(const char *)field.bytes.at, (size_t)field.value};
        } else if (is(&field, PIECE_SCORE, WIRE_FIXED32)) {
            uint32_t bits = (uint32_t)field.value;
            memcpy(&score, &bits, sizeof bits);
        } else if (is(&field, PIECE_TYPE, WIRE_VARINT) && field.value >= DEBERTA_PIECE_NORMAL &&
                   field.value <= DEBERTA_PIECE_BYTE) {
            type = (enum deberta_piece_type)field.value;
        }
    }
    if (text.size == 0)
        return fail(DEBERTA_FORMAT, "spm.model: piece %zu is empty", id);
    if (!utf8_valid(text.bytes, text.size))
        return fail(DEBERTA_FORMAT, "spm.model: piece %zu is not valid UTF-8", id);
    if (!isfinite(score))
        return fail(DEBERTA_FORMAT, "spm.model: the score of piece %zu is %g", id, (double)score);
    spm->tokens[id] = text;
    spm->ids[id] = (int32_t)id;
    spm->scores[id] = (double)score;
    spm->types[id] = type;
    return DEBERTA_OK;
}

static enum deberta_status read_trainer(struct reader reader, struct deberta_spm *spm)
{
    while (reader.at != reader.end) {
        struct field field;
        TRY(read_field(&reader, &field));
        if (is(&field, TRAINER_MODEL_TYPE, WIRE_VARINT) && field.value >= 2 && field.value <= 4) {
            static const char *const names[] = {"BPE", "WORD", "CHAR"};
            return fail(DEBERTA_FORMAT, "spm.model: the model type is %s, but only UNIGRAM is supported",
                        names[field.value - 2]);
        }
        if (is(&field, TRAINER_WHITESPACE_AS_SUFFIX, WIRE_VARINT))
            spm->treat_whitespace_as_suffix = field.value != 0;
        else if (is(&field, TRAINER_BYTE_FALLBACK, WIRE_VARINT))
            spm->byte_fallback = field.value != 0;
    }
    return DEBERTA_OK;
}

static enum deberta_status read_normalizer(struct reader reader, struct deberta_spm *spm)
{
    while (reader.at != reader.end) {
        struct field field;
        TRY(read_field(&reader, &field));
        if (is(&field, NORMALIZER_CHARSMAP, WIRE_BYTES)) {
            spm->charsmap = (struct deberta_text){(const char *)field.bytes.at, (size_t)field.value};
        } else if (is(&field, NORMALIZER_DUMMY_PREFIX, WIRE_VARINT)) {
            spm->add_dummy_prefix = field.value != 0;
        } else if (is(&field, NORMALIZER_EXTRA_WHITESPACES, WIRE_VARINT)) {
            spm->remove_extra_whitespaces = field.value != 0;
        } else if (is(&field, NORMALIZER_ESCAPE_WHITESPACES, WIRE_VARINT)) {
            spm->escape_whitespaces = field.value != 0;
        }
    }
    return DEBERTA_OK;
}

/* Reads what is not a piece, and counts the pieces. */
static enum deberta_status read_specs(struct reader reader, struct deberta_spm *spm)
{
    while (reader.at != reader.end) {
        struct field field;
        TRY(read_field(&reader, &field));
        if (is(&field, MODEL_PIECES, WIRE_BYTES))
            spm->count++;
        else if (is(&field, MODEL_TRAINER, WIRE_BYTES))
            TRY(read_trainer(field.bytes, spm));
        else if (is(&field, MODEL_NORMALIZER, WIRE_BYTES))
            TRY(read_normalizer(field.bytes, spm));
    }
    return DEBERTA_OK;
}

static enum deberta_status read_pieces(struct reader reader, struct deberta_spm *spm)
{
    for (size_t id = 0; id < spm->count;) {
        struct field field;
        TRY(read_field(&reader, &field));
        if (is(&field, MODEL_PIECES, WIRE_BYTES)) {
            TRY(read_piece(field.bytes, id, spm));
            id++;
        }
    }
    return DEBERTA_OK;
}

/* ---- what the pieces must be together ---- */

/* The byte that a piece such as <0x4F> stands for, or -1. */
static int byte_of(struct deberta_text piece)
{
    static const char digits[] = "0123456789ABCDEF";
    if (piece.size != 6 || memcmp(piece.bytes, "<0x", 3) != 0 || piece.bytes[5] != '>')
        return -1;
    const char *high = memchr(digits, piece.bytes[3], 16);
    const char *low = memchr(digits, piece.bytes[4], 16);
    return high && low ? (int)((high - digits) * 16 + (low - digits)) : -1;
}

static enum deberta_status find_unknown(struct deberta_spm *spm)
{
    spm->unknown = -1;
    for (size_t id = 0; id < spm->count; id++) {
        if (spm->types[id] != DEBERTA_PIECE_UNKNOWN)
            continue;
        if (spm->unknown >= 0)
            return fail(DEBERTA_FORMAT, "spm.model: pieces %d and %zu are both of type UNKNOWN", spm->unknown, id);
        spm->unknown = (int32_t)id;
    }
    if (spm->unknown < 0)
        return fail(DEBERTA_FORMAT, "spm.model: none of the %zu pieces is of type UNKNOWN", spm->count);
    return DEBERTA_OK;
}

static enum deberta_status find_bytes(struct deberta_spm *spm)
{
    for (int byte = 0; byte < 256; byte++)
        spm->bytes[byte] = -1;
    for (size_t id = 0; id < spm->count; id++) {
        struct deberta_text piece = spm->tokens[id];
        if (spm->types[id] != DEBERTA_PIECE_BYTE)
            continue;
        if (!spm->byte_fallback)
            return fail(DEBERTA_FORMAT, "spm.model: piece %zu is of type BYTE, but byte_fallback is off", id);
        int byte = byte_of(piece);
        if (byte < 0)
            return fail(DEBERTA_FORMAT, "spm.model: piece %zu is of type BYTE, but its text is '%.*s'", id,
                        (int)min_size(piece.size, 100), piece.bytes);
        spm->bytes[byte] = (int32_t)id;
    }
    for (int byte = 0; spm->byte_fallback && byte < 256; byte++)
        if (spm->bytes[byte] < 0)
            return fail(DEBERTA_FORMAT, "spm.model: byte_fallback is on, but piece <0x%02X> is missing", byte);
    return DEBERTA_OK;
}

static enum deberta_status make_room(struct deberta_spm *spm)
{
    void *block;
    TRY(memory_alloc(spm->count, sizeof *spm->tokens, &block));
    spm->tokens = block;
    TRY(memory_alloc(spm->count, sizeof *spm->ids, &block));
    spm->ids = block;
    TRY(memory_alloc(spm->count, sizeof *spm->scores, &block));
    spm->scores = block;
    TRY(memory_alloc(spm->count, sizeof *spm->types, &block));
    spm->types = block;
    return DEBERTA_OK;
}

static enum deberta_status read_model(struct deberta_spm *spm, struct reader reader)
{
    TRY(read_specs(reader, spm));
    if (spm->count > INT32_MAX / 2)
        return fail(DEBERTA_FORMAT, "spm.model: %zu pieces are too many", spm->count);
    TRY(make_room(spm));
    TRY(read_pieces(reader, spm));
    TRY(find_unknown(spm));
    return find_bytes(spm);
}

enum deberta_status deberta_spm_read(struct deberta_spm *spm, const void *file, size_t size)
{
    *spm = (struct deberta_spm){
        .add_dummy_prefix = true,
        .remove_extra_whitespaces = true,
        .escape_whitespaces = true,
    };
    const unsigned char *start = file;
    enum deberta_status status = read_model(spm, (struct reader){start, start + size, start});
    if (status != DEBERTA_OK)
        deberta_spm_release(spm);
    return status;
}

void deberta_spm_release(struct deberta_spm *spm)
{
    memory_free(spm->tokens);
    memory_free(spm->ids);
    memory_free(spm->scores);
    memory_free(spm->types);
    *spm = (struct deberta_spm){0};
}
