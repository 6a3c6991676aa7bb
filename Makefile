# Each command starts from python3 (3.11 or newer) and the package registry alone.
PYTHON ?= python3
BIN := .venv/bin
# Tests start many processes; without bytecode each would compile the product again.
export PYTHONDONTWRITEBYTECODE :=
# Tests with processes mostly wait, so four run at a time on two cores.
PYTEST := $(BIN)/python -m pytest -q -n 4 --dist loadgroup --no-loadscope-reorder
LOCK := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header

.PHONY: demo test test-all check bench bench-long screenshots lock messages clean

demo: .venv/.base
	@$(BIN)/efir demo $(if $(RESET),--reset)

# What to run before a commit: unit and integration tests, a webinar over HTTP, the demo, a backup, journeys in the browser.
test: .venv/.dev
	@$(PYTEST) -m "not slow"

# Everything, on both databases and on every installed supported Python. A failure on one does not hide the other's.
test-all: .venv/.dev
	@$(BIN)/python -m tools.pythons
	@status=0; $(BIN)/python -m tools.postgres $(PYTEST) --durations=30 || status=1; \
		$(PYTEST) --durations=30 || status=1; exit $$status

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tools.catalogs
	$(BIN)/python -m tools.settings_table --check
	EFIR_DATA_DIR=$$(mktemp -d) DJANGO_SETTINGS_MODULE=efir.settings $(BIN)/python -m django makemigrations --check --dry-run

bench: .venv/.dev
	@$(BIN)/python -m benchmarks

# An hour and a half: memory must not grow, and the delay must not drift.
bench-long: .venv/.dev
	@$(BIN)/python -m benchmarks --long

# Every page in every state into test-artifacts/screenshots/, and the committed ones in docs/screenshots/. Needs Chromium.
screenshots: .venv/.dev
	@$(BIN)/python -m tools.screenshots

# Lock files have hashes and no host names. First the dev group, so that both files have the same versions.
lock: .venv/.dev
	$(BIN)/python -m pip install -q uv
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/base.txt

# Needs GNU gettext (apt-get install gettext).
messages: .venv/.dev
	cd efir && ../$(BIN)/django-admin makemessages -l ru -l en --no-wrap --add-location file --ignore 'ops/cli/*' --settings efir.settings
	cd efir && ../$(BIN)/django-admin compilemessages --settings efir.settings

clean:
	rm -rf .venv

.venv/.base: requirements/base.txt requirements/build.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Efir needs Python 3.11 or newer")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ echo "Python's venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv …" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/base.txt -r requirements/build.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.base requirements/dev.txt
	@echo "Setting up what tests and checks need …" >&2
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@
