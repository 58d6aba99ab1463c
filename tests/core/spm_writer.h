/* SPDX-License-Identifier: Apache-2.0 */
/* Writes small spm.model files in memory, for tests. */
#ifndef SPM_WRITER_H
#define SPM_WRITER_H

#include <stdint.h>
#include <string.h>

#include "check.h"
#include "deberta.h"

struct file {
    unsigned char data[1 << 16];
    size_t size;
};

static inline void write_bytes(struct file *file, const void *bytes, size_t size)
{
    CHECK(file->size + size <= sizeof file->data);
    memcpy(file->data + file->size, bytes, size);
    file->size += size;
}

static inline void write_varint(struct file *file, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        write_bytes(file, &(unsigned char){(unsigned char)(value | 0x80)}, 1);
    write_bytes(file, &(unsigned char){(unsigned char)value}, 1);
}

static inline void write_number(struct file *file, uint64_t field, uint64_t value)
{
    write_varint(file, field << 3);
    write_varint(file, value);
}

static inline void write_string(struct file *file, uint64_t field, const void *bytes, size_t size)
{
    write_varint(file, field << 3 | 2);
    write_varint(file, size);
    write_bytes(file, bytes, size);
}

static inline void write_piece_bytes(struct file *file, const char *text, size_t size, float score,
                                     enum deberta_piece_type type)
{
    struct file piece = {.size = 0};
    write_string(&piece, 1, text, size);
    write_varint(&piece, 2 << 3 | 5);
    write_bytes(&piece, &score, sizeof score);
    write_number(&piece, 3, type);
    write_string(file, 1, piece.data, piece.size);
}

static inline void write_piece(struct file *file, const char *text, float score, enum deberta_piece_type type)
{
    write_piece_bytes(file, text, strlen(text), score, type);
}

/* [PAD] [CLS] [SEP] [UNK], ids 0 to 3. */
static inline void write_special(struct file *file)
{
    write_piece(file, "[PAD]", 0, DEBERTA_PIECE_CONTROL);
    write_piece(file, "[CLS]", 0, DEBERTA_PIECE_CONTROL);
    write_piece(file, "[SEP]", 0, DEBERTA_PIECE_CONTROL);
    write_piece(file, "[UNK]", 0, DEBERTA_PIECE_UNKNOWN);
}

/* The 256 byte pieces, and the flag that goes with them. */
static inline void write_byte_pieces(struct file *file)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        write_piece(file, text, 0, DEBERTA_PIECE_BYTE);
    }
    struct file trainer = {.size = 0};
    write_number(&trainer, 35, 1);
    write_string(file, 2, trainer.data, trainer.size);
}

struct rule {
    const char *key, *value;
};

/* A Darts-clone double array in which every node has a block of 256 units to itself. */
struct blob {
    uint32_t units[64 * 256];
    uint32_t blocks;
    char strings[256];
    size_t strings_size;
};

static inline void blob_child(struct blob *blob, uint32_t *node, unsigned char label)
{
    uint32_t base = *node ^ blob->units[*node] >> 10;
    uint32_t child = base ^ label;
    if ((blob->units[child] & 0xFF) != label) {
        CHECK(blob->blocks < 64);
        blob->units[child] = (child ^ blob->blocks++ * 256) << 10 | label;
    }
    *node = child;
}

static inline void write_charsmap(struct file *normalizer, const struct rule *rules, size_t count)
{
    static struct blob blob;
    memset(&blob, 0, sizeof blob);
    blob.units[0] = 256 << 10; /* the root's children lie in block 1 */
    blob.blocks = 2;
    for (size_t i = 0; i < count; i++) {
        uint32_t node = 0;
        for (const char *at = rules[i].key; *at; at++)
            blob_child(&blob, &node, (unsigned char)*at);
        blob.units[node ^ blob.units[node] >> 10] = 0x80000000u | (uint32_t)blob.strings_size;
        blob.units[node] |= 1 << 8;
        CHECK(blob.strings_size + strlen(rules[i].value) < sizeof blob.strings);
        memcpy(blob.strings + blob.strings_size, rules[i].value, strlen(rules[i].value) + 1);
        blob.strings_size += strlen(rules[i].value) + 1;
    }
    static struct file charsmap;
    charsmap.size = 0;
    uint32_t size = blob.blocks * 1024;
    write_bytes(&charsmap, &size, 4);
    write_bytes(&charsmap, blob.units, size);
    write_bytes(&charsmap, blob.strings, blob.strings_size);
    write_string(normalizer, 2, charsmap.data, charsmap.size);
}

static inline void write_normalizer(struct file *file, const struct rule *rules, size_t count)
{
    static struct file normalizer;
    normalizer.size = 0;
    write_charsmap(&normalizer, rules, count);
    write_string(file, 3, normalizer.data, normalizer.size);
}

#endif
