# Every gesture of this repository. Each target sets up what it needs first and says what it does.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test crash load cover lint format lock clean unit chromium fronts systemd

help: ## list what make can do
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(STAMP): requirements/dev.lock pyproject.toml
	@echo "setting up $(VENV) with the locked set of dependencies"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed: make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP) ## run HumHub, ONLYOFFICE Docs (small stand-ins) and the bridge; open the printed address
	$(BIN)/humhub-bridge demo

test: $(STAMP) chromium fronts systemd ## run the whole suite, with Chromium, nginx, Caddy and HAProxy
	$(BIN)/python -m pytest -n auto --dist loadfile $(ARGS)

cover: $(STAMP) chromium fronts systemd ## run the suite and show branch coverage, room by room
	$(BIN)/python -m pytest -n auto --dist loadfile --cov --cov-report=term $(ARGS)

crash: $(STAMP) ## kill the bridge 1,000 times, HumHub and Docs too, and see that no edit is lost
	$(BIN)/python -m tests.crash $(ARGS)

load: $(STAMP) ## let many users edit against the demo: SCENARIO=small, middle or large; the report is in artifacts/load
	$(BIN)/python -m tests.load $(or $(SCENARIO),small) $(ARGS)

unit: $(STAMP) ## start deploy/'s systemd unit by a systemd of its own, kill it, reload it, stop it (root; nothing stays)
	@sh tests/deploy/boot.sh

chromium:
	@sh tests/browser/install.sh

fronts:
	@sh tests/networks/install.sh

systemd:
	@sh tests/deploy/install.sh

lint: $(STAMP) ## ruff and mypy, both strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff format and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## resolve the locked, hashed sets of dependencies anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header -p 3.11 pyproject.toml --extra demo --group dev -o requirements/dev.lock
	$(BIN)/uv pip compile --quiet --universal --no-strip-extras --generate-hashes --no-emit-index-url --no-header -p 3.11 pyproject.toml -o requirements/production.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header -p 3.11 - -o requirements/build.lock

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
