# `make run` serves; `make test` proves. Both set up what they need.
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run run-ray setup-ray test-ray bench-ray test test-beside test-narrower test-fast test-gpu system-packages browser lint lock format models bench-stt bench-live bench-tts bench-first-sound bench-load bench-overhead screenshots check-coqui setup setup-dev clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

run: setup ## install, fetch the weights, serve on 127.0.0.1:8000
	@$(BIN)/python -m scripts.run

run-ray: setup-ray ## the same on Ray Serve: two replicas of each engine here; several machines: docs/scale.md
	@$(BIN)/python -m scripts.run_ray

# one thread each where nothing else is set, and none that spins while it waits; bytecode is kept, whatever the
# environment says, because a hundred servers are started
TEST_ENVIRONMENT := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE KMP_BLOCKTIME=0 PYTHONDONTWRITEBYTECODE=

test: ## lint, types and every test, with the real models
	@# apt and uv wait for the network: side by side, unless apt has to bring what makes the environment
	@if [ -x $(BIN)/python ] || scripts/make_venv.sh --check $(PYTHON) 2>/dev/null; then \
		$(MAKE) --no-print-directory --jobs=2 system-packages setup-dev; \
	else $(MAKE) --no-print-directory system-packages && $(MAKE) --no-print-directory setup-dev; fi
	@$(MAKE) --no-print-directory browser
	@$(MAKE) --no-print-directory --jobs=2 test-beside test-narrower
	$(BIN)/python -m pytest -m alone tests/faults

# five processes on two cores, because tests also wait. The long files first, so that no process is left with one
# of them at the end
test-beside:
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 5 --dist loadfile --no-loadscope-reorder -m "not alone" \
		tests/hostile tests/e2e tests/deploy tests/integration tests/cluster tests/faults tests/unit

test-narrower: lint
	$(TEST_ENVIRONMENT) $(BIN)/python -m scripts.test_narrower

test-fast: setup-dev ## units alone: no models, no PyTorch, half a minute
	@# five processes on two cores, because some tests wait
	$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n 5 -m "not models and not slow" --engines=without tests/unit

test-ray: setup-dev ## the long tests of Ray Serve: nodes killed and stopped, autoscaling, tests/e2e on `make run-ray`
	VOZ_RAY_TESTS=long $(BIN)/python -m pytest tests/cluster

bench-ray: setup-dev ## what a row costs through a handle of Ray Serve; throughput and memory
	$(BIN)/python -m benchmarks.ray

test-gpu: setup-dev ## on a machine with CUDA: each engine on it, against the CPU and over a socket
	$(BIN)/python -m pytest --device=cuda tests/gpu tests/integration/test_whisper_engine.py \
		tests/integration/test_stt_service.py tests/e2e/test_round_trip.py tests/e2e/test_word_times.py \
		tests/e2e/test_voices.py tests/e2e/test_live.py

system-packages:
	@PYTHON=$(PYTHON) scripts/system_packages.sh

browser: setup-dev
	@$(BIN)/python -m tests.support.browser

lint: setup-dev ## ruff, mypy, the import contracts, and the linters of the image, compose and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml deploy/proxy/docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/zizmor --offline --quiet .github
	@if command -v shellcheck >/dev/null; then shellcheck deploy/*.sh scripts/*.sh; else echo "shellcheck is not installed: left out"; fi

format: setup-dev ## let ruff put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: setup ## fetch the weights ahead of time
	$(BIN)/python -m src.weights

bench-stt: setup-dev ## speech to text against faster-whisper, in turn
	$(BIN)/python -m benchmarks.stt --model models/whisper/base --minutes 10

bench-live: setup-dev ## delay and quality of live transcription; KEY=... of a server that runs
	$(BIN)/python -m benchmarks.live --key $(KEY) --speakers 1 8 --minutes 10

bench-tts: setup-dev ## text to speech against Coqui's synthesizer and kokoro-onnx, in turn
	$(BIN)/python -m benchmarks.tts coqui
	$(BIN)/python -m benchmarks.tts kokoro

bench-first-sound: setup-dev ## when streamed speech begins, and how its slices sound
	$(BIN)/python -m benchmarks.first_sound kokoro
	$(BIN)/python -m benchmarks.first_sound coqui

bench-load: setup-dev ## latency by load, beside one call at a time, and of speech beside fastkokoro; writes plots and tables
	$(BIN)/python -m benchmarks.load measure mixed
	$(BIN)/python -m benchmarks.load measure speech

bench-overhead: setup-dev ## what HTTP and the decoder processes cost; writes a table
	$(BIN)/python -m benchmarks.overhead

screenshots: setup-dev browser ## take the pictures of the web page in docs/images anew
	$(BIN)/python -m scripts.screenshots

check-coqui: setup-dev ## fetch Coqui's released weights (1 GB), hold ours against Coqui's synthesizer, do the round trip
	$(BIN)/python -m scripts.check_coqui

# uv takes no index from pip's configuration, and --no-config none from its own: the files name no host
LOCK := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

lock: setup-dev ## write the lock files anew, after a change in requirements*.txt
	$(LOCK) requirements.txt --output-file requirements.lock
	# for the CPU image, which takes torch from another index
	$(LOCK) requirements.txt --output-file requirements-cpu.lock --constraint requirements.lock \
		$$(sed -nE 's/^(torch[a-z]*|triton|(cuda|nvidia)-[a-z0-9-]+)==.*/--no-emit-package \1/p' requirements.lock)
	$(LOCK) requirements-ray.txt --output-file requirements-ray.lock --constraint requirements.lock
	$(LOCK) requirements-dev.txt --output-file requirements-dev.lock --constraint requirements.lock \
		--constraint requirements-ray.lock

setup: $(VENV)/installed ## make .venv
setup-dev: $(VENV)/installed-dev
setup-ray: $(VENV)/installed-ray ## add Ray to .venv

$(VENV)/installed: requirements.txt requirements.lock
	@test -x $(BIN)/python || scripts/make_venv.sh $(VENV) $(PYTHON)
	@echo "Installing into $(VENV): a minute or more and up to 8 GB the first time, then never again."
	@$(BIN)/python -m scripts.install requirements.txt requirements.lock
	@touch $@

$(VENV)/installed-ray: requirements-ray.txt requirements-ray.lock $(VENV)/installed
	@$(BIN)/python -m scripts.install requirements-ray.txt requirements-ray.lock
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-dev.lock $(VENV)/installed
	@$(BIN)/python -m scripts.install requirements-dev.txt requirements-dev.lock
	@touch $@

clean: ## remove .venv and caches; weights and stored audio stay
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
