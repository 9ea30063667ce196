# Two commands: `make run` starts DeepSegm on this machine, `make test` checks it. Both install what they need.
PYTHON ?= python3
BIN := .venv/bin

# Tests and tools start Python hundreds of times: where nothing compiled is kept, each time twice as slowly.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-all js test-services e2e lint benchmarks clean

run: .venv/run-ready
	@exec $(BIN)/python manage.py up $(ARGS)

# One process a core, each with one thread: more threads than cores are slower than one.
PARALLEL := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test: .venv/test-ready
	@if command -v node >/dev/null; then $(MAKE) --no-print-directory js; \
	  else echo "The tests of the scripts are skipped: there is no node (Debian's nodejs) here."; fi
	$(PARALLEL) $(ARGS)

# With what takes long and seldom breaks, as CI does it.
test-all: override ARGS += -m "not e2e and not benchmark"
test-all: test

# The scripts' arithmetic, by node's own test runner (18 or later): it needs no package.
js:
	node --test tests/js/*.test.mjs

# The same on PostgreSQL and Redis, for what touches them; .ci/services starts both.
test-services: .venv/test-ready
	bash .ci/services $(PARALLEL) -m "services and not e2e and not benchmark" tests/web tests/worker $(ARGS)

e2e: .venv/test-ready
	env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m e2e -n 2 --dist loadfile tests/e2e $(ARGS)

benchmarks: .venv/test-ready
	$(BIN)/python -m pytest -m benchmark -s tests/benchmarks $(ARGS)

lint: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Debian ships Python's venv apart; root can fetch it, anyone else is told how.
.venv/made:
	@rm -rf .venv && $(PYTHON) -m venv .venv 2>/dev/null \
	  || { rm -rf .venv; [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv .venv; } \
	  || { rm -rf .venv; echo "Python's venv module is missing: run 'sudo apt-get install python3-venv', then try again."; exit 1; }
	@touch $@

.venv/run-ready: .venv/made requirements.txt
	@echo "Installing what DeepSegm needs (once, a few minutes) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/test-ready: .venv/run-ready requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
