# The two commands of the README are `make demo` and `make test`; both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := leaderboard/demo
ENCODERS := packaged:efficientnet-lite0,size=64 joined:lite0+minilm,size=64 random:resnet18,size=64 \
    control:pixels control:random control:constant

.PHONY: demo test lint packs clean

$(BIN)/repbench: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev,pretrained]'
	touch $(BIN)/repbench

demo: $(BIN)/repbench
	$(BIN)/repbench run $(ENCODERS) --out $(DEMO)/results --store $(DEMO)/store
	$(BIN)/repbench leaderboard $(DEMO)/results --out $(DEMO)

lint: $(BIN)/repbench
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest

packs: $(BIN)/repbench
	$(BIN)/python -m pip install --quiet -r packs/requirements.txt
	$(BIN)/python packs/build.py

clean:
	rm -rf $(VENV) $(DEMO) build dist .mypy_cache .ruff_cache
