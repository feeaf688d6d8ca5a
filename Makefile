# `make` alone lists the commands. Every command does its own set-up.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
FIELDSCORE := $(BIN)/python -m fieldscore
# With bytecode the libraries import in half the time.
unexport PYTHONDONTWRITEBYTECODE
unexport PYTHONPATH
# Registries and mirrors behind a company's own certificates.
export UV_SYSTEM_CERTS := true
# Nothing outside the checkout and the home.
export UV_CACHE_DIR := $(CURDIR)/$(VENV)/cache
export PIP_NO_CACHE_DIR := 1

help: ## List the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

run: $(VENV)/pipeline ## Set up everything and score the sample company
	@$(FIELDSCORE) run

test: $(VENV)/dev ## Run every test
	@$(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

faults: $(VENV)/dev ## Kill, cut off and starve real nights; about half an hour
	@$(BIN)/pytest -m "faults or not faults" tests/test_faults.py $(PYTEST_ARGS)

night: $(VENV)/pipeline ## Run one night: make night DATE=2026-03-09
	@$(FIELDSCORE) night "$(DATE)"

backfill: $(VENV)/pipeline ## Run many nights: make backfill FROM=2026-03-01 TO=2026-03-09
	@$(FIELDSCORE) backfill "$(FROM)" "$(TO)"

rebuild: $(VENV)/pipeline ## Compute everything anew: make rebuild AS_OF=2026-03-09
	@$(FIELDSCORE) rebuild "$(AS_OF)"

replay: $(VENV)/pipeline ## Correct and land what was rejected: make replay LOAD=12
	@$(FIELDSCORE) replay "$(LOAD)"

show: $(VENV)/pipeline ## Leaderboard and one explanation: make show TECHNICIAN=T00001
	@$(FIELDSCORE) show $(TECHNICIAN)

up: $(VENV)/pipeline ## Start Airflow with its UI and schedule
	@$(FIELDSCORE) up

down: $(VENV)/pipeline ## Stop all that this home started
	@$(FIELDSCORE) down

url: $(VENV)/pipeline ## Print the reading role's connection URL
	@$(FIELDSCORE) url $(if $(LOGIN),--login "$(LOGIN)")

psql: $(VENV)/pipeline ## Open psql on the marts, as BI reads them
	@$(FIELDSCORE) psql

erase: $(VENV)/pipeline ## Erase a customer, scores stand: make erase CUSTOMER=C-4711
	@$(FIELDSCORE) erase $(if $(CUSTOMER),--customer "$(CUSTOMER)")

bench: $(VENV)/dev ## Measure what nights cost: make bench ORDERS=50000
	@$(BIN)/python benchmarks/run.py $(ORDERS)

lint: $(VENV)/dev ## Check style, SQL, YAML, declarations, policy and expectations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint dbt_project --processes 2 --disable-progress-bar
	@$(BIN)/yamllint --strict .
	@$(FIELDSCORE) check

audit: $(VENV)/audit/made ## Look for known vulnerabilities in the locked requirements; needs the network
	@for set in bootstrap pipeline dev audit; do echo "requirements/$$set.txt"; \
		$(VENV)/audit/bin/pip-audit --progress-spinner off --vulnerability-service osv $(AUDIT_ARGS) \
		--disable-pip --require-hashes --requirement requirements/$$set.txt || failed=1; done; exit $${failed:-0}

lock: $(VENV)/pip ## Compile requirements/*.in into locked files with hashes
	@for set in bootstrap pipeline dev audit; do $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
		requirements/$$set.in --output-file requirements/$$set.txt; done

# The environment: made once, completed when its locked file changes. `dev` holds `pipeline`.
$(VENV)/pip: requirements/bootstrap.txt scripts/require_python
	@sh scripts/require_python "$(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@$(BIN)/python -c "import pathlib, site; pathlib.Path(site.getsitepackages()[0], 'fieldscore.pth').write_text(str(pathlib.Path('plugins').resolve()))"
	@touch $@

$(VENV)/pipeline: $(VENV)/pip requirements/pipeline.txt
	@echo "installing the pipeline's locked requirements"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements/pipeline.txt
	@touch $@

$(VENV)/dev: $(VENV)/pipeline requirements/dev.txt
	@echo "installing the locked requirements of tests and linters"
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install --quiet --require-hashes --compile-bytecode -r requirements/dev.txt
	@touch $@

# Beside the rest: what it needs would get in the way of Airflow.
$(VENV)/audit/made: $(VENV)/pip requirements/audit.txt
	@$(BIN)/uv venv --quiet --clear $(VENV)/audit
	@$(BIN)/uv pip install --quiet --python $(VENV)/audit --require-hashes -r requirements/audit.txt
	@touch $@

.PHONY: help run test faults night backfill rebuild replay show up down url psql erase bench lint audit lock
