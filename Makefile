# Everything refnet's users and developers run. Needs Python 3.11+ and make; each word sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin
DATA := $(or $(REFNET_TEST_DATA),../shared/data)
.DEFAULT_GOAL := help
.PHONY: help demo test check fix bench docs pages lock clean

help: ## list these words
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.demo ## the main job: a model, two faces, their similarity, and the proof against onnxruntime
	$(BIN)/refnet demo

test: .venv/.dev ## run every test
	$(BIN)/pytest

check: .venv/.dev ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/.dev ## format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.dev ## measure running, starting and loading beside onnxruntime
	test -f .venv/model.onnx || $(BIN)/refnet models make arcfaceresnet100-8 -o .venv/model.onnx
	$(BIN)/refnet bench .venv/model.onnx
	$(BIN)/refnet bench .venv/model.onnx --layers --batch 1
	$(BIN)/python tools/measure_start.py .venv/model.onnx
	$(BIN)/python tools/measure_load.py .venv/model.onnx
	$(BIN)/python tools/measure_checksums.py
	$(BIN)/python tools/measure_reference.py .venv/model.onnx

docs: .venv/.dev ## build the site in build/site, running every lesson anew
	rm -rf build/site build/doctrees docs/learn docs/commands
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/site
	@echo "the site is in $(CURDIR)/build/site/index.html"

pages: .venv/.dev ## write the pages and figures that tools write
	$(BIN)/python tools/write_validation.py $(wildcard $(DATA)/models/*.onnx)
	$(BIN)/python tools/write_kernels.py
	$(BIN)/python tools/write_doctor.py
	$(BIN)/python tools/write_winograd.py --faces $(DATA)/lfw/lfw-fold1.bin --photograph $(DATA)/photos/group.jpg $(patsubst %,--detector %,$(wildcard $(DATA)/models/scrfd*.onnx))
	$(BIN)/python tools/write_models.py
	$(BIN)/python tools/write_readme.py

lock: .venv/.uv ## resolve the dependencies anew into requirements/
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --extra oracle pyproject.toml -o requirements/demo.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --extra oracle --group dev pyproject.toml -o requirements/dev.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-header --group tools -c requirements/dev.lock -o requirements/tools.lock

clean: ## remove .venv and caches
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Everything comes from locks with hashes, as wheels: building one would fetch what builds it, unlocked. The project itself
# is built by the hatchling of tools.lock.
LOCKED := --require-hashes --only-binary :all:
PROJECT := --no-deps --no-build-isolation -e .

.venv/.uv: requirements/tools.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check $(LOCKED) -r requirements/tools.lock
	@touch $@

.venv/.demo: .venv/.uv requirements/demo.lock pyproject.toml
	$(BIN)/uv pip install -q --python $(BIN)/python $(LOCKED) -r requirements/demo.lock
	$(BIN)/uv pip install -q --python $(BIN)/python $(PROJECT)
	@touch $@

.venv/.dev: .venv/.uv requirements/dev.lock pyproject.toml
	$(BIN)/uv pip install -q --python $(BIN)/python $(LOCKED) -r requirements/dev.lock
	$(BIN)/uv pip install -q --python $(BIN)/python $(PROJECT)
	@touch $@ .venv/.demo
