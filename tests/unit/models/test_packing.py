"""Packing and unpacking, for every mask."""

import numpy as np
import pytest

from deberta_c._models.packing import pack, unpack_attentions, unpack_hidden

hypothesis = pytest.importorskip("hypothesis")
numpy_strategies = pytest.importorskip("hypothesis.extra.numpy")

masks = numpy_strategies.arrays(
    np.int64,
    numpy_strategies.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=hypothesis.strategies.integers(0, 1),
).filter(lambda mask: mask.any(axis=1).all())


def packed_batch(mask):
    ids = np.arange(1, mask.size + 1).reshape(mask.shape)
    return ids, pack(ids, mask, ids % 2, vocab_size=mask.size + 1, type_vocab_size=2)


@hypothesis.settings(deadline=None)
@hypothesis.given(masks)
def test_rows_keep_their_span(mask):
    ids, packed = packed_batch(mask)
    assert packed.offsets[0] == 0
    assert packed.offsets[-1] == len(packed.ids)
    for row, valid in enumerate(mask.astype(bool)):
        columns = np.flatnonzero(valid)
        span = slice(columns[0], columns[-1] + 1)
        part = slice(*packed.offsets[row : row + 2].tolist())
        assert packed.ids[part].tolist() == ids[row, span].tolist()
        assert packed.types[part].tolist() == (ids[row, span] % 2).tolist()
        assert (0 if packed.first is None else packed.first[row]) == columns[0]
        kept = np.ones(span.stop - span.start) if packed.mask is None else packed.mask[part]
        assert kept.tolist() == valid[span].tolist()


@hypothesis.settings(deadline=None)
@hypothesis.given(masks)
def test_only_holes_need_a_mask(mask):
    _, packed = packed_batch(mask)
    edges = np.abs(np.diff(np.pad(mask, ((0, 0), (1, 1))), axis=1)).sum(axis=1)
    assert (packed.mask is not None) == bool((edges > 2).any())
    assert (packed.first is not None) == bool((mask[:, 0] == 0).any())


@hypothesis.settings(deadline=None)
@hypothesis.given(masks)
def test_hidden_states_come_back_to_their_places(mask):
    ids, packed = packed_batch(mask)
    hidden = np.stack([np.stack([packed.ids, -packed.ids], axis=1)] * 3).astype(np.float32)
    for state in unpack_hidden(packed, hidden):
        np.testing.assert_array_equal(state, np.stack([ids, -ids], axis=2) * mask[:, :, None])


@hypothesis.settings(deadline=None)
@hypothesis.given(masks)
def test_attentions_come_back_to_their_places(mask):
    """With one head, attention from token i to token j is written as i * 100 + j."""
    ids, packed = packed_batch(mask)
    keep = np.ones(len(packed.ids), bool) if packed.mask is None else packed.mask.astype(bool)
    blocks = []
    for begin, end in zip(packed.offsets[:-1], packed.offsets[1:], strict=True):
        tokens = packed.ids[begin:end].astype(np.float32)
        blocks.append(((tokens[:, None] * 100 + tokens) * keep[begin:end]).ravel())  # no weight on masked keys
    flat = np.concatenate(blocks * 2)
    expected = (ids[:, :, None] * 100 + ids[:, None, :]) * mask[:, :, None] * mask[:, None, :]
    for probabilities in unpack_attentions(packed, flat, layers=2, heads=1):
        np.testing.assert_array_equal(probabilities[:, 0], expected)


def test_masks_of_pairs():
    ids = np.arange(1, 7).reshape(2, 3)
    mask = np.zeros((2, 3, 3), np.int64)
    mask[:, :2, 1] = 1
    packed = pack(ids, mask, vocab_size=7, type_vocab_size=0)
    assert (packed.valid, packed.mask, packed.offsets.tolist()) == (None, None, [0, 3, 6])
    assert packed.pairs.reshape(2, 3, 3)[1].tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]  # the last attends to itself
    with pytest.raises(ValueError, match=r"attention_mask has shape \(2, 3, 2\), but input_ids \(2, 3\)"):
        pack(ids, mask[:, :, :2], vocab_size=7, type_vocab_size=0)
    with pytest.raises(ValueError, match=r"attention_mask\[1, 0, 2\] is 2"):
        pack(ids, np.where(np.arange(18).reshape(2, 3, 3) == 11, 2, mask), vocab_size=7, type_vocab_size=0)
