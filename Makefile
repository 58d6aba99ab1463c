# SPDX-License-Identifier: Apache-2.0
# Two commands to begin with: `make demo` and `make test`. VENV is the environment that they create or use.
VENV ?= .venv
PYTHON = $(VENV)/bin/python
BOOTSTRAP = VENV=$(VENV) tools/bootstrap.sh
C_FILES = $(shell git ls-files 'csrc/*.[ch]' 'tests/*.[ch]' 'benchmarks/*.[ch]')

.PHONY: help demo test parity parity-full check-c fuzz bench bench-quick lint lint-python lint-types lint-c dev-environment \
    format coverage wheel

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \t\2/p' Makefile | expand -t 24

demo: ## classify a table of messages with the default model
	@$(BOOTSTRAP)
	@$(PYTHON) -m deberta_c demo

test: ## the tests that need no other framework
	@$(BOOTSTRAP) test
	@$(PYTHON) -m pytest tests --ignore=tests/parity

parity: ## the comparison with transformers (installs torch)
	@$(BOOTSTRAP) test torch parity
	@$(PYTHON) -m pytest tests/parity

parity-full: ## the same with the full-size configurations and all texts (an hour)
	@$(BOOTSTRAP) test torch parity
	@$(PYTHON) -m pytest tests/parity -m "full or recorded"

check-c: ## the C tests under the address and undefined-behaviour sanitizers, some with emulated AVX-512 and AMX, too
	@$(BOOTSTRAP)
	@$(PYTHON) -m tools.check_c check
	@$(PYTHON) -m tools.check_c emulated

fuzz: ## the fuzz targets over their corpus and a minute of mutations
	@$(BOOTSTRAP)
	@$(PYTHON) -m tools.check_c fuzz

bench: ## the benchmark against transformers, onnxruntime and OpenVINO (an hour; installs them)
	@$(BOOTSTRAP) torch parity bench
	@$(PYTHON) -m benchmarks.peers.run
	@$(PYTHON) -m benchmarks.training.run
	@$(PYTHON) -m benchmarks.core.update

bench-quick: ## four works of it (five minutes)
	@$(BOOTSTRAP) torch parity bench
	@$(PYTHON) -m benchmarks.peers.run --quick

lint: lint-python lint-types lint-c ## ruff, mypy, basedpyright, stubtest, clang-format, warnings as errors; -k runs all

lint-python: dev-environment
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
lint-types: dev-environment
	$(PYTHON) -m tools.write_examples
	$(PYTHON) -m mypy deberta_c build/examples
	$(PYTHON) -m mypy.stubtest --mypy-config-file pyproject.toml deberta_c._core
	$(PYTHON) -m basedpyright
lint-c: dev-environment
	CFLAGS=-Werror $(PYTHON) setup.py -q build_ext --force --build-temp build/lint --build-lib build/lint
	$(VENV)/bin/clang-format --dry-run -Werror $(C_FILES)
dev-environment:
	@$(BOOTSTRAP) test dev

format: ## ruff and clang-format, in place
	@$(BOOTSTRAP) dev
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .
	$(VENV)/bin/clang-format -i $(C_FILES)

coverage: ## lines of csrc that the tests reach: build/coverage/index.html
	@$(BOOTSTRAP) test dev
	CFLAGS="--coverage -O1" $(PYTHON) setup.py -q build -b build/coverage --build-lib build/coverage/lib \
	    -t build/coverage/temp
	-$(VENV)/bin/pytest -o pythonpath="build/coverage/lib ." tests --ignore=tests/parity
	$(PYTHON) -m gcovr -r . --filter csrc/ --html-details build/coverage/index.html --txt - build/coverage/temp

wheel: ## a wheel of this interpreter in dist/
	@$(BOOTSTRAP)
	$(PYTHON) -m pip wheel -qq --disable-pip-version-check --no-deps -w dist .
