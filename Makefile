# From a fresh clone: `make quickstart` shows a result, `make test` runs every test. Needs make, git and Python >= 3.11.
VENV ?= .venv
# Each process takes half of the tests, in order, and who is done takes half of what the other has left: a file's tests
# share what one process has traced, and neither waits long for the other.
PYTEST_ARGS ?= -n 2 --dist worksteal
BIN := $(VENV)/bin

# A name on the PATH may be a shim for nothing, so each interpreter is run before it is chosen: first one of the versions
# that constraints.txt was tested on, else any that is new enough. `make PYTHON=...` takes another.
USABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
TESTED := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12), (3, 13)})
PYTHON ?= $(shell for ask in "$(TESTED)" "$(USABLE)"; do for python in python3 python3.12 python3.13 python3.11 python3.14; \
	do $$python -c "$$ask" >/dev/null 2>&1 && echo $$python && exit; done; done)
NO_PYTHON := Expected a Python >= 3.11 with the venv and ensurepip modules, found none (Debian: python3-venv); \
	name one with make PYTHON=/path/to/python3.12

.PHONY: help quickstart test fast check docs wheel lower-bounds clean
help:
	@echo "make quickstart   install into $(VENV) and show a first result"
	@echo "make test         the same with the test tools, then every test, by two processes (PYTEST_ARGS='-n 4' for four)"
	@echo "make fast         the same without the slow tests"
	@echo "make check        formatting, lint and types"
	@echo "make docs         the site in docs/_build/html, with the examples of its gallery run, and its links checked"
	@echo "make wheel        build the wheel, install it alone into an empty environment, and run it there"
	@echo "make lower-bounds the same with the oldest releases that pyproject.toml allows"
	@echo "make clean        remove $(VENV) and the caches"

quickstart: $(VENV)/.installed
	$(BIN)/fedjax-shap quickstart

test: $(VENV)/.installed-test
	$(BIN)/fedjax-shap quickstart
	$(BIN)/python -m pytest $(PYTEST_ARGS)

fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m 'not slow' $(PYTEST_ARGS)

check: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Each build runs the gallery and reads every page anew; a warning fails it. Examples share what they compile.
docs: export JAX_COMPILATION_CACHE_DIR = $(CURDIR)/docs/_build/programs
docs: export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS = 0.2
docs: $(VENV)/.installed-docs
	rm -rf docs/_build docs/auto_gallery
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html
	$(BIN)/python docs/check_links.py docs/_build/html

wheel: $(VENV)/.installed-test
	rm -rf dist .venv-wheel
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(BIN)/python -c "$(COMPLETE)"
	$(BIN)/python -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	$(call try_out,.venv-wheel)
	cd .venv-wheel/away && ../bin/fedjax-shap sweep ../../examples/sums.toml --set seed=0,1 --out study
	cd .venv-wheel/away && ../bin/fedjax-shap report study --out study.html && ../bin/fedjax-shap audit study/seed=0
	cd .venv-wheel/away && ../bin/fedjax-shap list >/dev/null

lower-bounds: wheel
	rm -rf .venv-lower
	$(BIN)/python -m venv .venv-lower
	$(BIN)/python -c "$(BOUNDS)" > .venv-lower/bounds.txt
	.venv-lower/bin/python -m pip install --quiet --disable-pip-version-check -c .venv-lower/bounds.txt dist/*.whl
	$(call try_out,.venv-lower)

clean:
	rm -rf dist docs/_build docs/auto_gallery .venv-wheel .venv-lower $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The oldest releases that pyproject.toml allows, as constraints.
BOUNDS := import tomllib; wanted = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
	print('\n'.join(one.replace('>=', '==') for one in wanted))

# Every file of the package is in the wheel: templates, styles, scripts and configurations too.
COMPLETE := import glob, pathlib, sys, zipfile; inside = set(zipfile.ZipFile(*glob.glob('dist/*.whl')).namelist()); \
	files = [one for one in pathlib.Path('fedjax_shap').rglob('*') if one.is_file() and one.suffix != '.pyc']; \
	missing = [str(one) for one in files if one.as_posix() not in inside]; \
	sys.exit(f'Expected the wheel to hold {missing}.' if missing else 0)

# Runs the package that $(1) holds, from a folder without its source: no tests and no extras are there.
try_out = mkdir -p $(1)/away && cd $(1)/away && ../bin/fedjax-shap --version && ../bin/fedjax-shap quickstart

# Installs what $(1) names; an environment whose interpreter no longer runs is made anew.
define install
	@$(BIN)/python -c '' 2>/dev/null || { python="$(PYTHON)"; \
	"$${python:-false}" -c "$(USABLE)" 2>/dev/null || { echo '$(NO_PYTHON)' >&2; exit 1; }; \
	echo "Making $(VENV) with $$("$$python" --version)"; "$$python" -m venv --clear "$(VENV)"; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(BIN)/python -m ensurepip >/dev/null
	@echo "Installing into $(VENV) (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '$(1)'
endef

$(VENV)/.installed: pyproject.toml constraints.txt
	$(call install,.)
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt
	$(call install,.[test])
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: pyproject.toml constraints.txt
	$(call install,.[docs])
	@touch $(VENV)/.installed $@
