"""`pipeline("question-answering")` beside that of transformers 4, which runs in a separate process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parity.pipelines.small_configs import SMALL, V3
from tests.parity.tokenizers.tokenizer_live import data_folder

torch = pytest.importorskip("torch", reason="the parity suite needs torch")
transformers = pytest.importorskip("transformers", reason="the parity suite needs transformers")

import deberta_c  # noqa: E402

CONFIGS = {
    "bert": ("bert-base-uncased", lambda: transformers.BertConfig(**SMALL, vocab_size=30522, initializer_range=0.5)),
    "v3": ("deberta-v3", lambda: transformers.DebertaV2Config(**SMALL, **V3, vocab_size=128100, initializer_range=0.5)),
}
CONTEXT = (
    "Angela Merkel, born in Hamburg in 1954, studied physics in Leipzig.  She was Chancellor of Germany from 2005 to "
    "2021; caf\u00e9 owners in Wolverhampton were not asked (antidisestablishmentarianism).\n"
)
CALLS = [
    {"question": "Where was she born?", "context": CONTEXT},
    {"question": "Where was she born?", "context": CONTEXT, "top_k": 4},
    {"question": "When?", "context": CONTEXT * 3, "max_seq_len": 40, "doc_stride": 11, "top_k": 3},
    {"question": "When?", "context": CONTEXT * 12},
    {"question": "Who?", "context": CONTEXT, "align_to_words": False, "top_k": 5, "max_answer_len": 3},
    {"question": "Who?", "context": CONTEXT, "handle_impossible_answer": True, "top_k": 7},
    {"question": ["Who?", "What did she study?"], "context": [CONTEXT, CONTEXT * 2]},
    {"question": ["Who?", "What did she study?"], "context": CONTEXT, "max_answer_len": 1},
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The directories of the families, and what transformers 4 answers to the calls."""
    theirs = os.environ.get("DEBERTA_C_TRANSFORMERS4")
    if not theirs:
        pytest.skip("DEBERTA_C_TRANSFORMERS4 names no folder with transformers 4")
    folders = {}
    for family, (files, config) in CONFIGS.items():
        folders[family] = tmp_path_factory.mktemp("answers") / family
        torch.manual_seed(7)
        model = transformers.AutoModelForQuestionAnswering.from_config(config()).eval()
        model.save_pretrained(folders[family])
        for file in (data_folder() / "tokenizers" / files).iterdir():
            shutil.copy(file, folders[family])
    peer = Path(__file__).with_name("question_answering_peer.py")
    question = json.dumps({"folders": list(map(str, folders.values())), "calls": CALLS})
    ran = subprocess.run(
        [sys.executable, str(peer), theirs], input=question, capture_output=True, text=True, check=True
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    return {family: (folder, found[str(folder)]) for family, folder in folders.items()}


def approximate(answer):
    if isinstance(answer, list):
        return [approximate(part) for part in answer]
    return {**answer, "score": pytest.approx(answer["score"], rel=2e-4, abs=1e-7)}


@pytest.mark.parametrize("call", range(len(CALLS)))
@pytest.mark.parametrize("family", CONFIGS)
def test_answers(answers, family, call):
    folder, expected = answers[family]
    pipe = deberta_c.pipeline("question-answering", model=folder)
    assert pipe(**CALLS[call]) == approximate(expected[call])
