# SPDX-License-Identifier: Apache-2.0
"""The error for unknown options."""

import pytest

from deberta_c._base.suggest import unknown_option


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        (["paddding"], ["padding", "stride"], "'paddding'; did you mean 'padding'? It takes padding and stride"),
        (["max_Length"], ["max_length"], "'max_Length'; did you mean 'max_length'? It takes max_length"),
        (["colour"], ["padding"], "'colour'; it takes padding"),
        (["colour"], [], "'colour'"),
        (["a", "padings", "padding"], ["padding"], "'a', 'padings'; did you mean 'padding'? It takes padding"),
    ],
)
def test_messages(given, known, message):
    error = unknown_option("a call", given, known)
    assert type(error) is TypeError
    assert str(error) == f"a call has no option {message}"
