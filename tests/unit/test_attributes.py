"""The public attributes of each public class, as tab completion shows them, so that new ones are intended."""

import inspect

import pytest

import deberta_c

MODEL = [
    "base_model",
    "base_model_prefix",
    "check_precision",
    "cpu",
    "device",
    "dtype",
    "eval",
    "float",
    "forward",
    "from_config",
    "from_pretrained",
    "get_input_embeddings",
    "labels",
    "named_parameters",
    "num_labels",
    "num_parameters",
    "parameters",
    "precision",
    "push_to_hub",
    "requires_grad_",
    "resize_token_embeddings",
    "save_pretrained",
    "state_dict",
    "to",
    "to_dtype",
    "tokenizer",
    "train",
]
CLASSIFIER = ["classes_", "fit", "predict", "predict_frame", "predict_labels", "predict_proba", "probability_function"]
CONFIG = [
    "classes_",
    "from_dict",
    "from_json_file",
    "from_pretrained",
    "get",
    "model_type",
    "name_or_path",
    "num_labels",
    "save_pretrained",
    "to_dict",
    "to_json_file",
    "to_json_string",
    "update",
    "use_return_dict",
]
TOKENIZER = [
    "add_prefix_space",
    "add_special_tokens",
    "add_tokens",
    "added_tokens_decoder",
    "added_tokens_encoder",
    "additional_special_tokens",
    "additional_special_tokens_ids",
    "all_special_ids",
    "all_special_tokens",
    "batch_decode",
    "batch_encode_plus",
    "bos_token",
    "bos_token_id",
    "build_inputs_with_special_tokens",
    "clean_up_tokenization",
    "cls_token",
    "cls_token_id",
    "compatibility",
    "convert_ids_to_tokens",
    "convert_tokens_to_ids",
    "convert_tokens_to_string",
    "create_token_type_ids_from_sequences",
    "decode",
    "do_lower_case",
    "encode",
    "encode_plus",
    "eos_token",
    "eos_token_id",
    "extra_special_tokens",
    "from_pretrained",
    "get_added_vocab",
    "get_special_tokens_mask",
    "get_vocab",
    "init_kwargs",
    "is_fast",
    "mask_token",
    "mask_token_id",
    "max_len_sentences_pair",
    "max_len_single_sentence",
    "model_max_length",
    "num_special_tokens_to_add",
    "pad",
    "pad_token",
    "pad_token_id",
    "padding_side",
    "prepare_for_model",
    "save_pretrained",
    "save_vocabulary",
    "sep_token",
    "sep_token_id",
    "special_tokens_map",
    "split_by_punct",
    "strip_accents",
    "tokenize",
    "tokenize_chinese_chars",
    "train_new_from_iterator",
    "truncation_side",
    "unk_token",
    "unk_token_id",
    "vocab",
    "vocab_size",
]
ENCODING = [
    "char_to_token",
    "char_to_word",
    "convert_to_tensors",
    "encodings",
    "is_fast",
    "n_sequences",
    "sequence_ids",
    "to",
    "token_to_chars",
    "token_to_sequence",
    "token_to_word",
    "tokens",
    "word_ids",
    "word_to_chars",
    "word_to_tokens",
    "words",
]
AUTO = ["from_config", "from_pretrained"]
OF_OBJECTS = {
    "model": ["config", "name_or_path"],
    "tokenizer": [
        "clean_up_tokenization_spaces",
        "model_input_names",
        "name_or_path",
        "pad_token_type_id",
        "split_special_tokens",
    ],
    "encoding": ["data"],
    "configuration": ["name_or_path"],
}
CLASSES = {name: value for name, value in vars(deberta_c).items() if inspect.isclass(value) and name[0] != "_"}


def public(names):
    return sorted(name for name in names if not name.startswith("_"))


def expected(name, kind):
    """The public attributes of a class; None for those that are not listed here."""
    if issubclass(kind, deberta_c.PreTrainedModel):
        own = [] if kind is deberta_c.PreTrainedModel else ["config_class"]
        if name.endswith("ForSequenceClassification"):
            own += CLASSIFIER
        elif name.endswith("ForTokenClassification"):
            own.append("classes_")
        return sorted(MODEL + own)
    if issubclass(kind, deberta_c.PreTrainedConfig):
        return CONFIG
    if issubclass(kind, deberta_c.PreTrainedTokenizerFast):
        return TOKENIZER
    if issubclass(kind, deberta_c.BatchEncoding):
        return sorted({*ENCODING, *public(dir(dict))})
    return AUTO if name.startswith("AutoModel") else None


@pytest.mark.parametrize("name", sorted(name for name, kind in CLASSES.items() if expected(name, kind) is not None))
def test_attributes_of_classes(name):
    assert public(dir(CLASSES[name])) == expected(name, CLASSES[name])


def test_attributes_of_objects():
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(deberta_c.default_model())
    objects = {
        "model": model,
        "tokenizer": model.tokenizer,
        "encoding": model.tokenizer("a"),
        "configuration": model.config,
    }
    assert {name: public(vars(value)) for name, value in objects.items()} == OF_OBJECTS
