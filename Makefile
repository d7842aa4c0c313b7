PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo bench test e2e chaos fuzz mutants picture lint format lock clean rhythm-picture

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "fini-gate needs Python 3.11 or later; say which: make PYTHON=/path/to/python3")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-dev.txt
	touch $@

demo: $(READY) ## gate some twenty jobs of a local stand-in API (or, with FINI_API_KEY and JOB_IDS set, real ones)
	$(BIN)/python -m demo

bench: $(READY) ## measure how fast the gate is beside its peers (ARGS='cost start': some sections); writes bench/RESULTS.md
	$(BIN)/python -m bench $(ARGS)

test: $(READY) ## run all tests but those that need a Docker engine
	$(BIN)/python -m pytest -m 'not e2e' --cov --cov-report=term $(ARGS)

e2e: $(READY) ## build the image, run it as the runner does, run workflows under act, and draw summaries in a browser
	$(BIN)/python -m pytest -m e2e -p no:randomly tests/e2e tests/picture

chaos: $(READY) ## run thousands of gates against a model of the API with faults, and some over real sockets
	$(BIN)/python tests/chaos/campaign.py --gates 10000 --sockets 200 --seed 1 $(ARGS)

fuzz: $(READY) ## feed the gate 100,000 ID files, inputs and answers that were made up or spoiled
	$(BIN)/python tests/fuzz/fuzz.py --cases 100000 --seed 1 $(ARGS)

mutants: $(READY) ## change the code in small ways, and list the changes that no test notices
	$(BIN)/python tests/mutants/check.py $(ARGS)

picture: $(READY) ## draw the README's picture of a summary
	docs/picture/provide
	$(BIN)/python -m docs.picture.draw docs/summary.png

rhythm-picture: $(READY) ## draw the README's picture of the rhythm
	$(BIN)/python -m bench.draw docs/rhythm.png

lint: $(READY) ## run every linter and the type checker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/hadolint Dockerfile
	$(BIN)/shellcheck .ci/run bench/curl_loop tests/e2e/provide docs/picture/provide
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/zizmor --offline --quiet action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows examples/*.yml
	$(BIN)/zizmor --offline --quiet --persona pedantic --config .ci/zizmor.yml examples/*.yml

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: ## lock the dependencies anew (needs uv): requirements.txt for the image, requirements-dev.txt for development
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' --output-file requirements.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' --constraint requirements.txt --group dev --output-file requirements-dev.txt pyproject.toml

clean: ## remove what the other targets made
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache mutants docs/picture/node_modules
