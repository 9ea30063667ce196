# Two commands: `make run` starts DeepSegm on this machine, `make test` checks it. Both install what they need. A GPU and
# trainings need torch, too: `make gpu`.
PYTHON ?= python3
BIN := .venv/bin

# Tests and tools start Python hundreds of times, and without stored compiled files each start takes twice as long.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run gpu fresh images wheel test test-ci costs test-slow test-all test-napari js test-services e2e lint fuzz benchmarks lock audit sbom digests clean

run: .venv/run-ready
	@echo "Preparing ..."
	@exec $(BIN)/python manage.py up $(ARGS)

gpu: .venv/torch-ready
	@echo "torch is installed: trainings can start. Start the site again to analyse on a GPU."

# One process for each core, each with one thread: more threads than cores would be slower.
PARALLEL := env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

test: .venv/test-ready
	@if command -v node >/dev/null; then $(MAKE) --no-print-directory js; \
	  else echo "The tests of the scripts are skipped: there is no node (Debian's nodejs) here."; fi
	$(PARALLEL) $(ARGS)

# As `make test`, with the dear tests of tests/costs.txt, too.
test-ci: override ARGS += -m "not e2e and not benchmark and not slow"
test-ci: test

# Measures which tests are dear. Processor seconds need a machine that does nothing else.
costs: .venv/test-ready
	env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -p tests.costs -m "not e2e and not benchmark and not slow" $(ARGS)

# Tests that take long and seldom break; run them before a version. CI runs some of them (.ci/run).
test-slow: .venv/test-ready
	$(PARALLEL) -m "slow and not e2e and not benchmark" $(ARGS)

test-all: override ARGS += -m "not e2e and not benchmark"
test-all: test

# The plug-in in napari itself, in an environment of its own (500 MB): after a change of client/ and before a version.
test-napari: .venv/test-ready
	env OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/client/test_napari.py $(ARGS)

# Tests of the JavaScript, by the test runner of node 18 or later, which needs no package.
js:
	node --test tests/js/*.test.mjs

# The tests that use the database or the queue, with PostgreSQL and Redis, which .ci/services starts.
test-services: .venv/test-ready
	bash .ci/services $(PARALLEL) --migrations -m "services and not e2e and not benchmark" tests/web tests/worker $(ARGS)

e2e: .venv/test-ready
	env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m e2e -n 2 --dist loadfile --no-loadscope-reorder tests/e2e $(ARGS)

# Damaged files for every reader of files, as in CI, or with ARGS="micrographs --seconds 600" and the like.
fuzz: .venv/test-ready
	$(BIN)/python -m tools.fuzz $(ARGS)

benchmarks: .venv/test-ready
	$(BIN)/python -m pytest -m benchmark -s $(or $(ARGS),tools/benchmarks)

# Before a version, as root: `make run`, the example and `make test` in a fresh clone on a bare Debian.
fresh:
	.ci/fresh $(or $(SUITE),trixie)

# Before a version, as root: the images of web and worker, built and started without a registry.
images:
	.ci/images

# dist/: the wheel and its sources. Remains of an earlier build are removed, because they would get into the wheel.
wheel: .venv/made
	@$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements-dev.txt)"
	@rm -rf build dist *.egg-info
	$(BIN)/uv build --out-dir dist

lint: .venv/test-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile

# Three lists of package versions with the hashes of their files, for all platforms. requirements.lock: all packages.
# light.lock: packages for analyses on a processor (`make run`). docker/web.lock: packages of the small image. OpenVINO's
# telemetry, which reports to its makers, is left out. Versions stay as they are; ARGS=--upgrade takes the newest that
# requirements.txt allows.
TORCH := torch|torchvision|segmentation-models-pytorch|timm|safetensors|onnx
HEAVY := openvino|scipy|scikit-image|matplotlib|h5py
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-package openvino-telemetry
lock: .venv/test-ready
	$(COMPILE) $(ARGS) requirements.txt --output-file requirements.lock
	grep -vE '^($(TORCH))\b' requirements.txt | $(COMPILE) $(ARGS) - --constraint requirements.lock --output-file light.lock
	grep -vE '^($(TORCH)|$(HEAVY))\b' requirements.txt | $(COMPILE) $(ARGS) - --constraint requirements.lock --output-file docker/web.lock

# audit: known vulnerabilities of the packages. sbom: a list of the packages (CycloneDX). Both ask PyPI.
audit:
	$(BIN)/uvx pip-audit==2.10.1 --vulnerability-service pypi --disable-pip --require-hashes -r requirements.lock
sbom:
	$(BIN)/uvx --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements.lock --output-file $(or $(FILE),sbom.json)

# Images by digest instead of by tag; needs access to the registries: docs/operate/deploy.md.
PYTHON_IMAGE = $(shell sed -n 's/^FROM \(python:[^@ ]*\).*/\1/p' docker/Dockerfile)
digests:
	docker compose --file docker/compose.yaml --profile '*' config --lock-image-digests > docker/digests.yaml
	digest=$$(docker buildx imagetools inspect $(PYTHON_IMAGE) --format '{{.Manifest.Digest}}') \
	  && sed -i "s|^FROM python:[^ ]*|FROM $(PYTHON_IMAGE)@$$digest|" docker/Dockerfile

INSTALL ?= $(BIN)/pip install --quiet --disable-pip-version-check

# Debian has Python's venv in a separate package: root installs it here, others get a message.
.venv/made:
	@rm -rf .venv && $(PYTHON) -m venv .venv >/dev/null 2>&1 \
	  || { rm -rf .venv; [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	       && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null 2>&1 && $(PYTHON) -m venv .venv; } \
	  || { rm -rf .venv; echo "Python's venv module is missing: run 'sudo apt-get install python3-venv', then try again."; exit 1; }
	@touch $@

# Files that no analysis on a processor needs are removed: OpenVINO's parts for GPUs and NPUs (61 MB), tests of packages (66 MB).
# Packages of requirements-dev.txt may need theirs (astropy), so where they are installed already, tests stay.
.venv/run-ready: .venv/made light.lock
	@echo "Installing what analyses need (once, about a minute, 0.9 GB) ..."
	@PIP_COMPILE=0 $(INSTALL) --no-deps --require-hashes -r light.lock
	@find .venv/lib/*/site-packages -path '*/openvino/libs/*' \( -name '*intel_[gn]pu_plugin*' -o -name cache.json \) -delete
	@[ -e .venv/test-ready ] || find .venv/lib/*/site-packages -type d -name tests -prune -exec rm -rf {} +
	@touch $@

.venv/torch-ready: .venv/run-ready requirements.lock
	@echo "Installing torch for trainings and GPUs (once, 2 to 10 minutes, 5 GB) ..."
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@touch $@

# pyambit requires Python before 3.14, pandas before 3 and HDF5 libraries of 50 MB, but the part that we use needs none of them.
PYAMBIT := pyambit==0.0.2
.venv/test-ready: .venv/torch-ready requirements-dev.txt
	@$(INSTALL) -r requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python $(PYAMBIT)
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
