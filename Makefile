# Two commands: `make run` starts DeepSegm on this machine, `make test` checks it. Both install what they need.
PYTHON ?= python3
BIN := .venv/bin

# Tests and tools start Python hundreds of times: where nothing compiled is kept, each time twice as slowly.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow test-all js test-services e2e lint fuzz benchmarks lock audit sbom digests clean

run: .venv/run-ready
	@exec $(BIN)/python manage.py up $(ARGS)

# One process a core, each with one thread: more threads than cores are slower than one.
PARALLEL := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test: .venv/test-ready
	@if command -v node >/dev/null; then $(MAKE) --no-print-directory js; \
	  else echo "The tests of the scripts are skipped: there is no node (Debian's nodejs) here."; fi
	$(PARALLEL) $(ARGS)

# What takes long and seldom breaks; CI runs it last, if there is time (.ci/run).
test-slow: .venv/test-ready
	$(PARALLEL) -m "slow and not e2e and not benchmark" $(ARGS)

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

# Damaged files for every reader; as in CI, or e.g. ARGS="micrographs --seconds 600".
fuzz: .venv/test-ready
	$(BIN)/python -m tests.fuzz $(ARGS)

benchmarks: .venv/test-ready
	$(BIN)/python -m pytest -m benchmark -s $(or $(ARGS),tests/benchmarks)

lint: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile

# Every version with the hashes of its files, for each platform: all that requirements.txt needs, and of it what the small
# image has (docker/Dockerfile). Versions stay as they are; ARGS=--upgrade takes the newest that requirements.txt allows.
HEAVY := torch|torchvision|segmentation-models-pytorch|timm|safetensors|scipy|scikit-image|matplotlib
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11.3 --generate-hashes --no-annotate --no-header
lock: .venv/test-ready
	$(COMPILE) $(ARGS) requirements.txt --output-file requirements.lock
	grep -vE '^($(HEAVY))\b' requirements.txt | $(COMPILE) $(ARGS) - --constraint requirements.lock --output-file docker/web.lock

# Known faults of what is installed, and a list of it for those who must keep one (CycloneDX); both ask PyPI.
audit:
	$(BIN)/uvx pip-audit==2.10.1 --vulnerability-service pypi --disable-pip --require-hashes -r requirements.lock
sbom:
	$(BIN)/uvx --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --output-file $(or $(FILE),sbom.json)

# By digest in place of tags, where registries can be reached: docs/operate/deploy.md.
PYTHON_IMAGE = $(shell sed -n 's/^FROM \(python:[^@ ]*\).*/\1/p' docker/Dockerfile)
digests:
	docker compose --file docker/compose.yaml --profile '*' config --lock-image-digests > docker/digests.yaml
	digest=$$(docker buildx imagetools inspect $(PYTHON_IMAGE) --format '{{.Manifest.Digest}}') \
	  && sed -i "s|^FROM python:[^ ]*|FROM $(PYTHON_IMAGE)@$$digest|" docker/Dockerfile

INSTALL ?= $(BIN)/pip install --quiet --disable-pip-version-check

# Debian ships Python's venv apart; root can fetch it, anyone else is told how.
.venv/made:
	@rm -rf .venv && $(PYTHON) -m venv .venv 2>/dev/null \
	  || { rm -rf .venv; [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv .venv; } \
	  || { rm -rf .venv; echo "Python's venv module is missing: run 'sudo apt-get install python3-venv', then try again."; exit 1; }
	@touch $@

.venv/run-ready: .venv/made requirements.lock
	@echo "Installing what DeepSegm needs (once, a few minutes) ..."
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@touch $@

# It asks for pandas before 3 and for HDF5 libraries of 50 MB; the data model, which the tests read, needs neither.
PYAMBIT := pyambit==0.0.2
.venv/test-ready: .venv/run-ready requirements-dev.txt
	@$(INSTALL) -r requirements-dev.txt
	@$(INSTALL) --no-deps $(PYAMBIT)
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
