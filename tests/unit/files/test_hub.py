"""Names of the hub: the cache, with and without huggingface_hub, and no unexpected network access."""

import json
import shutil
import socket
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import deberta_c
from deberta_c._files.adapters import ADAPTER
from deberta_c._files.hub import CONFIG, TOKENIZER, WEIGHTS, Wanted, model_files, resolve
from tests.support.tiny_models import safetensors_bytes, tiny_tensors, write_model

MODEL = model_files()

NAME = "org/tiny"
COMMIT, OTHER = "c0ffee" + "0" * 34, "decade" + "1" * 34
ABSENT = [name for wanted in TOKENIZER for name in wanted.names]


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """Its own home folder, an empty cache, no huggingface_hub."""
    for variable in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)


@pytest.fixture
def no_sockets(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("the network was asked")

    for function in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, function, refuse)


def cached(cache, commit=COMMIT, ref="main", **changes):
    """Puts a model into a cache as huggingface_hub does; returns its folder."""
    home = cache / "models--org--tiny"
    folder = write_model(home / "snapshots" / commit, **changes)
    (home / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (home / "refs" / ref).write_text(commit)
    return folder


# ---- directories ----


def test_a_directory_wins(tmp_path, monkeypatch):
    cached(tmp_path / "home/.cache/huggingface/hub")
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "org" / "tiny" / "deep")
    assert resolve(NAME, files=CONFIG) == tmp_path / "org" / "tiny"
    assert resolve(NAME, files=CONFIG, subfolder="deep") == tmp_path / "org" / "tiny" / "deep"
    assert resolve(Path(NAME), files=CONFIG) == tmp_path / "org" / "tiny"
    with pytest.raises(OSError, match="there is no directory 'org/tiny/deeper'"):
        resolve(NAME, files=CONFIG, subfolder="deeper")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="'file' is a file"):
        resolve("file", files=CONFIG)


@pytest.mark.parametrize(
    "name",
    ["/no/such", "./tiny", "~/tiny", "a/b/c", "org/", "/tiny", "org//tiny", "a..b", "a--b", "ä", "a b", "a\n"],
)
def test_what_is_neither_a_directory_nor_a_name(name):
    with pytest.raises(OSError, match="there is no directory"):
        resolve(name, files=CONFIG)
    with pytest.raises(OSError, match="there is no directory"):
        resolve(Path("no/such"), files=CONFIG)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"revision": "../../x"}, ValueError),
        ({"revision": "/etc"}, ValueError),
        ({"subfolder": "../.."}, ValueError),
        ({"subfolder": "/etc"}, ValueError),
        ({"revision": 3}, TypeError),
        ({"subfolder": Path("x")}, TypeError),
    ],
)
def test_arguments_stay_within_the_repository(tmp_path, options, kind):
    with pytest.raises(kind, match=next(iter(options))):
        resolve(NAME, files=CONFIG, **options)
    with pytest.raises(kind, match=next(iter(options))):
        resolve(tmp_path, files=CONFIG, **options)


# ---- the cache ----


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        (None, None, "home/.cache/huggingface/hub"),
        ("XDG_CACHE_HOME", "{}/xdg", "xdg/huggingface/hub"),
        ("HF_HOME", "{}/hf", "hf/hub"),
        ("HF_HOME", "~/hf", "home/hf/hub"),
        ("HF_HUB_CACHE", "$HOME/cache", "home/cache"),
        ("HUGGINGFACE_HUB_CACHE", "{}/old", "old"),
    ],
)
def test_where_the_cache_is(tmp_path, monkeypatch, variable, value, place):
    if variable:
        monkeypatch.setenv(variable, value.format(tmp_path))
    folder = cached(tmp_path / place)
    assert resolve(NAME, files=MODEL) == folder


def test_revisions_in_the_cache(tmp_path):
    main, branch = cached(tmp_path), cached(tmp_path, OTHER, "refs/pr/1")
    assert resolve(NAME, files=MODEL, cache_dir=tmp_path) == main
    assert resolve(NAME, files=MODEL, cache_dir=str(tmp_path), revision="refs/pr/1") == branch
    assert resolve(NAME, files=MODEL, cache_dir=tmp_path, revision=OTHER) == branch
    with pytest.raises(OSError, match=r"at revision 'v2' in the hub's cache.*pip install huggingface_hub"):
        resolve(NAME, files=MODEL, cache_dir=tmp_path, revision="v2")


def test_names_without_an_owner_and_folders(tmp_path):
    write_model(tmp_path / "models--tiny" / "snapshots" / COMMIT / "deep" / "er")
    found = resolve("tiny", files=MODEL, cache_dir=tmp_path, revision=COMMIT, subfolder="deep/er")
    assert (found / "config.json").is_file()


@pytest.mark.parametrize(
    ("options", "variable", "reason", "remedy"),
    [
        ({}, None, "huggingface_hub is not installed", "pip install huggingface_hub"),
        ({}, ("HF_HUB_OFFLINE", "1"), "HF_HUB_OFFLINE is set", "hf download org/tiny"),
        ({}, ("TRANSFORMERS_OFFLINE", "true"), "TRANSFORMERS_OFFLINE is set", "hf download org/tiny"),
        ({"local_files_only": True}, None, "local_files_only is true", "hf download org/tiny"),
    ],
)
def test_what_to_do_when_the_cache_lacks_it(tmp_path, monkeypatch, options, variable, reason, remedy):
    if variable:
        monkeypatch.setenv(*variable)
    with pytest.raises(FileNotFoundError, match=f"no directory 'org/tiny', and no model.*{reason}: .*{remedy}"):
        resolve(NAME, files=MODEL, cache_dir=tmp_path, **options)
    folder = cached(tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=f"'org/tiny' without model.safetensors or .*{reason}: .*{remedy}"):
        resolve(NAME, files=MODEL, cache_dir=tmp_path, **options)
    assert resolve(NAME, files=TOKENIZER, cache_dir=tmp_path, **options) == folder


# ---- huggingface_hub ----


class Hub:
    """A huggingface_hub that serves a directory, records the requests, and fills a cache."""

    def __init__(self, cache):
        self.cache = cache
        self.remote = cache.parent / "remote"
        self.remote.mkdir()
        self.calls = []
        self.options = None
        self.failure = None
        self.module, self.errors = ModuleType("huggingface_hub"), ModuleType("huggingface_hub.errors")
        self.module.hf_hub_download = self.download
        self.module.hf_hub_url = lambda repo_id, filename, revision: filename
        self.module.get_hf_file_metadata = self.reach
        self.reached = []
        self.errors.EntryNotFoundError = type("EntryNotFoundError", (Exception,), {})
        self.errors.LocalEntryNotFoundError = type(
            "LocalEntryNotFoundError", (FileNotFoundError, self.errors.EntryNotFoundError), {}
        )

    def download(self, repo_id, filename, **options):
        assert repo_id == NAME
        self.calls.append((filename, options.pop("revision")))
        self.options = options
        if self.failure:
            raise self.failure
        home = self.cache / "models--org--tiny"
        there = (self.remote / filename).is_file()
        target = home / ("snapshots" if there else ".no_exist") / COMMIT / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        if not there:
            target.touch()
            raise self.errors.EntryNotFoundError(filename)
        shutil.copy(self.remote / filename, target)
        return str(target)

    def reach(self, url, token):
        self.reached.append(url)
        if self.failure:
            raise self.failure
        if not (self.remote / url).is_file():
            raise self.errors.EntryNotFoundError(url)

    def asked(self):
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def hub(monkeypatch, tmp_path):
    fake = Hub(tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake.module)
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", fake.errors)
    monkeypatch.setenv("HF_HUB_CACHE", str(fake.cache))
    return fake


def test_exactly_what_is_needed_is_fetched_from_one_commit(hub):
    write_model(hub.remote)
    (hub.remote / "pytorch_model.bin").write_text("not this one")
    (hub.remote / "README.md").write_text("nor this one")
    folder = resolve(NAME, files=MODEL, token="secret", revision="main")
    asked = hub.asked()
    assert asked[:3] == [("config.json", "main"), ("model.safetensors", COMMIT), ("tokenizer_config.json", COMMIT)]
    assert {revision for _, revision in asked[1:]} == {COMMIT}
    assert hub.options == {"cache_dir": None, "token": "secret", "force_download": False}
    assert {path.name for path in folder.iterdir()} == {path.name for path in hub.remote.iterdir()} - {
        "pytorch_model.bin",
        "README.md",
    }
    assert resolve(NAME, files=MODEL) == folder
    assert hub.asked() == [("config.json", "main")]  # whether it is still this commit; everything else is cached
    assert resolve(NAME, files=MODEL, cache_dir="elsewhere", local_files_only=False) == folder
    assert hub.options["cache_dir"] == "elsewhere"
    hub.asked()
    assert resolve(NAME, files=MODEL, force_download=True) == folder
    assert hub.options["force_download"]
    assert hub.asked() == asked


def test_weights_in_the_order_of_transformers(hub):
    (hub.remote / "config.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"'org/tiny' has no model.safetensors or .*pytorch_model.bin.index"):
        resolve(NAME, files=MODEL)
    assert [name for name, _ in hub.asked()] == ["config.json", *WEIGHTS, ADAPTER]
    shutil.rmtree(hub.cache)
    (hub.remote / "pytorch_model.bin").write_text("x")
    resolve(NAME, files=MODEL[:2])
    assert [name for name, _ in hub.asked()] == ["config.json", *WEIGHTS[:3]]


def test_shards_are_fetched(hub):
    (hub.remote / "sub").mkdir()
    (hub.remote / "sub/config.json").write_text("{}")
    index = {"weight_map": {"a": "two.safetensors", "b": "one.safetensors", "c": "two.safetensors"}}
    (hub.remote / "sub/model.safetensors.index.json").write_text(json.dumps(index))
    (hub.remote / "sub/one.safetensors").write_text("1")
    with pytest.raises(
        FileNotFoundError, match=r"has no two.safetensors, which its model.safetensors.index.json lists"
    ):
        resolve(NAME, files=MODEL, subfolder="sub")
    shutil.rmtree(hub.cache)
    (hub.remote / "sub/two.safetensors").write_text("2")
    folder = resolve(NAME, files=MODEL, subfolder="sub")
    assert folder == hub.cache / "models--org--tiny/snapshots" / COMMIT / "sub"
    assert (folder / "one.safetensors").read_text() + (folder / "two.safetensors").read_text() == "12"
    index["weight_map"]["a"] = "../../evil"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    hub.asked()
    with pytest.raises(ValueError, match=r"'../../evil', which is not a file name"):
        resolve(NAME, files=MODEL, subfolder="sub")
    assert hub.asked() == [("sub/config.json", "main")]


def test_an_adapter_is_fetched_for_its_error(hub):
    (hub.remote / ADAPTER).write_text('{"peft_type": "LORA"}')
    folder = resolve(NAME, files=MODEL)
    assert [path.name for path in folder.iterdir()] == [ADAPTER]
    with pytest.raises(ValueError, match="holds the LORA adapter of peft, not a whole model"):
        deberta_c.AutoModel.from_pretrained(NAME)


def test_a_tokenizer_needs_one_file_at_least(hub):
    with pytest.raises(FileNotFoundError, match="none of the files of a tokenizer"):
        resolve(NAME, files=TOKENIZER)
    assert [name for name, _ in hub.asked()] == ABSENT
    with pytest.raises(FileNotFoundError, match="has no one or two"):
        resolve(NAME, files=[Wanted(("one", "two"))])


def test_no_call_when_the_hub_is_offline(hub, monkeypatch):
    cached(hub.cache)
    monkeypatch.setattr(hub.module, "hf_hub_download", None)
    resolve(NAME, files=MODEL, local_files_only=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    resolve(NAME, files=MODEL)
    assert hub.calls == []


def test_what_cannot_be_fetched(hub):
    hub.failure = hub.errors.LocalEntryNotFoundError("no route\nto the hub")
    with pytest.raises(
        OSError,
        match=r"no directory 'org/tiny'.*config.json.*'v1'.*\(no route\); check the spelling and the connection",
    ):
        resolve(NAME, files=MODEL, revision="v1")
    hub.failure = PermissionError("401 Client Error")
    with pytest.raises(OSError, match=r"\(401 Client Error\); check the name and the revision.*token"):
        resolve(NAME, files=MODEL)


def test_connections_that_break(hub):
    """Connections fail with various exceptions; callers get an OSError."""
    hub.failure = type("RemoteProtocolError", (Exception,), {})("peer closed connection\nwithout a body")
    with pytest.raises(
        ConnectionError,
        match=r"config.json.*\(RemoteProtocolError: peer closed connection\); check the spelling.*, or copy",
    ):
        resolve(NAME, files=MODEL)
    hub.failure = RuntimeError()
    with pytest.raises(ConnectionError, match=r"\(RuntimeError\); check the spelling"):
        resolve(NAME, files=MODEL)
    folder = cached(hub.cache)
    assert resolve(NAME, files=MODEL) == folder
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        OSError, match=r"'org/tiny' without model.safetensors or .*\(RuntimeError\); check the spelling"
    ):
        resolve(NAME, files=MODEL)


def test_one_request_before_a_download_that_would_retry(hub):
    hub.failure = RuntimeError("no route")
    with pytest.raises(ConnectionError, match="local_files_only=True or HF_HUB_OFFLINE=1 never ask the hub"):
        resolve(NAME, files=MODEL)
    assert (hub.asked(), hub.reached) == ([], ["config.json"])
    hub.failure = None
    write_model(hub.remote)
    hub.reached.clear()
    resolve(NAME, files=MODEL)
    assert hub.reached == ["config.json"]
    (hub.cache / "models--org--tiny" / "refs").mkdir()
    (hub.cache / "models--org--tiny" / "refs" / "main").write_text(COMMIT)
    resolve(NAME, files=MODEL)
    assert hub.reached == ["config.json"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("org/tinny", r"in the folder 'org'; did you mean 'org/tiny'\?; to have .* run `hf download org/tinny` first"),
        ("org/other", "in the folder 'org', only tiny; to have"),
        ("empty/other", "in the folder 'empty'; to have"),
    ],
)
def test_a_mistyped_path_is_not_a_name(hub, tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "tiny").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=message):
        resolve(name, files=MODEL)
    assert (hub.asked(), hub.reached) == ([], [])


def test_a_cached_model_is_found_beside_a_folder_of_its_owner(tmp_path, monkeypatch):
    (tmp_path / "org").mkdir()
    monkeypatch.chdir(tmp_path)
    folder = cached(tmp_path / "cache")
    assert resolve(NAME, files=MODEL, cache_dir=tmp_path / "cache") == folder


@pytest.mark.parametrize("token", ["", "hf_SECRET\n", "hf SECRET", "hf_SECRÉT", b"hf_SECRET", ["hf_SECRET"], 1])
def test_invalid_access_tokens(tiny, token):
    for name in (NAME, tiny):
        with pytest.raises((TypeError, ValueError), match=r"^token (is|has)") as caught:
            resolve(name, files=MODEL, token=token)
        assert "SECR" not in str(caught.value)
        assert isinstance(caught.value, TypeError) is not isinstance(token, str)


def test_a_cached_model_without_a_connection(hub):
    """Optional files that were never requested may be missing; required files may not."""
    folder = cached(hub.cache)
    hub.failure = hub.errors.LocalEntryNotFoundError("no route")
    assert resolve(NAME, files=MODEL, subfolder=None) == folder
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        OSError, match=r"'org/tiny' without model.safetensors or .*\(no route\); check the spelling and the connection"
    ):
        resolve(NAME, files=MODEL)


# ---- the classes, and no network ----


def test_a_tokenizer_by_name(tmp_path, tokenizer, no_sockets):
    folder = cached(tmp_path)
    ours = deberta_c.AutoTokenizer.from_pretrained(NAME, cache_dir=tmp_path, revision="main", subfolder="", token=None)
    assert ours(["hello world"]) == tokenizer(["hello world"])
    assert str(folder) in repr(ours)
    named = deberta_c.DebertaV2Tokenizer.from_pretrained(NAME, cache_dir=tmp_path, local_files_only=True)
    assert named(["hello world"]) == tokenizer(["hello world"])
    with pytest.raises(OSError, match="there is no directory 'org/other'"):
        deberta_c.AutoTokenizer.from_pretrained("org/other", cache_dir=tmp_path)


@pytest.mark.parametrize(
    "name", ["AutoConfig", "DebertaV2Config", "AutoModel", "DebertaV2Model", "AutoTokenizer", "DebertaV2Tokenizer"]
)
@pytest.mark.parametrize(
    "option",
    [
        *("use_auth_token", "proxies", "resume_download", "code_revision", "local_dir"),
    ],
)
def test_arguments_that_are_not_supported(tiny, name, option):
    with pytest.raises(TypeError, match=f"^{option} is not supported: ") as caught:
        getattr(deberta_c, name).from_pretrained(tiny, **{option: "hf_SECRET"})
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("name", ["AutoConfig", "AutoModel", "DebertaV2Model", "AutoTokenizer", "DebertaV2Tokenizer"])
def test_code_of_repositories_is_never_run(tiny, name):
    with pytest.warns(UserWarning, match="trust_remote_code is ignored: no code"):
        getattr(deberta_c, name).from_pretrained(tiny, trust_remote_code=True)
    getattr(deberta_c, name).from_pretrained(tiny, trust_remote_code=False, force_download=True)


def test_no_network_for_a_directory_or_a_cached_name(tmp_path, tiny, model, no_sockets):
    cached(tmp_path)
    expected = model.predict(["hello world", "free entry"])
    for folder in (tiny, resolve(NAME, files=MODEL, cache_dir=tmp_path)):
        again = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
        np.testing.assert_array_equal(again.predict(["hello world", "free entry"]), expected)
    with pytest.raises(AssertionError, match="the network was asked"):
        socket.create_connection(("localhost", 80))


def test_a_cached_model_of_shards(tmp_path, model):
    folder = cached(tmp_path)
    (folder / "model.safetensors").unlink()
    tensors = list(tiny_tensors(model.config.to_dict()).items())
    parts = {"a.safetensors": dict(tensors[:9]), "b.safetensors": dict(tensors[9:])}
    for name, part in parts.items():
        (folder / name).write_bytes(safetensors_bytes(part))
    weight_map = {tensor: name for name, part in parts.items() for tensor in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    found = resolve(NAME, files=MODEL, cache_dir=tmp_path)
    again = deberta_c.AutoModelForSequenceClassification.from_pretrained(found)
    np.testing.assert_array_equal(again.predict(["hello"]), model.predict(["hello"]))
