PYTHON ?= python3
VENV ?= .venv
# The versions that fini-gate supports. pyproject.toml and CI list the same ones.
PYTHONS ?= 3.11 3.12 3.13 3.14

LINTS := lint-format lint-ruff lint-mypy lint-codespell lint-hadolint lint-shellcheck lint-schemas lint-actionlint \
	lint-zizmor lint-audit
LINT := $(VENV)/lint/bin
SHELL_SCRIPTS = git grep --untracked --files-with-matches '^\#!.*sh$$' -- ':!*.md'
ISSUE_FORMS := $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))

.DEFAULT_GOAL := help
# Targets with a plain name are commands, not files.
.PHONY: $(shell sed -n 's/^\([a-z0-9-]*\):.*/\1/p' $(MAKEFILE_LIST))

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# One virtual environment per purpose; each holds exactly what its file in requirements/ locks. With UV=/path/to/uv, uv
# creates them, several times faster than venv and pip.
PIP_OPTIONS := --quiet --no-deps --require-hashes --only-binary :all: --requirement
$(VENV)/%/.ready: requirements/%.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "fini-gate needs Python 3.11 or later: make PYTHON=/path/to/python3")'
ifdef UV
	$(UV) venv --quiet --clear --python $(PYTHON) $(@D)
	$(UV) pip install --python $(@D)/bin/python $(PIP_OPTIONS) $<
else
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --disable-pip-version-check $(PIP_OPTIONS) $<
endif
	@touch $@

demo: $(VENV)/runtime/.ready ## gate about 20 jobs of a local stand-in API, or real jobs if FINI_API_KEY and JOB_IDS are set
	$(VENV)/runtime/bin/python -m demo

TEST := $(VENV)/test/bin
test: $(VENV)/test/.ready ## run all tests that need no Docker engine, in parallel (ARGS='-n 0': in one process)
	@$(TEST)/coverage erase
	$(TEST)/coverage run -m pytest -m 'not e2e and not package' --numprocesses auto $(ARGS)
	@$(TEST)/coverage combine --quiet
	$(TEST)/coverage report

# find-python VERSION: the first on the path or in pyenv that can create virtual environments (Debian's may not).
find-python = $(firstword $(foreach python,python$1 $(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/$1.*/bin/python),\
	$(shell $(python) -c 'import ensurepip, sys; print(sys.executable)' 2>/dev/null)))

test-all: $(PYTHONS:%=test-%) ## run the tests on every supported Python that is installed (PYTHONS='3.11 3.13': on these)
	@$(if $(strip $(foreach version,$(PYTHONS),$(call find-python,$(version)))),,echo 'found none of Python $(PYTHONS)'; exit 1)

test-3.%:
	$(if $(call find-python,3.$*),\
		$(MAKE) --no-print-directory test PYTHON=$(call find-python,3.$*) VENV=$(VENV)-3.$*,\
		@echo 'Python 3.$* is not installed: skipped')

e2e: $(VENV)/e2e/.ready ## build the image, run it as a runner does, run workflows under act, draw summaries in a browser
	$(VENV)/e2e/bin/python -m pytest -m e2e -p no:randomly tests/e2e tests/picture $(ARGS)

dist: $(VENV)/build/.ready ## build the wheel, the sdist and the shell completions, the same bytes each time
	rm -rf dist
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} \
		$(VENV)/build/bin/python -m build --no-isolation .
	$(VENV)/build/bin/python .ci/completions.py dist/completions

# Only locked packages are installed beside the wheel.
package: dist $(VENV)/lock/.ready $(VENV)/test/.ready ## install the wheel and the sdist on every supported Python, and run them
	UV=$(VENV)/lock/bin/uv FINI_GATE_PYTHONS='$(strip $(foreach version,$(PYTHONS),$(call find-python,$(version))))' \
		$(TEST)/python -m pytest -m package -p no:randomly --numprocesses auto --dist loadfile tests/package $(ARGS)

chaos: $(VENV)/test/.ready ## run 10,000 gates against a simulated faulty API, and 200 more over real sockets
	$(VENV)/test/bin/python -m tests.chaos --gates 10000 --sockets 200 --seed 1 $(ARGS)

fuzz: $(VENV)/test/.ready ## feed the gate 100,000 generated ID files, inputs and responses
	$(VENV)/test/bin/python -m tests.fuzz --cases 100000 --seed 1 $(ARGS)

mutants: $(VENV)/mutants/.ready ## make small changes to the code, and list those that no test notices
	$(VENV)/mutants/bin/python tests/mutants/check.py $(ARGS)

bench: $(VENV)/runtime/.ready ## measure how fast the gate is (ARGS='cost start': these sections), and write bench/RESULTS.md
	$(VENV)/runtime/bin/python -m bench $(ARGS)

picture: $(VENV)/runtime/.ready ## draw the README's picture of a job summary
	docs/picture/provide
	$(VENV)/runtime/bin/python -m docs.picture.draw docs/summary.png

interval-picture: $(VENV)/plot/.ready ## draw the picture of polling intervals (docs/performance.md)
	$(VENV)/plot/bin/python -m bench.draw docs/interval.png

lint: $(LINTS) ## run every linter and the type checker

lint-format: $(VENV)/lint/.ready ## check that all Python code is formatted
	$(LINT)/ruff format --check .

lint-ruff: $(VENV)/lint/.ready ## lint all Python code
	$(LINT)/ruff check .

lint-mypy: $(VENV)/lint/.ready ## check all types
	$(LINT)/mypy

lint-codespell: $(VENV)/lint/.ready ## look for misspelled words
	$(LINT)/codespell

lint-hadolint: $(VENV)/lint/.ready ## lint the Dockerfile
	$(LINT)/hadolint Dockerfile

lint-shellcheck: $(VENV)/lint/.ready ## lint every shell script
	$(SHELL_SCRIPTS) | xargs $(LINT)/shellcheck

# A component has two documents, and check-jsonschema reads one at a time.
COMPONENT := templates/fini-gate/template.yml
GITLAB_SCHEMA := $(LINT)/check-jsonschema --builtin-schema vendor.gitlab-ci --default-filetype yaml
# Azure's schema has patterns that JavaScript accepts only without the flag `u`.
lint-schemas: $(VENV)/lint/.ready ## validate action.yml, workflows, recipes, issue forms and dependabot.yml against their schemas
	$(LINT)/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml examples/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.azure-pipelines --regex-variant nonunicode examples/azure/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.bitbucket-pipelines examples/bitbucket/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.buildkite examples/buildkite/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.circle-ci examples/circleci/*.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(LINT)/check-jsonschema --builtin-schema vendor.github-issue-forms $(ISSUE_FORMS)
	sed '/^---$$/,$$d' $(COMPONENT) | $(GITLAB_SCHEMA) -
	sed '1,/^---$$/d' $(COMPONENT) | $(GITLAB_SCHEMA) -
	$(GITLAB_SCHEMA) examples/gitlab/.gitlab-ci.yml

lint-actionlint: $(VENV)/lint/.ready ## lint all workflows and the scripts in them
	$(LINT)/actionlint -shellcheck $(LINT)/shellcheck -pyflakes= .github/workflows/*.yml examples/*.yml

lint-zizmor: $(VENV)/lint/.ready ## look for security weaknesses in action.yml, workflows and dependabot.yml
	$(LINT)/zizmor --offline --quiet --persona pedantic --config .ci/zizmor.yml action.yml .github examples/*.yml

lint-audit: $(VENV)/lint/.ready ## look for known vulnerabilities in the locked packages, if the database is reachable
	.ci/audit $(LINT)/pip-audit requirements/*.txt

format: $(VENV)/lint/.ready ## format all Python code
	$(LINT)/ruff format .
	$(LINT)/ruff check --fix .

hooks: $(VENV)/lint/.ready ## run the relevant linters before each commit
	$(LINT)/pre-commit install

COMPILE = $(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock' $(ARGS)
lock: $(VENV)/lock/.ready ## write the lock files (ARGS='--upgrade-package requests': with its newest version)
	for purpose in lock build; do \
		$(COMPILE) --group "$$purpose" --output-file "requirements/$$purpose.txt" || exit; \
	done
	$(COMPILE) --extra github --output-file requirements/runtime.txt pyproject.toml
	$(COMPILE) --constraints requirements/runtime.txt --extra github --group test \
		--output-file requirements/test.txt pyproject.toml
	for purpose in lint e2e mutants plot; do \
		$(COMPILE) --constraints requirements/test.txt --extra github --group "$$purpose" \
			--output-file "requirements/$$purpose.txt" pyproject.toml || exit; \
	done

clean: ## remove everything that the other targets made
	rm -rf $(VENV) $(VENV)-* .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache dist mutants \
		docs/picture/node_modules tests/e2e/node/node_modules
