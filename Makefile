# The two commands of the README are `make demo` and `make test`; both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := leaderboard/demo
REFERENCE := leaderboard/reference
# In this order the two processes of the demo have as much to do: shards take turns.
ENCODERS := joined:lite0+minilm,size=64 random:efficientnet_lite0,size=64 control:pixels,size=16 control:random control:constant \
    packaged:efficientnet-lite0,size=64
FULL := leaderboard/full
SOUNDS := control:mfcc control:log-mel random:small:cpc

.PHONY: demo full test test-minimum torture fuzz fuzz-coverage docs lint packs versus reference clean

$(BIN)/repbench: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[dev,pretrained]'
	touch $(BIN)/repbench

# Two processes of one thread each: most of the time goes into small solves, which more threads do not speed up.
demo: $(BIN)/repbench
	printf '%s\n' 1/2 2/2 | OMP_NUM_THREADS=1 xargs -P 2 -I SHARD \
	    $(BIN)/repbench run $(ENCODERS) --shard SHARD --out $(DEMO)/results --store $(DEMO)/store
	$(BIN)/repbench leaderboard $(DEMO)/results --out $(DEMO)

# Everything that can be asked without data of your own: the demo's rows and those of sounds, and the packs that can be fetched.
full: $(BIN)/repbench
	for pack in stamps fashion-mnist mnist clipart waterstamps; do $(BIN)/repbench data fetch $$pack; done
	$(BIN)/repbench run $(ENCODERS) $(SOUNDS) --out $(FULL)/results --store $(DEMO)/store
	$(BIN)/repbench leaderboard $(FULL)/results --out $(FULL)

lint: $(BIN)/repbench
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# CONSTRAINTS=constraints.txt makes the environment with the very versions that the tests last passed with.
# As many processes as processors, each of one thread: what is tested is small.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# Runs that are killed, interrupted, damaged and starved of disk: a table of what was tried.
torture: $(BIN)/repbench
	$(BIN)/python tests/torture.py
	REPBENCH_FUZZ_EXAMPLES=200 $(BIN)/python -m pytest tests/fuzz

fuzz: $(BIN)/repbench
	REPBENCH_FUZZ_EXAMPLES=1000 $(BIN)/python -m pytest tests/fuzz

# Led by coverage, for SECONDS: needs Linux, for atheris has wheels for it alone.
SECONDS ?= 300
fuzz-coverage: $(BIN)/repbench
	$(BIN)/python -m pip install --quiet -e '.[fuzz]'
	$(BIN)/python tests/fuzz/led_by_coverage.py -max_total_time=$(SECONDS)

# The tests with the oldest versions that pyproject.toml lets in, in an environment of its own. uv finds them; pip would search for hours.
test-minimum:
	$(PYTHON) -m venv .venv-minimum
	.venv-minimum/bin/python -m pip install --quiet uv
	.venv-minimum/bin/uv pip compile pyproject.toml --extra dev --extra pretrained --resolution lowest-direct --quiet --output-file build-minimum.txt
	.venv-minimum/bin/uv pip install --quiet --python .venv-minimum/bin/python -r build-minimum.txt --editable .
	OMP_NUM_THREADS=1 .venv-minimum/bin/python -m pytest -n auto --dist worksteal

docs: $(BIN)/repbench
	$(BIN)/python -m pip install --quiet -e '.[docs]'
	$(BIN)/mkdocs build --strict

packs: $(BIN)/repbench
	$(BIN)/python -m pip install --quiet -r packs/requirements.txt
	$(BIN)/python packs/build.py
	$(BIN)/python packs/text_judges.py

reference: $(BIN)/repbench
	$(BIN)/repbench data fetch stamps
	$(BIN)/python reference/make.py $(if $(DATA),--data $(DATA))
	$(BIN)/repbench run $(ENCODERS) --out $(REFERENCE)-runs/demo --store $(REFERENCE)-runs/store
	$(BIN)/python reference/commit.py $(REFERENCE)-runs/results-small --trained --check
	$(BIN)/python reference/commit.py $(REFERENCE)-runs/demo --check

# A script that fails leaves its table as it was; the others go on, and it is named at the end.
NO_SCRIPTS := versus/common.py versus/report.py versus/agreement/controls.py versus/agreement/tiny_clip.py
versus: versus/.venv/bin/repbench
	failed=; for script in $(filter-out $(NO_SCRIPTS),$(wildcard versus/*.py versus/agreement/*.py)); do \
	    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE versus/.venv/bin/python $$script || failed="$$failed $$script"; \
	done; \
	versus/.venv/bin/python versus/report.py || failed="$$failed versus/report.py"; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

versus/.venv/bin/repbench: versus/requirements.txt pyproject.toml
	$(PYTHON) -m venv versus/.venv
	versus/.venv/bin/python -m pip install --quiet --upgrade pip
	versus/.venv/bin/python -m pip install --quiet -e '.[pretrained]' -r versus/requirements.txt
	touch versus/.venv/bin/repbench

clean:
	rm -rf $(VENV) versus/.venv $(DEMO) build dist .mypy_cache .ruff_cache
