"""The network in plain NumPy and double precision, one row of tokens at a time, straight from the formulas.

It reads tensors by their names in files. Slow; the core is compared with it.
"""

import math

import numpy as np

_erf = np.vectorize(math.erf)
ACTIVATIONS = {"gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))), "tanh": np.tanh}


class Network:
    """Weights from `tiny_tensors`, with their configuration."""

    def __init__(self, config, tensors):
        self.config = {"hidden_act": "gelu", "layer_norm_eps": 1e-7, "pooler_hidden_act": "gelu", **config}
        self.tensors = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        self.bert = config["model_type"] == "bert"
        self.prefix = "bert" if self.bert else "deberta"
        named = [term for term in ("c2p", "p2c") if term in config.get("pos_att_type", "")]
        self.terms = named if config.get("relative_attention") else []
        self.divisor = 1 + len(named)

    def linear(self, name, x):
        bias = self.tensors.get(f"{name}.bias", 0)
        return x @ self.tensors[f"{name}.weight"].T + bias

    def norm(self, name, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.config["layer_norm_eps"])
        return self.tensors[f"{name}.weight"] * centred / deviation + self.tensors[f"{name}.bias"]

    def act(self, x, key="hidden_act"):
        return ACTIVATIONS[self.config[key]](x)

    # ---- encoder ----

    def embeddings(self, ids, types):
        name = f"{self.prefix}.embeddings"
        x = self.tensors[f"{name}.word_embeddings.weight"][ids]
        if self.config.get("position_biased_input", True):
            x = x + self.positions(len(ids))
        if self.config.get("type_vocab_size"):
            x = x + self.tensors[f"{name}.token_type_embeddings.weight"][types]
        if f"{name}.embed_proj.weight" in self.tensors:
            x = self.linear(f"{name}.embed_proj", x)
        return self.norm(f"{name}.LayerNorm", x)

    def positions(self, length):
        return self.tensors[f"{self.prefix}.embeddings.position_embeddings.weight"][:length]

    def rows(self, length):
        """The row of the position table for each query and key, (S, S)."""
        buckets = self.config.get("position_buckets", 0)
        reach = self.config.get("max_relative_positions", -1)
        reach = reach if reach > 0 else self.config["max_position_embeddings"]
        span = buckets or reach
        distance = np.arange(length)[:, None] - np.arange(length)[None, :]
        if buckets:
            middle = buckets // 2
            far = np.maximum(np.abs(distance), middle)
            scaled = np.log(far / middle) / np.log((reach - 1) / middle) * (middle - 1)
            bucket = np.where(np.abs(distance) <= middle, distance, np.sign(distance) * (middle + np.ceil(scaled)))
        else:
            bucket = distance
        return np.clip(bucket + span, 0, 2 * span - 1).astype(int)

    def table(self):
        table = self.tensors[f"{self.prefix}.encoder.rel_embeddings.weight"]
        if self.config.get("norm_rel_ebd") == "layer_norm":
            table = self.norm(f"{self.prefix}.encoder.LayerNorm", table)
        return table

    def split(self, x):
        """(S, H) as (A, S, D)."""
        return x.reshape(len(x), self.config["num_attention_heads"], -1).transpose(1, 0, 2)

    def projections(self, name, queries, keys):
        """Queries, keys and values (A, S, D), and keys and queries of the position table (A, R, D) or None."""
        if self.config["model_type"] == "deberta":
            heads = self.config["num_attention_heads"]
            weights = self.tensors[f"{name}.in_proj.weight"].reshape(heads, 3, -1, queries.shape[1])
            q, k, v = (
                np.einsum("sh,adh->asd", x, weights[:, part]) for part, x in ((0, queries), (1, keys), (2, keys))
            )
            q = q + self.split(self.tensors[f"{name}.q_bias"][None])
            v = v + self.split(self.tensors[f"{name}.v_bias"][None])
            of_key, of_query = f"{name}.pos_proj", f"{name}.pos_q_proj"
        else:
            end = "" if self.bert else "_proj"
            q, k, v = (
                self.split(self.linear(f"{name}.{part}{end}", x))
                for part, x in (("query", queries), ("key", keys), ("value", keys))
            )
            shared = self.config.get("share_att_key")
            of_key, of_query = (f"{name}.{'' if shared else 'pos_'}{part}_proj" for part in ("key", "query"))
        table = self.table() if self.terms else None
        position_keys = self.split(self.linear(of_key, table)) if "c2p" in self.terms else None
        position_queries = self.split(self.linear(of_query, table)) if "p2c" in self.terms else None
        return q, k, v, position_keys, position_queries

    def attention(self, name, queries, keys):
        q, k, v, position_keys, position_queries = self.projections(name, queries, keys)
        rows = self.rows(len(queries)) if self.terms else None
        scores = q @ k.transpose(0, 2, 1)
        if position_keys is not None:
            scores += np.einsum("aid,aijd->aij", q, position_keys[:, rows])
        if position_queries is not None:
            scores += np.einsum("ajd,aijd->aij", k, position_queries[:, rows])
        scores /= np.sqrt(q.shape[2] * self.divisor)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return (weights @ v).transpose(1, 0, 2).reshape(queries.shape), weights

    def layer(self, number, queries, keys):
        name = f"{self.prefix}.encoder.layer.{number}"
        context, weights = self.attention(f"{name}.attention.self", queries, keys)
        x = self.norm(
            f"{name}.attention.output.LayerNorm", self.linear(f"{name}.attention.output.dense", context) + queries
        )
        inner = self.act(self.linear(f"{name}.intermediate.dense", x))
        return self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", inner) + x), weights

    def convolution(self, embedded, first):
        weight = self.tensors[f"{self.prefix}.encoder.conv.conv.weight"]
        outputs, inputs, kernel = weight.shape
        padded = np.pad(embedded, ((kernel // 2, kernel // 2), (0, 0)))
        found = np.zeros_like(embedded)
        for output in range(outputs):
            group = output * embedded.shape[1] // inputs // outputs
            for offset in range(kernel):
                columns = padded[offset : offset + len(embedded), group * inputs : (group + 1) * inputs]
                found[:, output] += columns @ weight[output, :, offset]
        found += self.tensors[f"{self.prefix}.encoder.conv.conv.bias"]
        act = ACTIVATIONS[self.config.get("conv_act", "tanh")]
        return self.norm(f"{self.prefix}.encoder.conv.LayerNorm", first + act(found))

    def states(self, ids, types=None):
        """Hidden states [(S, H)] with the embeddings first, attentions [(A, S, S)]."""
        embedded = self.embeddings(np.asarray(ids), np.zeros(len(ids), int) if types is None else np.asarray(types))
        states, attentions = [embedded], []
        for number in range(self.config["num_hidden_layers"]):
            x, weights = self.layer(number, states[-1], states[-1])
            if number == 0 and self.config.get("conv_kernel_size"):
                x = self.convolution(embedded, x)
            states.append(x)
            attentions.append(weights)
        return states, attentions

    # ---- heads ----

    def pooled(self, state):
        if self.bert:
            return np.tanh(self.linear("bert.pooler.dense", state[0]))
        return self.act(self.linear("pooler.dense", state[0]), "pooler_hidden_act")

    def logits(self, head, ids, types=None):
        """The output of a head of `tiny_tensors` for a row."""
        state = self.states(ids, types)[0][-1]
        if head in ("sequence", "choice"):
            return self.linear("classifier", self.pooled(state))
        if head == "tokens":
            return self.linear("classifier", state)
        if head == "spans":
            return self.linear("qa_outputs", state)
        if head == "legacy_lm":
            words = self.tensors[f"{self.prefix}.embeddings.word_embeddings.weight"]
            return self.transformed("cls.predictions.transform", state) @ words.T + self.tensors["cls.predictions.bias"]
        if head == "replaced":
            name = "mask_predictions"
            x = self.norm(f"{name}.LayerNorm", state[:1] + state)
            return self.linear(f"{name}.classifier", self.act(self.linear(f"{name}.dense", x)))[:, 0]
        return self.guesses(state if head == "lm" else self.decoded(ids, types))

    def transformed(self, name, x):
        return self.norm(f"{name}.LayerNorm", self.act(self.linear(f"{name}.dense", x)))

    def guesses(self, state):
        words = self.tensors[f"{self.prefix}.embeddings.word_embeddings.weight"]
        name = "lm_predictions.lm_head"
        return self.transformed(name, state) @ words.T + self.tensors[f"{name}.bias"]

    def decoded(self, ids, types):
        """The enhanced mask decoder: the last layer twice over the output of the one before."""
        last = self.config["num_hidden_layers"] - 1
        before = self.states(ids, types)[0][last]
        query = before + self.positions(len(ids))
        for _ in range(2):
            query, _ = self.layer(last, query, before)
        return query
