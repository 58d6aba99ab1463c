"""Names that deberta_c does not have: those of transformers with what to use instead, and mistyped ones."""

import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.util import find_spec

from deberta_c._base.suggest import nearest

_TRAINING = "fine-tune with model.fit(texts, labels), or with deberta_c.Trainer and TrainingArguments"
_DECODERS = (
    "deberta_c has encoders alone, the families DeBERTa and BERT; use transformers for models that generate text"
)
_OTHERS = "deberta_c has the families DeBERTa and BERT alone; use transformers for this one"
_INSTEAD = (
    (r"\w+Callback|CallbackHandler", "deberta_c.training.callbacks has the callbacks"),
    (r"Seq2Seq(Trainer|TrainingArguments)|IntervalStrategy|SchedulerType|HfArgumentParser", _TRAINING),
    (r"AdamW|Adafactor|get_(\w+_)?schedule(r|_with_\w+)?", _TRAINING),
    (r"(Default)?DataCollator\w*|default_data_collator", f"DataCollatorWithPadding pads rows; {_TRAINING}"),
    (r"BitsAndBytesConfig|\w*(Quant|GPTQ|Awq)\w*Config", 'open a checkpoint of floats with dtype="int8"'),
    (r"(TF|Flax)[A-Z]\w+", "use the class without this prefix: inputs may be lists, arrays or tensors of torch"),
    (r"\w*(CausalLM|Seq2SeqLM|ConditionalGeneration|LMHeadModel)|GenerationConfig|Text\w*Streamer", _DECODERS),
    (r"AutoModelWithLMHead", "use AutoModelForMaskedLM"),
    (r"Auto(Image|Video|Feature)?(Processor|Extractor)", "deberta_c takes texts alone; use AutoTokenizer"),
    (r"PreTrainedTokenizer", "use PreTrainedTokenizerFast, or PreTrainedTokenizerBase for isinstance"),
    (r"\w+Pipeline", "deberta_c.pipeline(task, model) has the tasks {tasks}"),
    (r"logging", "it logs nothing and warns with Python's warnings: warnings.filterwarnings(...)"),
    (r"is_\w+_available|cached_file|cached_path|hf_hub_download", "take it from transformers or huggingface_hub"),
    (r"(XLM)?Roberta\w*|(DistilBert|Electra|Albert|MobileBert|ModernBert|MPNet|XLNet|Longformer)\w*", _OTHERS),
    (r"(Llama|GPT|T5|Bart|Qwen|Mistral|Gemma)\w*", _DECODERS),
    (r"(AutoModel|Bert|Deberta|DebertaV2)For\w+", "it has no such head; dir(deberta_c) lists those that it has"),
)  # fmt: skip

_OF_MODELS = (
    (r"cuda|xpu|npu|hpu|mps|ipu", "a network runs on the CPU; leave it out"),
    (r"double", "a network computes in float32, bfloat16 or int8; leave it out for float32"),
    (r"half|bfloat16|type|quantize", 'model.to_dtype("bfloat16") or ("int8") returns another model'),
    (r"compile|to_bettertransformer|share_memory", "leave it out: it would change nothing"),
    (r"(un)?freeze|zero_grad|gradient_checkpointing_\w+|enable_input_require_grads|(load|add)_adapter", _TRAINING),
    (r"load_state_dict|set_\w+_embeddings", "weights are immutable; save changed ones in files and open these"),
    (r"(named_)?(modules|children|buffers)|get_submodule|apply|encoder|classifier|pooler|embeddings|\w*_hook",
     "a network has no modules; state_dict and named_parameters return its weights"),
    (r"generate|sample", _DECODERS),
)  # fmt: skip


def missing_attribute_error(kind: str, name: str) -> AttributeError:
    """The error to raise for an attribute that models of the class `kind` lack.

    >>> print(missing_attribute_error("BertModel", "cuda"))
    BertModel has no attribute 'cuda': a network runs on the CPU; leave it out
    """
    hint = next((f": {hint}" for pattern, hint in _OF_MODELS if re.fullmatch(pattern, name)), "")
    return AttributeError(f"{kind} has no attribute {name!r}{hint}")


def missing_name_error(name: str, known: Sequence[str]) -> Exception:
    """The error to raise for a name that the package lacks.

    It is an AttributeError, or where `from deberta_c import name` asks, an ImportError of the same text: otherwise
    Python puts its own text in place. A submodule that was not imported yet is left to Python.

    >>> print(missing_name_error("AutoModelWithLMHead", []))
    deberta_c has no AutoModelWithLMHead; use AutoModelForMaskedLM
    >>> print(missing_name_error("AutoTokeniser", ["AutoTokenizer"]))
    deberta_c has no AutoTokeniser; did you mean AutoTokenizer?
    >>> print(missing_name_error("ObjectDetectionPipeline", ["FillMaskPipeline"]))
    deberta_c has no ObjectDetectionPipeline; deberta_c.pipeline(task, model) has the tasks fill-mask
    """
    message = f"module 'deberta_c' has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(message)
    mistyped = get_close_matches(name, known, n=1, cutoff=0.95)
    hint = next((hint for pattern, hint in _INSTEAD if re.fullmatch(pattern, name)), None)
    if near := mistyped or (nearest(name, known) if hint is None else []):
        hint = f"did you mean {near[0]}?"
    if hint is None or find_spec(f"deberta_c.{name}") is not None:
        return AttributeError(message)
    message = f"deberta_c has no {name}; {hint.format(tasks=_tasks(known))}"
    imports = sys._getframe(2).f_code.co_name == "_handle_fromlist"  # missing_name_error, __getattr__, and who asks
    return ImportError(message) if imports else AttributeError(message)


def _tasks(known: Sequence[str]) -> str:
    """The tasks of the pipelines among the names."""
    classes = (name.removesuffix("Pipeline") for name in known if name.endswith("Pipeline"))
    return ", ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower() for name in classes)
