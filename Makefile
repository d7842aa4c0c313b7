PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# What the code promises to run on; pyproject.toml and CI say the same.
PYTHONS ?= 3.11 3.12 3.13 3.14

LINTS := lint-format lint-ruff lint-mypy lint-codespell lint-hadolint lint-shellcheck lint-schemas lint-actionlint \
	lint-zizmor lint-audit

.DEFAULT_GOAL := help
# Whatever has a plain name is a command, and no file.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' $(MAKEFILE_LIST))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

test-all: ## run all tests but those that need a Docker engine on every Python that is there (PYTHONS='3.11 3.13': on these)
	.ci/test-all $(PYTHONS)

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

interval-picture: $(READY) ## draw the picture of lag against polls
	$(BIN)/python -m bench.draw docs/interval.png

lint: $(LINTS) ## run every linter and the type checker

lint-format: $(READY) ## is all Python formatted?
	$(BIN)/ruff format --check .

lint-ruff: $(READY) ## lint all Python
	$(BIN)/ruff check .

lint-mypy: $(READY) ## check all types
	$(BIN)/mypy

lint-codespell: $(READY) ## look for misspelt words
	$(BIN)/codespell

lint-hadolint: $(READY) ## lint the Dockerfile
	$(BIN)/hadolint Dockerfile

lint-shellcheck: $(READY) ## lint every shell script, by its first line
	git grep --untracked --files-with-matches '^#!.*sh$$' -- ':!*.md' | xargs $(BIN)/shellcheck

lint-schemas: $(READY) ## hold action.yml, workflows, forms and dependabot.yml to their schemas
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

lint-actionlint: $(READY) ## lint all workflows and the scripts in them
	$(BIN)/actionlint -shellcheck $(BIN)/shellcheck -pyflakes= .github/workflows/*.yml examples/*.yml

lint-zizmor: $(READY) ## look for weaknesses in action.yml, workflows and dependabot.yml
	$(BIN)/zizmor --offline --quiet --persona pedantic --config .ci/zizmor.yml action.yml .github examples/*.yml

lint-audit: $(READY) ## look for known vulnerabilities of the locked packages, where their database can be reached
	.ci/audit $(BIN)/pip-audit

format: $(READY) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

hooks: $(READY) ## let git run the linters before each commit, those that the change concerns
	$(BIN)/pre-commit install

lock: ## lock the dependencies anew (needs uv): requirements.txt for the image, requirements-dev.txt for development
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' --output-file requirements.txt pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command 'make lock' --constraint requirements.txt --group dev --output-file requirements-dev.txt pyproject.toml

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache mutants docs/picture/node_modules
