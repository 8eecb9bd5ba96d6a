# Every target sets up what it needs first; nothing has to be installed by hand but Python 3.11 and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.locked
# Two workers, each with servers of its own; a file's tests stay together because they share what they started.
# One that crashes ends the run: without it the other would wait for its tests for ever.
TEST_ARGS ?= -n 2 --dist loadfile --max-worker-restart 0

.PHONY: setup demo image test test-e2e test-quick check bench bench-uploader bench-spools lock generate clean

setup: $(STAMP)

$(STAMP): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "recording-storage needs Python 3.11 or later; none is called '$(PYTHON)' here (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "recording-storage needs Python 3.11 or later; '$(PYTHON)' is older (make PYTHON=/path/to/python3)" >&2; exit 1; }
	@echo "setup: creating .venv with the locked dependencies (about a minute the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	@$(BIN)/recording-storage demo $(DEMO_ARGS)

image:                            ## the container image; IMAGE, BASE_IMAGE, ENGINE, BUILD_ARGS as packaging/build-image tells
	@IMAGE='$(IMAGE)' BASE_IMAGE='$(BASE_IMAGE)' ENGINE='$(ENGINE)' BUILD_ARGS='$(BUILD_ARGS)' packaging/build-image

# In three parts, with workers and servers of their own: those of the clusters come after long and crowded ones, and the node
# with its pods has the machine for itself.
CLUSTERS := tests/controller tests/journeys tests/cluster tests/chart tests/injection

test: setup
	@$(BIN)/python -m pytest $(TEST_ARGS) $(addprefix --ignore=,$(CLUSTERS) tests/e2e)
	@$(BIN)/python -m pytest $(TEST_ARGS) $(CLUSTERS)
	@$(BIN)/python -m pytest tests/e2e

test-e2e: setup                   ## real pods on a real node; skipped with one line where root's rights on Linux are not there
	@$(BIN)/python -m pytest tests/e2e

test-quick: setup
	@$(BIN)/python -m pytest $(TEST_ARGS) -m "not slow"

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.tools.structure
	@$(BIN)/python -m recording_storage.resources.generate --check
	@found=$$($(BIN)/python -m pytest --collect-only -qq 2>&1) || { echo "$$found" | tail -n 40; exit 1; }

generate: setup                   ## crds/ and the chart's templates of them, from the models
	@$(BIN)/python -m recording_storage.resources.generate

bench: bench-uploader bench-spools ## all measurements

bench-uploader: setup             ## our uploader beside s5cmd; BENCH_ARGS="--json --repeats 5" or "--against CHECKOUT"
	@$(BIN)/python -m bench.uploader $(BENCH_ARGS)

bench-spools: setup               ## what RecordingSpools cost the API server; BENCH_SPOOLS_ARGS="--spools 200 --seconds 30"
	@$(BIN)/python -m bench.spools $(BENCH_SPOOLS_ARGS)

lock:                             ## resolve the ranges of pyproject.toml anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements/runtime.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --extra dev -c requirements/runtime.txt -o requirements/dev.txt pyproject.toml
	echo 'hatchling>=1.27' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -c requirements/dev.txt -o requirements/build.txt -

clean:
	rm -rf .venv
