"""huggingface_hub itself, with a local server as its hub, and the cache that it creates."""

import hashlib
import json
import os
import re
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.support.tiny_models import write_model

pytest.importorskip("huggingface_hub")

COMMIT = "c0ffee" + "0" * 34
SCRIPT = """
import json, sys
import deberta_c
from deberta_c._files.hub import model_files, resolve
name, options = json.loads(sys.argv[1])
try:
    folder = resolve(name, files=model_files(), **options)
    model = deberta_c.AutoModelForSequenceClassification.from_pretrained(folder)
    tokenizer = deberta_c.AutoTokenizer.from_pretrained(name, **options)
    print(json.dumps([str(folder), tokenizer("hello world").input_ids, model.predict(["hello world"]).tolist()]))
except OSError as error:
    print(json.dumps(str(error)))
"""


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        _, owner, name, _, revision, *parts = self.path.split("?")[0].split("/")
        file = self.server.files.joinpath(*parts)
        self.server.asked.append((self.command, revision, "/".join(parts), self.headers.get("authorization")))
        if (owner, name) != ("org", "tiny"):
            return self.refuse("RepoNotFound", 401)
        if revision not in ("main", COMMIT):
            return self.refuse("RevisionNotFound")
        if not file.is_file():
            return self.refuse("EntryNotFound")
        data = file.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
        return None

    def refuse(self, code, status=404):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """The server is silent."""


@pytest.fixture
def hub(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.asked = write_model(tmp_path / "remote"), []
    (server.files / "pytorch_model.bin").write_text("not this one")
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(hub, tmp_path, name="org/tiny", variables=(), **options):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    environment |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_port}", "HF_HOME": str(tmp_path / "hf")}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1", **dict(variables)}
    hub.asked.clear()
    command = [sys.executable, "-c", SCRIPT, json.dumps([name, options])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_downloaded_once_and_found_again(hub, tmp_path):
    folder, ids, logits = first = run(hub, tmp_path, token="hf_secret")
    assert folder == str(tmp_path / f"hf/hub/models--org--tiny/snapshots/{COMMIT}")
    assert {file for command, _, file, _ in hub.asked if command == "GET"} == {
        "config.json",
        "model.safetensors",
        "spm.model",
        "tokenizer_config.json",
    }
    assert {token for _, _, _, token in hub.asked} == {"Bearer hf_secret"}
    assert len(ids) > 3
    assert len(logits[0]) == 3
    assert run(hub, tmp_path) == first
    assert {(command, file) for command, _, file, _ in hub.asked} == {("HEAD", "config.json")}
    assert run(hub, tmp_path, variables={"HF_HUB_OFFLINE": "1"}) == first
    assert run(hub, tmp_path, local_files_only=True, revision=COMMIT) == first
    assert run(hub, tmp_path, variables={"HF_ENDPOINT": "http://127.0.0.1:9"}) == first  # no server listens
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "options", "variables", "message"),
    [
        ("org/other", {}, {}, "'org/other'.*check the name and the revision.*token"),
        ("org/tiny", {"revision": "v9"}, {}, "at revision 'v9' cannot be fetched.*check the name and the revision"),
        ("org/tiny", {"subfolder": "onnx"}, {}, "model 'org/tiny' has no config.json"),
        ("org/tiny", {}, {"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set: leave that out once"),
    ],
)
def test_models_that_cannot_be_fetched(hub, tmp_path, name, options, variables, message):
    assert re.search(message, run(hub, tmp_path, name, variables, **options))
