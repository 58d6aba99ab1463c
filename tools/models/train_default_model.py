"""Train the default model of deberta_c: ham or spam, from the SMS Spam Collection.

    python -m tools.models.train_default_model --data DIR_OF_sms_spam --out deberta_c/assets/models/sms-spam

The script reads DIR/SMSSpamCollection, removes duplicate texts, measures the recipe by stratified cross-validation
(tokenizer, pre-training and classifier see the training part of a fold only) beside TF-IDF with logistic regression on
the same folds, then trains on all texts and writes a model directory: config.json, model.safetensors, spm.model,
tokenizer_config.json, metrics.json and README.md. The numbers of the model card are printed from metrics.json.

`--folds 0` skips the evaluation and keeps the metrics.json that lies in the output directory.
`--workers 2` trains two folds at a time, one thread each.

Needs: torch, transformers, tokenizers, sentencepiece, safetensors, scikit-learn, numpy.
"""

import argparse
import csv
import html
import io
import json
import math
import multiprocessing
import platform
import random
import re
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline, make_union
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn import functional as F
from transformers import DebertaV2Config, DebertaV2ForSequenceClassification

LABELS = ["ham", "spam"]
PAD, CLS, SEP, UNK = range(4)
FIRST_ORDINARY_ID = 4
MAX_MODEL_TOKENS = 512


@dataclass(frozen=True)
class Recipe:
    """Everything that shapes the model; the same for every fold and for the shipped weights."""

    seed: int = 2011
    pieces: int = 4000  # entries of spm.model; [MASK] is the next id
    vocab_size: int = 4032  # rows of the embedding
    hidden_size: int = 128
    layers: int = 2
    heads: int = 4
    intermediate_size: int = 512
    position_buckets: int = 32
    max_tokens: int = 256  # training and evaluation texts are cut here
    dropout: float = 0.1
    batch_size: int = 16
    pretrain_epochs: int = 2
    pretrain_rate: float = 1e-3
    masked_share: float = 0.2
    epochs: int = 4
    rate: float = 5e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    average_decay: float = 0.99  # of the running average of the weights
    sampled_share: float = 0.5  # texts whose segmentation is sampled (subword regularisation)
    sampling_alpha: float = 0.2
    unknown_share: float = 0.05  # tokens replaced by [UNK]
    lower_share: float = 0.1  # texts in lower case
    upper_share: float = 0.03  # texts in upper case
    restored_share: float = 0.5  # texts whose HTML escapes and placeholders are undone


# ---------------------------------------------------------------------------------------------------------------- data


def read_messages(directory):
    """Texts and labels (0 ham, 1 spam) of DIRECTORY/SMSSpamCollection without duplicate texts, in file order."""
    with (Path(directory) / "SMSSpamCollection").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    label_of = {}
    for label, text in rows:
        label_of.setdefault(text, LABELS.index(label))
    return list(label_of), np.array(list(label_of.values()))


def restore(text, rng):
    """Undo what the corpus builders did to a text: HTML escapes, and <#>, <DECIMAL>, <TIME> in place of numbers."""
    text = html.unescape(text)
    text = re.sub(r"<\s*DECIMAL\s*>", lambda _: f"{rng.uniform(1, 30):.2f}", text)
    text = re.sub(r"<\s*TIME\s*>", lambda _: f"{rng.randint(1, 12)}:{rng.randrange(0, 60, 5):02d}", text)
    return re.sub(r"<\s*#\s*>", lambda _: str(rng.randint(1, 10 ** rng.randint(1, 3))), text)


def vary(text, recipe, rng):
    """The text as another sender might have typed it."""
    if rng.random() < recipe.restored_share:
        text = restore(text, rng)
    case = rng.random()
    if case < recipe.lower_share:
        return text.lower()
    return text.upper() if case < recipe.lower_share + recipe.upper_share else text


# ----------------------------------------------------------------------------------------------------------- tokenizer


def train_pieces(texts, recipe):
    """Bytes of an spm.model with DeBERTa-v3's special ids, byte pieces and normalizer, free of names and samples."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=written, model_type="unigram", vocab_size=recipe.pieces,
        normalization_rule_name="nmt_nfkc", byte_fallback=True, character_coverage=1.0, split_digits=True,
        pad_id=PAD, bos_id=CLS, eos_id=SEP, unk_id=UNK,
        pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]",
        self_test_sample_size=0, num_threads=1, minloglevel=2,
    )  # fmt: skip
    model = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    model.DiscardUnknownFields()  # the self-test samples, which this description of the format does not name
    model.trainer_spec.ClearField("input")
    model.trainer_spec.model_prefix = "sms_spam"
    return model.SerializeToString()


def build_tokenizer(spm_bytes):
    """The fast tokenizer that transformers 4 makes of an spm.model, with the `tokenizers` library."""
    model = sentencepiece_model_pb2.ModelProto.FromString(spm_bytes)
    vocabulary = [(entry.piece, entry.score) for entry in model.pieces]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=UNK, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Strip(),
            normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )  # fmt: skip
    for name in ("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"):
        tokenizer.add_special_tokens([AddedToken(name, normalized=name == "[UNK]", special=True)])
    assert tokenizer.token_to_id("[MASK]") == len(model.pieces)
    return tokenizer


class Encoder:
    """Texts to ids: exactly as the shipped tokenizer does, or varied for training."""

    def __init__(self, spm_bytes, recipe):
        self.recipe = recipe
        self.tokenizer = build_tokenizer(spm_bytes)
        self.tokenizer.enable_truncation(recipe.max_tokens)
        self.sampler = sentencepiece.SentencePieceProcessor(model_proto=spm_bytes)

    def encode(self, text):
        return self.tokenizer.encode(text).ids

    def encode_varied(self, text, rng):
        recipe = self.recipe
        text = vary(text, recipe, rng)
        ids = self.sample(text) if rng.random() < recipe.sampled_share else self.encode(text)
        return [UNK if i >= FIRST_ORDINARY_ID and rng.random() < recipe.unknown_share else i for i in ids]

    def sample(self, text):
        """One of the possible segmentations; runs of byte pieces become one [UNK], as in `encode`."""
        pieces = self.sampler.encode(text, enable_sampling=True, alpha=self.recipe.sampling_alpha, nbest_size=-1)
        ids = [CLS]
        for i in pieces:
            known = UNK if self.sampler.is_byte(i) else i
            if known != UNK or ids[-1] != UNK:
                ids.append(known)
        return [*ids[: self.recipe.max_tokens - 1], SEP]


# --------------------------------------------------------------------------------------------------------------- model


def published_config(recipe):
    """config.json in the keys of the published DeBERTa-v3 checkpoints."""
    return {
        "model_type": "deberta-v2",
        "architectures": ["DebertaV2ForSequenceClassification"],
        "problem_type": "single_label_classification",
        "id2label": {str(i): name for i, name in enumerate(LABELS)},
        "label2id": {name: i for i, name in enumerate(LABELS)},
        "attention_probs_dropout_prob": recipe.dropout,
        "hidden_act": "gelu",
        "hidden_dropout_prob": recipe.dropout,
        "hidden_size": recipe.hidden_size,
        "initializer_range": 0.02,
        "intermediate_size": recipe.intermediate_size,
        "layer_norm_eps": 1e-7,
        "max_position_embeddings": MAX_MODEL_TOKENS,
        "max_relative_positions": -1,
        "norm_rel_ebd": "layer_norm",
        "num_attention_heads": recipe.heads,
        "num_hidden_layers": recipe.layers,
        "pad_token_id": PAD,
        "pooler_dropout": 0,
        "pooler_hidden_act": "gelu",
        "pooler_hidden_size": recipe.hidden_size,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "position_buckets": recipe.position_buckets,
        "relative_attention": True,
        "share_att_key": True,
        "type_vocab_size": 0,
        "vocab_size": recipe.vocab_size,
    }


def new_model(recipe):
    settings = published_config(recipe)
    settings["id2label"] = dict(enumerate(LABELS))
    return DebertaV2ForSequenceClassification(DebertaV2Config(**settings))


class MaskedHead(nn.Module):
    """Predicts the masked tokens with the transposed embedding; thrown away after pre-training."""

    def __init__(self, recipe):
        super().__init__()
        self.dense = nn.Linear(recipe.hidden_size, recipe.hidden_size)
        self.norm = nn.LayerNorm(recipe.hidden_size)
        self.bias = nn.Parameter(torch.zeros(recipe.vocab_size))

    def forward(self, hidden, embedding):
        return F.linear(self.norm(F.gelu(self.dense(hidden))), embedding, self.bias)


def round_to_half(model):
    """Round the weights to what the fp16 file holds, so that the measured model is the shipped one."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())


# ------------------------------------------------------------------------------------------------------------ training


def batches(rows, size, rng):
    """Indices of `rows` in batches of similar length, in random order."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]) + rng.uniform(0, 8))
    cut = [order[i : i + size] for i in range(0, len(order), size)]
    rng.shuffle(cut)
    return cut


def pad(rows):
    """(ids, attention mask), both (N, longest row)."""
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=PAD)
    lengths = torch.tensor([len(row) for row in rows])
    return ids, (torch.arange(ids.shape[1]) < lengths[:, None]).long()


def mask_tokens(ids, recipe):
    """BERT's corruption: of the chosen tokens 80 % become [MASK], 10 % a random piece. Returns (ids, targets)."""
    chosen = (torch.rand(ids.shape) < recipe.masked_share) & (ids >= FIRST_ORDINARY_ID)
    targets = torch.where(chosen, ids, torch.full_like(ids, -100))
    fate = torch.rand(ids.shape)
    ids = torch.where(chosen & (fate < 0.8), torch.full_like(ids, recipe.pieces), ids)
    anything = torch.randint(FIRST_ORDINARY_ID, recipe.pieces, ids.shape)
    return torch.where(chosen & (fate >= 0.9), anything, ids), targets


class Descent:
    """AdamW with warm-up, linear decay, clipping and weight decay on matrices only."""

    def __init__(self, parameters, rate, steps, recipe):
        parameters = list(parameters)
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        warmup = max(1, int(steps * recipe.warmup_share))
        self.parameters = parameters
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / (steps - warmup)))
        )

    def step(self, loss):
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()


def pretrain(model, texts, encoder, recipe, rng):
    """Masked-language-model training of the encoder on the given texts."""
    head = MaskedHead(recipe)
    head.train(), model.train()
    steps = recipe.pretrain_epochs * math.ceil(len(texts) / recipe.batch_size)
    parameters = [*model.deberta.parameters(), *head.parameters()]
    descent = Descent(parameters, recipe.pretrain_rate, steps, recipe)
    for _ in range(recipe.pretrain_epochs):
        rows = [encoder.encode_varied(text, rng) for text in texts]
        for batch in batches(rows, recipe.batch_size, rng):
            ids, attention = pad([rows[i] for i in batch])
            ids, targets = mask_tokens(ids, recipe)
            hidden = model.deberta(input_ids=ids, attention_mask=attention).last_hidden_state
            chosen = targets >= 0
            if chosen.any():
                scores = head(hidden[chosen], model.deberta.embeddings.word_embeddings.weight)
                descent.step(F.cross_entropy(scores, targets[chosen]))


def finetune(model, texts, labels, encoder, recipe, rng):
    """Train the classifier; the model ends as the running average of its weights."""
    model.train()
    steps = recipe.epochs * math.ceil(len(texts) / recipe.batch_size)
    descent = Descent(model.parameters(), recipe.rate, steps, recipe)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average_decay)
    )
    targets = torch.as_tensor(labels)
    for _ in range(recipe.epochs):
        rows = [encoder.encode_varied(text, rng) for text in texts]
        for batch in batches(rows, recipe.batch_size, rng):
            ids, attention = pad([rows[i] for i in batch])
            scores = model(input_ids=ids, attention_mask=attention).logits
            descent.step(F.cross_entropy(scores, targets[batch], label_smoothing=recipe.label_smoothing))
            average.update_parameters(model)
    model.load_state_dict(average.module.state_dict())


def train(texts, labels, recipe, seed):
    """(model, spm.model bytes) of the whole recipe on these texts."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    sentencepiece.set_random_generator_seed(seed)
    spm_bytes = train_pieces(texts, recipe)
    encoder = Encoder(spm_bytes, recipe)
    model = new_model(recipe)
    if recipe.pretrain_epochs:
        pretrain(model, texts, encoder, recipe, rng)
    finetune(model, texts, labels, encoder, recipe, rng)
    round_to_half(model)
    return model.eval(), spm_bytes


@torch.inference_mode()
def predict(model, spm_bytes, texts, recipe):
    """Probability of spam of each text."""
    encoder = Encoder(spm_bytes, recipe)
    rows = [encoder.encode(text) for text in texts]
    out = np.empty(len(rows))
    for batch in batches(rows, 64, random.Random(0)):
        ids, attention = pad([rows[i] for i in batch])
        out[batch] = model(input_ids=ids, attention_mask=attention).logits.softmax(-1)[:, 1].numpy()
    return out


# ---------------------------------------------------------------------------------------------------------- evaluation

FLOOR = (
    "TF-IDF (word 1-2-grams and, inside words, character 2-5-grams; sublinear counts) "
    "with logistic regression (C = 100)"
)


def floor_model():
    words = TfidfVectorizer(analyzer="word", token_pattern=r"\S+", ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return make_pipeline(make_union(words, characters), LogisticRegression(C=100, max_iter=2000))


def run_fold(job):
    """Train and predict one fold. Returns (test indices, model's probabilities, floor's predictions, seconds)."""
    number, texts, labels, fit, test, recipe, threads = job
    torch.set_num_threads(threads)
    start = time.time()
    fit_texts, test_texts = [texts[i] for i in fit], [texts[i] for i in test]
    model, spm_bytes = train(fit_texts, labels[fit], recipe, recipe.seed + 1 + number)
    spam = predict(model, spm_bytes, test_texts, recipe)
    floor = floor_model().fit(fit_texts, labels[fit]).predict(test_texts)
    return test, spam, floor, time.time() - start


def scores(truth, predicted):
    """Accuracy and F1 of spam."""
    hits = int(np.sum((predicted == 1) & (truth == 1)))
    f1 = 2 * hits / max(1, int(np.sum(predicted == 1) + np.sum(truth == 1)))
    return {"accuracy": float(np.mean(predicted == truth)), "f1": f1}


def resampled(truth, predictions, rounds=10_000, seed=0):
    """Scores of each prediction vector over `rounds` bootstrap samples of the texts, the same samples for all."""
    rng = np.random.default_rng(seed)
    draws = [[] for _ in predictions]
    for _ in range(rounds):
        pick = rng.integers(0, len(truth), len(truth))
        for out, predicted in zip(draws, predictions, strict=True):
            out.append(list(scores(truth[pick], predicted[pick]).values()))
    return [np.array(out) for out in draws]


def interval(values):
    low, high = np.percentile(values, [2.5, 97.5], axis=0)
    return {name: [float(low[i]), float(high[i])] for i, name in enumerate(("accuracy", "f1"))}


def summary(truth, predicted, folds, draws):
    per_fold = [scores(truth[test], predicted[test]) for test in folds]
    mean = {name: float(np.mean([fold[name] for fold in per_fold])) for name in ("accuracy", "f1")}
    return {
        "mean": mean,
        "interval_95": interval(draws),
        "false_positives": int(np.sum((predicted == 1) & (truth == 0))),
        "false_negatives": int(np.sum((predicted == 0) & (truth == 1))),
        "per_fold": per_fold,
    }


def evaluate(texts, labels, recipe, folds, workers, threads):
    """Cross-validate the recipe and the floor on the same folds; the content of metrics.json."""
    split = StratifiedKFold(folds, shuffle=True, random_state=recipe.seed).split(texts, labels)
    jobs = [(n, texts, labels, fit, test, recipe, threads) for n, (fit, test) in enumerate(split)]
    spam, floor, tests = np.empty(len(texts)), np.empty(len(texts), int), []
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for number, (test, fold_spam, fold_floor, seconds) in enumerate(pool.imap(run_fold, jobs)):
            spam[test], floor[test] = fold_spam, fold_floor
            tests.append(test)
            ours, theirs = scores(labels[test], (fold_spam > 0.5) * 1), scores(labels[test], fold_floor)
            print(f"fold {number}: model {ours}, TF-IDF {theirs}, {seconds:.0f} s", flush=True)
    return describe_run(labels, (spam > 0.5) * 1, floor, tests, recipe)


def describe_run(labels, predicted, floor, tests, recipe):
    ours, theirs = resampled(labels, [predicted, floor])
    names = ("torch", "transformers", "tokenizers", "sentencepiece", "scikit-learn", "numpy")
    return {
        "data": {"texts": len(labels), "ham": int(np.sum(labels == 0)), "spam": int(np.sum(labels == 1))},
        "protocol": {
            "folds": len(tests),
            "split": "stratified, by de-duplicated text",
            "split_seed": recipe.seed,
            "fold_seeds": [recipe.seed + 1 + number for number in range(len(tests))],
            "final_seed": recipe.seed,
            "positive_class": "spam",
            "interval": "95 % percentile bootstrap over the out-of-fold predictions, 10,000 resamples of the texts",
        },
        "model": summary(labels, predicted, tests, ours),
        "tfidf": {"what": FLOOR, **summary(labels, floor, tests, theirs)},
        "model_minus_tfidf_interval_95": interval(ours - theirs),
        "recipe": asdict(recipe),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in names}},
    }


# -------------------------------------------------------------------------------------------------------------- output


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_model(out, model, spm_bytes, recipe):
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "config.json", published_config(recipe))
    tensors = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    (out / "spm.model").write_bytes(spm_bytes)
    tokenizer = {
        "do_lower_case": False,
        "vocab_type": "spm",
        "split_by_punct": False,
        "model_max_length": MAX_MODEL_TOKENS,
        "tokenizer_class": "DebertaV2Tokenizer",
    }
    write_json(out / "tokenizer_config.json", tokenizer)


CARD = """\
---
license: cc-by-4.0
language: en
library_name: deberta_c
pipeline_tag: text-classification
tags: [deberta-v3, sms, spam]
---

# sms-spam: ham or spam

A small English DeBERTa-v3 classifier ({layers} layers, hidden size {hidden_size}, {heads} heads,
{parameters:,} parameters, fp16) that tells unsolicited advertising and fraud (`spam`) from personal text messages
(`ham`). It is the default model of deberta_c: small enough to ship with the package, and trained from scratch,
so that it carries nothing but the data named below.

## Files

`config.json`, `model.safetensors` and `tokenizer_config.json` have the layout of published DeBERTa-v3 checkpoints
and load in transformers too. `spm.model` is a sentencepiece unigram model of {pieces:,} pieces with DeBERTa-v3's
special ids and byte pieces; `[MASK]` is id {pieces}. The ids are those of the transformers 4 fast tokenizer:
a character without a piece, such as an emoji, becomes `[UNK]`.

## Data and licence

SMS Spam Collection v.1, Tiago A. Almeida and José María Gómez Hidalgo, 2011. UCI Machine Learning Repository,
dataset 228, https://doi.org/10.24432/C5CC84, licensed under CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/). The weights and `spm.model` are derived from it and are offered under
the same licence; please keep this attribution. The messages themselves are not part of this directory.

A part of the collection was used: {texts:,} different texts, {ham:,} ham and {spam:,} spam, duplicates removed
before any split.

> T. A. Almeida, J. M. Gómez Hidalgo, A. Yamakami. Contributions to the Study of SMS Spam Filtering: New Collection
> and Results. Proceedings of the 11th ACM Symposium on Document Engineering (DocEng), 2011.

## Measured

{folds}-fold cross-validation, {split}; the tokenizer, the masked-language pre-training and the classifier saw
the training part of each fold only, and the settings were the same in every fold. Mean over the folds; in brackets
the {interval}.

| | accuracy | F1 (spam) | ham taken for spam | spam missed |
|---|---|---|---|---|
{rows}

The floor is {what}, fitted on the same folds.
Model minus floor (95 %, paired): {difference}.
The settings were chosen with some of these folds in view, which favours the model slightly. The shipped weights are
trained by the same recipe on all texts; they are not among the measured models. Numbers, seeds and versions:
`metrics.json`, from which this page is written.

## Limits

- English text messages of about 2003 to 2010, mostly from Britain and Singapore: premium-rate numbers, ringtones,
  prize draws. Today's fraud (parcel links, cryptocurrency, messages that imitate a relative) looks different, and
  other languages are outside what it has seen.
- In the collection, long messages with phone numbers, prices or capitals are mostly spam; legitimate notices from
  a bank, shop or doctor are rare in it and may be taken for spam.
- Trained on texts of up to {max_tokens} tokens; longer inputs, up to {max_model_tokens}, run but are unmeasured.
- The probabilities are not calibrated. Do not delete messages on its word alone.
"""


def card(metrics, model):
    rows = []
    for name, measured in (("this model", metrics["model"]), ("TF-IDF floor", metrics["tfidf"])):
        mean, (low, high) = measured["mean"], zip(*measured["interval_95"].values(), strict=True)
        rows.append(
            f"| {name} | {mean['accuracy']:.2%} [{low[0]:.2%}, {high[0]:.2%}] "
            f"| {mean['f1']:.3f} [{low[1]:.3f}, {high[1]:.3f}] "
            f"| {measured['false_positives']} | {measured['false_negatives']} |"
        )
    accuracy, f1 = (metrics["model_minus_tfidf_interval_95"][name] for name in ("accuracy", "f1"))
    return CARD.format(
        rows="\n".join(rows),
        difference=f"accuracy [{accuracy[0]:+.2%}, {accuracy[1]:+.2%}], F1 [{f1[0]:+.3f}, {f1[1]:+.3f}]",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        max_model_tokens=MAX_MODEL_TOKENS,
        what=metrics["tfidf"]["what"],
        **metrics["recipe"],
        **metrics["data"],
        **metrics["protocol"],
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, help="directory that holds SMSSpamCollection")
    parser.add_argument("--out", required=True, type=Path, help="model directory to write")
    parser.add_argument("--folds", type=int, default=5, help="folds of the evaluation; 0 skips it (default 5)")
    parser.add_argument("--workers", type=int, default=1, help="folds trained at a time (default 1)")
    parser.add_argument("--threads", type=int, default=2, help="threads of the machine to use (default 2)")
    return parser.parse_args()


def main():
    options = arguments()
    recipe = Recipe()
    texts, labels = read_messages(options.data)
    metrics_path = options.out / "metrics.json"
    if options.folds:
        threads = max(1, options.threads // options.workers)
        metrics = evaluate(texts, labels, recipe, options.folds, options.workers, threads)
        options.out.mkdir(parents=True, exist_ok=True)
        write_json(metrics_path, metrics)
    torch.set_num_threads(options.threads)
    model, spm_bytes = train(texts, labels, recipe, recipe.seed)
    write_model(options.out, model, spm_bytes, recipe)
    if metrics_path.exists():
        metrics = json.loads(metrics_path.read_text(encoding="utf-8"))
        (options.out / "README.md").write_text(card(metrics, model), encoding="utf-8")


if __name__ == "__main__":
    main()
