/* SPDX-License-Identifier: Apache-2.0 */
/* The description of a tokenizer as dicts, lists and tuples. */
#include "python/binding.h"

#include <string.h>

/* ---- values of a dict ---- */

static int wrong_value(const char *key, const char *wanted, PyObject *value)
{
    PyErr_Format(PyExc_TypeError, "'%s' must be %s, not %.200R", key, wanted, value);
    return -1;
}

/* The value of a key, NULL without an exception when it is missing. Owned by `p`, so that it outlives the dict. */
static int get(struct binding_stages *p, PyObject *dict, const char *key, PyObject **value)
{
    *value = NULL;
    PyObject *name = PyUnicode_FromString(key);
    if (!name)
        return -1;
    *value = PyDict_GetItemWithError(dict, name);
    Py_DECREF(name);
    if (!*value)
        return PyErr_Occurred() ? -1 : 0;
    return PyList_Append(p->owners, *value);
}

static int view_str(PyObject *value, const char *key, struct deberta_text *text)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(value))
        return wrong_value(key, "a str", value);
    text->bytes = PyUnicode_AsUTF8AndSize(value, &size);
    text->size = (size_t)size;
    return text->bytes ? 0 : -1;
}

static int get_str(struct binding_stages *p, PyObject *dict, const char *key, struct deberta_text *text)
{
    PyObject *value;
    if (get(p, dict, key, &value) < 0)
        return -1;
    return value ? view_str(value, key, text) : 0;
}

static int get_bytes(struct binding_stages *p, PyObject *dict, const char *key, struct deberta_text *text)
{
    PyObject *value;
    if (get(p, dict, key, &value) < 0)
        return -1;
    if (value && !PyBytes_Check(value))
        return wrong_value(key, "bytes", value);
    if (value)
        *text = (struct deberta_text){PyBytes_AS_STRING(value), (size_t)PyBytes_GET_SIZE(value)};
    return 0;
}

static int get_bool(struct binding_stages *p, PyObject *dict, const char *key, bool *flag)
{
    PyObject *value;
    if (get(p, dict, key, &value) < 0)
        return -1;
    if (value && !PyBool_Check(value))
        return wrong_value(key, "a bool", value);
    *flag = value == Py_True;
    return 0;
}

static int get_size(struct binding_stages *p, PyObject *dict, const char *key, size_t *size)
{
    PyObject *value;
    if (get(p, dict, key, &value) < 0)
        return -1;
    *size = value ? PyLong_AsSize_t(value) : 0;
    return PyErr_Occurred() ? wrong_value(key, "an int of at least 0", value) : 0;
}

static int read_id(PyObject *value, const char *key, int32_t least, int32_t *id)
{
    int overflow;
    long number = PyLong_Check(value) ? PyLong_AsLongAndOverflow(value, &overflow) : (overflow = 1);
    if (overflow || number < least || number > INT32_MAX)
        return wrong_value(key, "an id", value);
    *id = (int32_t)number;
    return 0;
}

/* ---- names ---- */

struct name {
    const char *name;
    unsigned value;
};

static const struct name stage_flags[] = {
    {"strip_left", DEBERTA_STRIP_LEFT},
    {"strip_right", DEBERTA_STRIP_RIGHT},
    {"clean_text", DEBERTA_CLEAN_TEXT},
    {"chinese_chars", DEBERTA_CHINESE_CHARS},
    {"strip_accents", DEBERTA_STRIP_ACCENTS},
    {"lowercase", DEBERTA_LOWERCASE},
    {"regex", DEBERTA_REGEX},
    {"invert", DEBERTA_INVERT},
    {"prepend_always", DEBERTA_PREPEND_ALWAYS},
    {"prepend_first", DEBERTA_PREPEND_FIRST},
    {"split", DEBERTA_SPLIT},
    {"prefix_space", DEBERTA_PREFIX_SPACE},
    {"use_regex", DEBERTA_USE_REGEX},
    {NULL, 0},
};

static const struct name behaviors[] = {
    {"Isolated", DEBERTA_ISOLATED},
    {"Removed", DEBERTA_REMOVED},
    {"MergedWithPrevious", DEBERTA_MERGED_WITH_PREVIOUS},
    {"MergedWithNext", DEBERTA_MERGED_WITH_NEXT},
    {"Contiguous", DEBERTA_CONTIGUOUS},
    {NULL, 0},
};

static const struct name model_types[] = {
    {"Unigram", DEBERTA_UNIGRAM}, {"WordPiece", DEBERTA_WORDPIECE}, {"BPE", DEBERTA_BPE}, {NULL, 0}};

enum { SINGLE_WORD = 1, LSTRIP = 2, RSTRIP = 4, NORMALIZED = 8, SPECIAL = 16 };
static const struct name token_flags[] = {
    {"single_word", SINGLE_WORD}, {"lstrip", LSTRIP},   {"rstrip", RSTRIP},
    {"normalized", NORMALIZED},   {"special", SPECIAL}, {NULL, 0},
};

static int find_name(const struct name *names, PyObject *value, const char *what, unsigned *found)
{
    for (; names->name && PyUnicode_Check(value); names++) {
        if (PyUnicode_CompareWithASCIIString(value, names->name) == 0) {
            *found = names->value;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "%s %R is not known", what, value);
    return -1;
}

static int read_flags(const struct name *names, PyObject *tuple, const char *what, unsigned *flags)
{
    *flags = 0;
    if (!PyTuple_Check(tuple))
        return wrong_value(what, "a tuple of str", tuple);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        unsigned flag;
        if (find_name(names, PyTuple_GET_ITEM(tuple, i), what, &flag) < 0)
            return -1;
        *flags |= flag;
    }
    return 0;
}

/* ---- stages, model, template ---- */

/* Room for the items of `sequence`, which becomes a tuple that `p` owns. */
static void *allocate(struct binding_stages *p, PyObject *sequence, size_t item, PyObject **tuple, size_t *count)
{
    *tuple = PySequence_Tuple(sequence);
    if (!*tuple || PyList_Append(p->owners, *tuple) < 0) {
        Py_XDECREF(*tuple);
        return NULL;
    }
    Py_DECREF(*tuple);
    *count = (size_t)PyTuple_GET_SIZE(*tuple);
    PyObject *room = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)((*count + 1) * item));
    if (!room || PyList_Append(p->owners, room) < 0) {
        Py_XDECREF(room);
        return NULL;
    }
    Py_DECREF(room);
    memset(PyByteArray_AS_STRING(room), 0, (*count + 1) * item);
    return PyByteArray_AS_STRING(room);
}

static int read_stage(struct binding_stages *p, PyObject *dict, struct deberta_stage *stage)
{
    PyObject *flags, *behavior;
    struct deberta_text type = {NULL, 0};
    unsigned named = DEBERTA_ISOLATED;
    if (!PyDict_Check(dict))
        return wrong_value("a stage", "a dict", dict);
    if (get_str(p, dict, "type", &type) < 0 || get(p, dict, "flags", &flags) < 0 ||
        get(p, dict, "behavior", &behavior) < 0 || get_bytes(p, dict, "pattern", &stage->pattern) < 0 ||
        get_bytes(p, dict, "content", &stage->content) < 0)
        return -1;
    if (!type.bytes)
        return wrong_value("a stage", "a dict with a type", dict);
    stage->type = type.bytes;
    if (flags && read_flags(stage_flags, flags, "the flag of a stage", &stage->flags) < 0)
        return -1;
    if (behavior && find_name(behaviors, behavior, "the behavior", &named) < 0)
        return -1;
    stage->behavior = (enum deberta_behavior)named;
    return 0;
}

static const struct deberta_stage *read_stages(struct binding_stages *p, PyObject *sequence, size_t *count)
{
    PyObject *tuple;
    struct deberta_stage *stages = allocate(p, sequence, sizeof *stages, &tuple, count);
    for (size_t i = 0; stages && i < *count; i++)
        if (read_stage(p, PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), &stages[i]) < 0)
            return NULL;
    return stages;
}

static const struct deberta_text *read_texts(struct binding_stages *p, PyObject *dict, const char *key, size_t *count)
{
    PyObject *value, *tuple;
    if (get(p, dict, key, &value) < 0)
        return NULL;
    struct deberta_text *texts = allocate(p, value ? value : p->nothing, sizeof *texts, &tuple, count);
    for (size_t i = 0; texts && i < *count; i++)
        if (view_str(PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), key, &texts[i]) < 0)
            return NULL;
    return texts;
}

/* The data of a vector with `count` items, NULL when it is missing. */
static int get_vector(struct binding_stages *p, PyObject *dict, const char *key, int type, size_t count,
                      const void **data)
{
    PyObject *value;
    PyArrayObject *array = NULL;
    if (get(p, dict, key, &value) < 0 || (value && binding_vector(value, key, type, (npy_intp)count, &array) < 0))
        return -1;
    *data = array ? PyArray_DATA(array) : NULL;
    return 0;
}

/* The pieces of an SpmModel in place of tokens, ids and scores. */
static int read_spm(struct binding_stages *p, PyObject *dict)
{
    struct deberta_vocabulary *v = &p->spec.vocabulary;
    PyObject *object;
    bool sentencepiece;
    if (get(p, dict, "spm", &object) < 0 || get_bool(p, dict, "sentencepiece", &sentencepiece) < 0)
        return -1;
    if (!object)
        return 0;
    const struct deberta_spm *spm = binding_spm(object);
    if (!spm)
        return -1;
    v->tokens = spm->tokens;
    v->ids = spm->ids;
    v->scores = spm->scores;
    v->count = spm->count;
    v->sentencepiece = sentencepiece ? spm : NULL;
    return 0;
}

static int read_model(struct binding_stages *p, PyObject *dict)
{
    struct deberta_vocabulary *v = &p->spec.vocabulary;
    PyObject *type, *unknown;
    unsigned named;
    size_t merges;
    const void *ids, *scores;
    if (!PyDict_Check(dict))
        return wrong_value("model", "a dict", dict);
    if (get(p, dict, "type", &type) < 0 ||
        find_name(model_types, type ? type : Py_None, "the type of a model", &named) < 0 ||
        !(v->tokens = read_texts(p, dict, "tokens", &v->count)) ||
        !(v->merges = read_texts(p, dict, "merges", &merges)) ||
        get_vector(p, dict, "ids", NPY_INT32, v->count, &ids) < 0 ||
        get_vector(p, dict, "scores", NPY_FLOAT64, v->count, &scores) < 0 || get(p, dict, "unknown", &unknown) < 0 ||
        get_bool(p, dict, "byte_fallback", &v->byte_fallback) < 0 ||
        get_bool(p, dict, "fuse_unknown", &v->fuse_unknown) < 0 ||
        get_bool(p, dict, "ignore_merges", &v->ignore_merges) < 0 ||
        get_str(p, dict, "continuing_prefix", &v->continuing_prefix) < 0 ||
        get_str(p, dict, "word_suffix", &v->word_suffix) < 0 || get_size(p, dict, "longest_word", &v->longest_word) < 0)
        return -1;
    v->type = (enum deberta_model_type)named;
    v->ids = ids;
    v->scores = scores;
    if (read_spm(p, dict) < 0)
        return -1;
    v->merge_count = merges / 2;
    v->unknown = -1;
    if (!v->ids || (v->type == DEBERTA_UNIGRAM && !v->scores) || merges % 2 != 0) {
        PyErr_SetString(PyExc_ValueError, "a model needs ids, a Unigram model scores too, and merges are pairs");
        return -1;
    }
    return unknown ? read_id(unknown, "unknown", -1, &v->unknown) : 0;
}

static int read_added(struct binding_stages *p, PyObject *sequence)
{
    PyObject *tuple;
    struct deberta_added_token *tokens = allocate(p, sequence, sizeof *tokens, &tuple, &p->spec.added_count);
    p->spec.added = tokens;
    for (size_t i = 0; tokens && i < p->spec.added_count; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), *content, *id, *names;
        unsigned flags;
        if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "UOO", &content, &id, &names))
            return wrong_value("an added token", "(content, id, flags)", item);
        if (view_str(content, "added", &tokens[i].text) < 0 ||
            read_id(id, "the id of an added token", 0, &tokens[i].id) < 0 ||
            read_flags(token_flags, names, "the flag of an added token", &flags) < 0)
            return -1;
        tokens[i].single_word = flags & SINGLE_WORD;
        tokens[i].lstrip = flags & LSTRIP;
        tokens[i].rstrip = flags & RSTRIP;
        tokens[i].normalized = flags & NORMALIZED;
        tokens[i].special = flags & SPECIAL;
    }
    return tokens ? 0 : -1;
}

static const struct deberta_template_part *read_template(struct binding_stages *p, PyObject *sequence, size_t *count)
{
    PyObject *tuple;
    struct deberta_template_part *parts = allocate(p, sequence, sizeof *parts, &tuple, count);
    for (size_t i = 0; parts && i < *count; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, (Py_ssize_t)i), *id;
        if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "Ob", &id, &parts[i].type) ||
            read_id(id, "the id of a template", DEBERTA_SEQUENCE_B, &parts[i].id) < 0)
            return NULL;
    }
    return parts;
}

int binding_stages_init(struct binding_stages *p, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {"normalizers", "pretokenizers", "model", "added", "single", "pair", "marks_apart", NULL};
    int marks_apart = 0;
    PyObject *normalizers, *pretokenizers, *model, *added, *single, *pair;
    struct deberta_tokenizer_spec *spec = &p->spec;
    *p = (struct binding_stages){0};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "$OOOOOOp:Tokenizer", names, &normalizers, &pretokenizers,
                                     &model, &added, &single, &pair, &marks_apart) ||
        !(p->owners = PyList_New(0)) || !(p->nothing = PyTuple_New(0)))
        return -1;
    spec->marks_apart = marks_apart;
    spec->normalizers = read_stages(p, normalizers, &spec->normalizer_count);
    if (!spec->normalizers)
        return -1;
    spec->pretokenizers = read_stages(p, pretokenizers, &spec->pretokenizer_count);
    if (!spec->pretokenizers || read_model(p, model) < 0 || read_added(p, added) < 0)
        return -1;
    spec->single = read_template(p, single, &spec->single_count);
    if (!spec->single)
        return -1;
    spec->pair = read_template(p, pair, &spec->pair_count);
    return spec->pair ? 0 : -1;
}

void binding_stages_release(struct binding_stages *p)
{
    Py_XDECREF(p->owners);
    Py_XDECREF(p->nothing);
}
