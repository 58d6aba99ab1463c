/* SPDX-License-Identifier: Apache-2.0 */
#include "text/models/bpe.h"

#include "base/watch.h"
#include "text/rows/output.h"
#include "text/unicode/unicode.h"

#define NO_PAIR UINT64_MAX
#define NO_RANK UINT32_MAX
#define MAX_PROBES 256u  /* slots to look at for a pair; a real vocabulary needs a few */
#define MAX_AFFIX 256u   /* bytes of a prefix or suffix */
#define SHORT 64u        /* limit of symbols for the quadratic search */
#define FAN 4u           /* children per entry of the queue */
#define WORD_BYTES 23u   /* bytes of a cached word, */
#define WORD_IDS 7u      /* and its ids */
#define FEW_WORDS 64u    /* slots of cached words at first, */
#define MANY_WORDS 4096u /* and at most: fits in a core's cache */

struct bpe_merge {
    uint64_t pair;
    uint32_t rank;
    int32_t id; /* of the joined token */
};

/* A part of a word. */
struct bpe_symbol {
    int32_t id;
    uint32_t rank;  /* of the pair with the next symbol, and */
    int32_t joined; /* its joined token */
    uint32_t end;   /* in bytes of the word */
};

/* Neighbours in a long word. */
struct bpe_link {
    uint32_t next, previous;
};

/* A cached word and its ids. */
struct bpe_word {
    struct word_key {
        char text[WORD_BYTES]; /* zeros after the word */
        uint8_t size;          /* 0: a free place */
    } key;
    uint8_t count, ends[WORD_IDS];
    int32_t ids[WORD_IDS];
};

/* ---- the characters of ByteLevel ---- */

/* A byte that is a visible character of Latin-1 maps to it; the other 68 map to U+0100 and the following ones. */
static uint32_t character_of(uint32_t byte)
{
    if (byte <= 0x20)
        return 0x100 + byte;
    if (byte >= 0x7F && byte <= 0xA0)
        return 0x121 + byte - 0x7F;
    return byte == 0xAD ? 0x143 : byte;
}

/* The byte of a character, or -1. */
static int byte_of(uint32_t character)
{
    if (character < 0x100)
        return character_of(character) == character ? (int)character : -1;
    if (character <= 0x120)
        return (int)(character - 0x100);
    if (character <= 0x142)
        return (int)(character - 0x121 + 0x7F);
    return character == 0x143 ? 0xAD : -1;
}

/* Writes the bytes of a byte-level token, at most its own size, and returns their number; 0 if it is not one. */
static size_t bytes_of(struct deberta_text token, char *bytes)
{
    size_t size = 0;
    for (size_t i = 0; i < token.size;) {
        struct character c = utf8_decode(token.bytes + i, token.size - i);
        int byte = c.valid ? byte_of(c.code) : -1;
        if (byte < 0)
            return 0;
        bytes[size++] = (char)byte;
        i += c.size;
    }
    return size;
}

/* ---- merges ---- */

static uint64_t pair_of(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

static size_t first_slot(const struct bpe *bpe, uint64_t pair)
{
    uint64_t hash = pair * 0x9E3779B97F4A7C15u;
    hash = (hash ^ hash >> 32) * 0xD6E8FEB86659FD93u;
    return (hash >> 32 ^ hash) & (bpe->merge_slots - 1);
}

static const struct bpe_merge *find_merge(const struct bpe *bpe, int32_t left, int32_t right)
{
    uint64_t pair = pair_of(left, right);
    size_t slot = first_slot(bpe, pair);
    for (size_t probe = 0; probe < MAX_PROBES && bpe->merges[slot].pair != NO_PAIR; probe++) {
        if (bpe->merges[slot].pair == pair)
            return &bpe->merges[slot];
        slot = (slot + 1) & (bpe->merge_slots - 1);
    }
    return NULL;
}

/* The later of two equal pairs counts. */
static enum deberta_status insert_merge(struct bpe *bpe, struct bpe_merge merge)
{
    size_t slot = first_slot(bpe, merge.pair);
    for (size_t probe = 0; probe < MAX_PROBES; probe++) {
        if (bpe->merges[slot].pair == NO_PAIR || bpe->merges[slot].pair == merge.pair) {
            bpe->merges[slot] = merge;
            return DEBERTA_OK;
        }
        slot = (slot + 1) & (bpe->merge_slots - 1);
    }
    return fail(DEBERTA_FORMAT, "BPE: merge %u: too many merges have the same hash", merge.rank);
}

static enum deberta_status out_of_vocabulary(size_t rank, struct deberta_text left, struct deberta_text right)
{
    return fail(DEBERTA_FORMAT, "BPE: token '%.*s%.*s' of merge %zu is out of vocabulary",
                (int)min_size(left.size, 100), left.bytes, (int)min_size(right.size, 100), right.bytes, rank);
}

static enum deberta_status read_merge(struct bpe *bpe, const struct deberta_vocabulary *vocabulary,
                                      const struct trie *written, size_t rank)
{
    struct deberta_text left = vocabulary->merges[2 * rank], right = vocabulary->merges[2 * rank + 1], none = {"", 0};
    int32_t first = trie_find(written, left.bytes, left.size), second = trie_find(written, right.bytes, right.size);
    if (first < 0)
        return out_of_vocabulary(rank, left, none);
    if (second < 0 || right.size < bpe->prefix_size)
        return out_of_vocabulary(rank, none, right);
    right.bytes += bpe->prefix_size;
    right.size -= bpe->prefix_size;
    uint32_t node = 0;
    bool found = trie_walk(written, &node, left.bytes, left.size) && trie_walk(written, &node, right.bytes, right.size);
    int32_t joined = found ? written->units[node].number : -1;
    if (joined < 0)
        return out_of_vocabulary(rank, left, right);
    const struct bpe_token *tokens = bpe->tokens;
    return insert_merge(
        bpe, (struct bpe_merge){pair_of(tokens[first].id, tokens[second].id), (uint32_t)rank, tokens[joined].id});
}

static enum deberta_status read_merges(struct bpe *bpe, const struct deberta_vocabulary *vocabulary,
                                       const struct trie *written)
{
    if (vocabulary->merge_count >= NO_RANK)
        return fail(DEBERTA_FORMAT, "BPE: %zu merges are too many", vocabulary->merge_count);
    bpe->merge_slots = 2;
    while (bpe->merge_slots < 2 * vocabulary->merge_count)
        bpe->merge_slots *= 2;
    void *block;
    TRY(memory_alloc(bpe->merge_slots, sizeof *bpe->merges, &block));
    bpe->merges = block;
    for (size_t slot = 0; slot < bpe->merge_slots; slot++)
        bpe->merges[slot].pair = NO_PAIR;
    for (size_t rank = 0; rank < vocabulary->merge_count; rank++)
        TRY(read_merge(bpe, vocabulary, written, rank));
    return DEBERTA_OK;
}

/* ---- setting up ---- */

static enum deberta_status copy_affix(const char *name, struct deberta_text from, char **to, size_t *size)
{
    if (from.size > MAX_AFFIX)
        return fail(DEBERTA_FORMAT, "BPE: %s of %zu bytes is too long", name, from.size);
    void *block;
    TRY(memory_alloc(from.size, 1, &block));
    if (from.size != 0)
        memcpy(block, from.bytes, from.size);
    *to = block;
    *size = from.size;
    return DEBERTA_OK;
}

static enum deberta_status copy_tokens(struct bpe *bpe, const struct deberta_vocabulary *vocabulary)
{
    void *block;
    TRY(memory_calloc(vocabulary->count, sizeof *bpe->tokens, &block));
    bpe->tokens = block;
    for (size_t i = 0; i < vocabulary->count; i++)
        bpe->tokens[i].id = vocabulary->ids[i];
    return DEBERTA_OK;
}

static enum deberta_status build_written(const struct deberta_vocabulary *vocabulary, struct trie *written)
{
    void *block;
    TRY(memory_alloc(vocabulary->count, sizeof(struct trie_key), &block));
    struct trie_key *keys = block;
    for (size_t i = 0; i < vocabulary->count; i++)
        keys[i] = (struct trie_key){vocabulary->tokens[i].bytes, vocabulary->tokens[i].size, (int32_t)i, 0};
    enum deberta_status status = trie_init(written, keys, vocabulary->count);
    memory_free(keys);
    return status;
}

/* Byte level: the word that this token is. False if there is none. */
static bool word_of(const struct bpe *bpe, struct deberta_text token, char *bytes, size_t *size)
{
    size_t suffix = bpe->ignore_merges ? 0 : bpe->suffix_size;
    if (token.size < suffix || memcmp(token.bytes + (token.size - suffix), bpe->suffix, suffix) != 0)
        return false;
    *size = bytes_of((struct deberta_text){token.bytes, token.size - suffix}, bytes);
    return *size != 0;
}

static enum deberta_status build_words(struct bpe *bpe, const struct deberta_vocabulary *vocabulary)
{
    size_t total = 0, used = 0, count = 0;
    for (size_t i = 0; i < vocabulary->count; i++)
        total += vocabulary->tokens[i].size;
    void *keys_block, *bytes_block;
    TRY(memory_alloc(vocabulary->count, sizeof(struct trie_key), &keys_block));
    enum deberta_status status = memory_alloc(total, 1, &bytes_block);
    if (status == DEBERTA_OK) {
        struct trie_key *keys = keys_block;
        char *bytes = bytes_block;
        for (size_t i = 0, size; i < vocabulary->count; i++)
            if (word_of(bpe, vocabulary->tokens[i], bytes + used, &size)) {
                keys[count++] = (struct trie_key){bytes + used, size, (int32_t)i, 0};
                used += size;
            }
        status = trie_init(&bpe->trie, keys, count);
    }
    memory_free(keys_block);
    memory_free(bytes_block);
    return status;
}

/* The id of a character in a word, or -1. */
static int32_t find_character(const struct bpe *bpe, const struct trie *written, const char *character, size_t size,
                              bool first, bool last)
{
    uint32_t node = 0;
    bool found = trie_walk(written, &node, bpe->prefix, first ? 0 : bpe->prefix_size) &&
                 trie_walk(written, &node, character, size) &&
                 trie_walk(written, &node, bpe->suffix, last ? bpe->suffix_size : 0);
    int32_t place = found ? written->units[node].number : -1;
    return place < 0 ? -1 : bpe->tokens[place].id;
}

static void find_bytes(struct bpe *bpe, const struct trie *written)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        char character[4];
        size_t size = utf8_encode(character_of(byte), character);
        for (size_t place = 0; place < 4; place++)
            bpe->bytes[place / 2][place % 2][byte] =
                find_character(bpe, written, character, size, place / 2 == 0, place % 2 == 1);
    }
}

static enum deberta_status read_tables(struct bpe *bpe, const struct deberta_vocabulary *vocabulary,
                                       const struct trie *written)
{
    TRY(read_merges(bpe, vocabulary, written));
    trie_find_bytes(written, bpe->fallback);
    for (size_t byte = 0; byte < 256; byte++)
        if (bpe->fallback[byte] >= 0)
            bpe->fallback[byte] = bpe->tokens[bpe->fallback[byte]].id;
    if (!bpe->byte_level)
        return DEBERTA_OK;
    find_bytes(bpe, written);
    return build_words(bpe, vocabulary);
}

static enum deberta_status init(struct bpe *bpe, const struct deberta_vocabulary *vocabulary)
{
    TRY(copy_affix("continuing_subword_prefix", vocabulary->continuing_prefix, &bpe->prefix, &bpe->prefix_size));
    TRY(copy_affix("end_of_word_suffix", vocabulary->word_suffix, &bpe->suffix, &bpe->suffix_size));
    TRY(copy_tokens(bpe, vocabulary));
    struct trie written;
    TRY(build_written(vocabulary, &written));
    enum deberta_status status = read_tables(bpe, vocabulary, &written);
    if (bpe->byte_level)
        trie_release(&written);
    else
        bpe->trie = written;
    return status;
}

enum deberta_status bpe_init(struct bpe *bpe, const struct deberta_vocabulary *vocabulary, bool byte_level)
{
    *bpe = (struct bpe){
        .byte_level = byte_level,
        .byte_fallback = vocabulary->byte_fallback,
        .fuse_unknown = vocabulary->fuse_unknown,
        .ignore_merges = vocabulary->ignore_merges,
        .unknown = vocabulary->unknown,
    };
    enum deberta_status status = init(bpe, vocabulary);
    if (status != DEBERTA_OK)
        bpe_release(bpe);
    return status;
}

void bpe_release(struct bpe *bpe)
{
    trie_release(&bpe->trie);
    memory_free(bpe->tokens);
    memory_free(bpe->merges);
    memory_free(bpe->prefix);
    memory_free(bpe->suffix);
    *bpe = (struct bpe){0};
}

void bpe_scratch_release(struct bpe_scratch *scratch)
{
    memory_free(scratch->symbols);
    memory_free(scratch->links);
    memory_free(scratch->queue);
    memory_free(scratch->words);
    *scratch = (struct bpe_scratch){0};
}

/* ---- a word as symbols ---- */

struct symbols {
    struct bpe_symbol *data;
    size_t size;
    uint32_t end;     /* of the last one */
    uint32_t unknown; /* bytes of an unknown token that is still to be added */
};

static inline void add(struct symbols *symbols, int32_t id, uint32_t bytes)
{
    symbols->end += bytes;
    symbols->data[symbols->size++] = (struct bpe_symbol){id, NO_RANK, -1, symbols->end};
}

static inline void add_unknown(const struct bpe *bpe, struct symbols *symbols)
{
    if (symbols->unknown != 0)
        add(symbols, bpe->unknown, symbols->unknown);
    symbols->unknown = 0;
}

/* Adds a character with its prefix and suffix as <0xHH> tokens, if all bytes have one. As in tokenizers, they come
 * before an unknown token that is still to be added. */
static bool fall_back(const struct bpe *bpe, struct symbols *symbols, const char *character, size_t size, bool first,
                      bool last)
{
    const struct deberta_text parts[] = {
        {bpe->prefix, first ? 0 : bpe->prefix_size}, {character, size}, {bpe->suffix, last ? bpe->suffix_size : 0}};
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i < parts[part].size; i++)
            if (bpe->fallback[(unsigned char)parts[part].bytes[i]] < 0)
                return false;
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i < parts[part].size; i++)
            add(symbols, bpe->fallback[(unsigned char)parts[part].bytes[i]], 1);
    return true;
}

/* Adds a character that is not a token, of `bytes` bytes in the word. */
static void add_missing(const struct bpe *bpe, struct symbols *symbols, const char *character, size_t size, bool first,
                        bool last, uint32_t bytes)
{
    if (bpe->byte_fallback && fall_back(bpe, symbols, character, size, first, last))
        return;
    if (bpe->unknown < 0)
        return;
    if (!bpe->fuse_unknown)
        add_unknown(bpe, symbols);
    symbols->unknown += bytes;
}

static enum deberta_status read_bytes(const struct bpe *bpe, const char *word, size_t size, struct symbols *symbols)
{
    size_t asked = 0;
    for (size_t i = 0; i < size; i++) {
        TRY(watch_pass(i, &asked));
        bool first = i == 0, last = i + 1 == size;
        unsigned char byte = (unsigned char)word[i];
        int32_t id = bpe->bytes[!first][last][byte];
        if (id >= 0) {
            add_unknown(bpe, symbols);
            add(symbols, id, 1);
        } else {
            char character[4];
            size_t length = utf8_encode(character_of(byte), character);
            add_missing(bpe, symbols, character, length, first, last, 1);
        }
    }
    return DEBERTA_OK;
}

static enum deberta_status read_characters(const struct bpe *bpe, const char *word, size_t size,
                                           struct symbols *symbols)
{
    size_t asked = 0;
    for (size_t i = 0, length; i < size; i += length) {
        TRY(watch_pass(i, &asked));
        length = min_size(utf8_size(word[i]), size - i);
        bool first = i == 0, last = i + length == size;
        int32_t id = find_character(bpe, &bpe->trie, word + i, length, first, last);
        if (id >= 0) {
            add_unknown(bpe, symbols);
            add(symbols, id, (uint32_t)length);
        } else {
            add_missing(bpe, symbols, word + i, length, first, last, (uint32_t)length);
        }
    }
    return DEBERTA_OK;
}

static enum deberta_status read_symbols(const struct bpe *bpe, const char *word, size_t size, struct symbols *symbols)
{
    TRY(bpe->byte_level ? read_bytes(bpe, word, size, symbols) : read_characters(bpe, word, size, symbols));
    add_unknown(bpe, symbols);
    return DEBERTA_OK;
}

/* ---- joining ---- */

static inline void rank_pair(const struct bpe *bpe, struct bpe_symbol *left, const struct bpe_symbol *right)
{
    const struct bpe_merge *merge = find_merge(bpe, left->id, right->id);
    left->rank = merge ? merge->rank : NO_RANK;
    left->joined = merge ? merge->id : -1;
}

static inline void join(struct bpe_symbol *left, const struct bpe_symbol *right)
{
    left->id = left->joined;
    left->rank = NO_RANK;
    left->end = right->end;
}

/* Quadratic, but fast for short words. */
static void join_short(const struct bpe *bpe, struct symbols *symbols)
{
    struct bpe_symbol *data = symbols->data;
    for (size_t i = 0; i + 1 < symbols->size; i++)
        rank_pair(bpe, &data[i], &data[i + 1]);
    for (;;) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < symbols->size; i++)
            best = data[i].rank < data[best].rank ? i : best;
        if (symbols->size < 2 || data[best].rank == NO_RANK)
            return;
        join(&data[best], &data[best + 1]);
        symbols->size--;
        memmove(data + best + 1, data + best + 2, (symbols->size - best - 1) * sizeof *data);
        if (best + 1 < symbols->size)
            rank_pair(bpe, &data[best], &data[best + 1]);
        if (best > 0)
            rank_pair(bpe, &data[best - 1], &data[best]);
    }
}

/* A heap of ranks << 32 | symbols. An entry is stale if the symbol has another rank now. */
struct queue {
    uint64_t *data;
    size_t size;
};

static void queue_push(struct queue *queue, uint64_t entry)
{
    size_t at = queue->size++;
    while (at > 0 && queue->data[(at - 1) / FAN] > entry) {
        queue->data[at] = queue->data[(at - 1) / FAN];
        at = (at - 1) / FAN;
    }
    queue->data[at] = entry;
}

static uint64_t queue_pop(struct queue *queue)
{
    uint64_t *data = queue->data, top = data[0], entry = data[--queue->size];
    size_t at = 0;
    for (;;) {
        size_t first = FAN * at + 1, end = min_size(first + FAN, queue->size), least = first;
        if (first >= queue->size)
            break;
        for (size_t child = first + 1; child < end; child++)
            least = data[child] < data[least] ? child : least;
        if (data[least] >= entry)
            break;
        data[at] = data[least];
        at = least;
    }
    data[at] = entry;
    return top;
}

/* A word of many symbols. */
struct joining {
    const struct bpe *bpe;
    struct bpe_symbol *symbols;
    struct bpe_link *links;
    uint32_t count;
    struct queue queue;
};

static void enqueue_pair(struct joining *j, uint32_t left)
{
    uint32_t right = j->links[left].next;
    if (right == j->count)
        return;
    rank_pair(j->bpe, &j->symbols[left], &j->symbols[right]);
    if (j->symbols[left].rank != NO_RANK)
        queue_push(&j->queue, (uint64_t)j->symbols[left].rank << 32 | left);
}

static void join_pair(struct joining *j, uint32_t left)
{
    uint32_t right = j->links[left].next, next = j->links[right].next;
    join(&j->symbols[left], &j->symbols[right]);
    j->symbols[right].rank = NO_RANK;
    j->links[left].next = next;
    if (next != j->count)
        j->links[next].previous = left;
    enqueue_pair(j, left);
    if (left != 0)
        enqueue_pair(j, j->links[left].previous);
}

/* Each join takes one entry from the queue and adds at most two. */
static enum deberta_status reserve_joining(struct bpe_scratch *scratch, size_t count)
{
    void *links = scratch->links, *queue = scratch->queue;
    TRY(array_reserve(&links, 0, &scratch->link_capacity, count, sizeof *scratch->links));
    scratch->links = links;
    TRY(array_reserve(&queue, 0, &scratch->queue_capacity, 2 * count, sizeof *scratch->queue));
    scratch->queue = queue;
    return DEBERTA_OK;
}

static enum deberta_status join_long(const struct bpe *bpe, struct bpe_scratch *scratch, struct symbols *symbols)
{
    TRY(reserve_joining(scratch, symbols->size));
    uint32_t count = (uint32_t)symbols->size;
    struct joining j = {bpe, symbols->data, scratch->links, count, {scratch->queue, 0}};
    size_t steps = 0, asked = 0;
    for (uint32_t i = 0; i < count; i++) {
        TRY(watch_pass(++steps, &asked));
        j.links[i] = (struct bpe_link){i + 1, i - 1};
    }
    for (uint32_t i = 0; i < count; i++) {
        TRY(watch_pass(++steps, &asked));
        enqueue_pair(&j, i);
    }
    while (j.queue.size != 0) {
        TRY(watch_pass(++steps, &asked));
        uint64_t entry = queue_pop(&j.queue);
        if (j.symbols[(uint32_t)entry].rank == entry >> 32)
            join_pair(&j, (uint32_t)entry);
    }
    symbols->size = 0;
    for (uint32_t i = 0; i < count; i = j.links[i].next)
        symbols->data[symbols->size++] = symbols->data[i];
    return DEBERTA_OK;
}

/* ---- the cache of words ---- */

static enum deberta_status reserve_words(struct bpe_scratch *scratch)
{
    if (scratch->words_met < 2 * scratch->word_slots || scratch->word_slots == MANY_WORDS)
        return DEBERTA_OK;
    size_t slots = max_size(FEW_WORDS, 4 * scratch->word_slots);
    void *words;
    TRY(memory_calloc(slots, sizeof *scratch->words, &words));
    memory_free(scratch->words);
    scratch->words = words;
    scratch->word_slots = slots;
    scratch->words_met = 0;
    return DEBERTA_OK;
}

static struct word_key key_of(const char *word, size_t size)
{
    struct word_key key = {.size = (uint8_t)size};
    memcpy(key.text, word, size);
    return key;
}

/* The only slot of the word. */
static struct bpe_word *place_of(const struct bpe_scratch *scratch, const struct word_key *key)
{
    uint64_t part[3];
    _Static_assert(sizeof part == sizeof *key, "a key has no gaps");
    memcpy(part, key, sizeof part);
    uint64_t hash = (part[0] * 0x9E3779B97F4A7C15u ^ part[1]) * 0xD6E8FEB86659FD93u;
    hash = ((hash ^ hash >> 32) + part[2]) * 0x9E3779B97F4A7C15u;
    return &scratch->words[(hash >> 40) & (scratch->word_slots - 1)];
}

static enum deberta_status append_word(const struct bpe_word *word, struct output out)
{
    for (size_t i = 0, start = 0; i < word->count; start = word->ends[i++])
        TRY(output_append(out, word->ids[i], start, word->ends[i]));
    return DEBERTA_OK;
}

static void remember(struct bpe_scratch *scratch, struct bpe_word *place, const struct word_key *key,
                     const struct symbols *symbols)
{
    if (symbols->size > WORD_IDS)
        return;
    *place = (struct bpe_word){.key = *key, .count = (uint8_t)symbols->size};
    for (size_t i = 0; i < symbols->size; i++) {
        place->ids[i] = symbols->data[i].id;
        place->ends[i] = (uint8_t)min_size(symbols->data[i].end, key->size);
    }
    scratch->words_met++;
}

/* ---- encoding ---- */

/* The most symbols that the bytes of a word can become. */
static size_t most_symbols(const struct bpe *bpe, size_t size)
{
    return bpe->byte_fallback ? size * (2 + bpe->prefix_size) + bpe->suffix_size : size;
}

static enum deberta_status append_symbols(const struct symbols *symbols, size_t size, struct output out)
{
    size_t asked = 0;
    for (size_t i = 0, start = 0, end; i < symbols->size; i++, start = end) {
        TRY(watch_pass(i, &asked));
        end = min_size(symbols->data[i].end, size); /* bytes of a prefix or suffix are not in the word */
        TRY(output_append(out, symbols->data[i].id, start, end));
    }
    return DEBERTA_OK;
}

/* `room` holds SHORT symbols. */
static enum deberta_status find_symbols(const struct bpe *bpe, struct bpe_scratch *scratch, const char *word,
                                        size_t size, struct bpe_symbol *room, struct symbols *symbols)
{
    size_t most = most_symbols(bpe, size);
    *symbols = (struct symbols){.data = room};
    if (most > SHORT) {
        if (size > UINT32_MAX || most > UINT32_MAX)
            return fail(DEBERTA_ARGUMENT, "a word of %zu bytes is too long", size);
        void *block = scratch->symbols;
        TRY(array_reserve(&block, 0, &scratch->symbol_capacity, most, sizeof *scratch->symbols));
        symbols->data = scratch->symbols = block;
    }
    TRY(read_symbols(bpe, word, size, symbols));
    if (symbols->size > SHORT)
        return join_long(bpe, scratch, symbols);
    join_short(bpe, symbols);
    return DEBERTA_OK;
}

/* Encodes a word that is not known to encode to itself. */
static enum deberta_status encode_parts(const struct bpe *bpe, struct bpe_scratch *scratch, const char *word,
                                        size_t size, struct output out)
{
    struct bpe_symbol room[SHORT];
    struct symbols symbols;
    if (size > WORD_BYTES) {
        TRY(find_symbols(bpe, scratch, word, size, room, &symbols));
        return append_symbols(&symbols, size, out);
    }
    TRY(reserve_words(scratch));
    struct word_key key = key_of(word, size);
    struct bpe_word *place = place_of(scratch, &key);
    if (memcmp(&place->key, &key, sizeof key) == 0)
        return append_word(place, out);
    TRY(find_symbols(bpe, scratch, word, size, room, &symbols));
    remember(scratch, place, &key, &symbols);
    return append_symbols(&symbols, size, out);
}

/* The token with the text of the word, or NULL. */
static struct bpe_token *find_token(const struct bpe *bpe, const char *word, size_t size)
{
    uint32_t node = 0;
    bool suffixed = !bpe->byte_level && !bpe->ignore_merges;
    if (!trie_walk(&bpe->trie, &node, word, size) ||
        !trie_walk(&bpe->trie, &node, bpe->suffix, suffixed ? bpe->suffix_size : 0))
        return NULL;
    int32_t place = bpe->trie.units[node].number;
    return place < 0 ? NULL : &bpe->tokens[place];
}

enum deberta_status bpe_encode(const struct bpe *bpe, struct bpe_scratch *scratch, const char *word, size_t size,
                               struct ids *ids, struct spans *ranges)
{
    struct output out = {ids, ranges};
    if (size == 0)
        return DEBERTA_OK;
    struct bpe_token *token = find_token(bpe, word, size);
    if (token && (bpe->ignore_merges || token->encodes_to_itself))
        return output_append(out, token->id, 0, size);
    size_t first = ids->size;
    TRY(encode_parts(bpe, scratch, word, size, out));
    if (token && ids->size == first + 1 && ids->data[first] == token->id)
        token->encodes_to_itself = true;
    return DEBERTA_OK;
}
