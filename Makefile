PYTHON ?= python3
VENV ?= .venv
PY ?= $(VENV)/bin/python
BUF ?= $(dir $(PY))buf
# What protos-breaking compares with.
BASE ?= origin/main

# make run: where it listens, where its data is, and where the test clock stands at first. An empty
# START_TIME lets the clock run with the machine's.
GRPC ?= 127.0.0.1:50051
HTTP ?= 127.0.0.1:8080
DATA ?= .data
START_TIME ?= 2022-01-01T00:00:00Z

PROTOS := $(sort $(shell find protos -name '*.proto'))
SERVICES := $(shell grep -l '^service ' $(PROTOS))

# The protos of googleapis-common-protos lie among the installed packages; buf needs no registry
# because it is given what the compiler writes, of which --path takes our own files.
PROTOC = $(PY) -m grpc_tools.protoc -I$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
IMAGE = --include_imports --include_source_info

# Arguments for pytest: one process per core; TEST_ARGS=tests/domain for a part, in one process.
TEST_ARGS ?= -n auto
# More arguments for pip-compile, such as LOCK_ARGS='--upgrade-package grpcio'.
LOCK_ARGS ?=

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help install run test test-faults model demo bench bench-quick fuzz corpus golden audit-dependencies mutation lint format types check lock clean \
        protos protos-check protos-lint protos-breaking openapi openapi-check reference reference-check docs-picture docs-assets

help: ## list what can be made
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

STAMP := $(VENV)/.installed

install: $(STAMP) ## create the virtual environment and install the locked dependencies into it

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo '$(PYTHON) is older than Python 3.11; name another with PYTHON=...' >&2; exit 1; }
	@$(PY) -c 'import pip' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(STAMP) ## start a server for development: embedded database, demo programs, test clock
	$(PY) -m points_grpc.cli.main serve --dev --migrate --demo \
	  --grpc $(GRPC) --http $(HTTP) --data-dir $(DATA) $(if $(START_TIME),--start-time $(START_TIME))

test: $(STAMP) ## run all tests
	$(PY) -m pytest $(TEST_ARGS)

# How many times as many rounds of each fault: make test-faults ROUNDS=20 for a night.
ROUNDS ?= 1

test-faults: $(STAMP) ## break what can break under load, and see that nothing is lost or done twice
	POINTS_FAULT_ROUNDS=$(ROUNDS) $(PY) -m pytest -m faults tests/faults

# How long make model goes on at least. A round is found again by its seed: MODEL_SEED=17 MODEL_ROUNDS=1.
MODEL_SECONDS ?= 300
MODEL_SEED ?=
MODEL_ROUNDS ?=

model: $(STAMP) ## compare the ledger with a simple model for MODEL_SECONDS, while all that may fail does
	POINTS_MODEL_SECONDS=$(MODEL_SECONDS) POINTS_MODEL_SEED=$(MODEL_SEED) POINTS_MODEL_ROUNDS=$(MODEL_ROUNDS) \
	  $(PY) -m pytest -m model tests/service

demo: $(STAMP) ## play the demo against the server that make run started
	@$(PY) -m points_grpc.cli.main demo --grpc $(GRPC)

# More arguments, such as BENCH_ARGS='--only unary' or BENCH_ARGS='--lots 10000000 --limit 900'.
BENCH_ARGS ?=

bench: $(STAMP) ## measure speed and memory in under 8 minutes, and write it into docs/performance.*
	$(PY) -m benchmarks.run --page $(BENCH_ARGS)

bench-quick: $(STAMP) ## the same with small numbers in under 90 seconds, to see that it works
	$(PY) -m benchmarks.run --quick $(BENCH_ARGS)

# How long all targets of make fuzz together take. With a seed and a number of inputs for each target,
# as in FUZZ_ARGS='1 20000', an empty build/fuzz gives the same inputs each time.
FUZZ_SECONDS ?= 300
FUZZ_ARGS ?=

fuzz: $(STAMP) ## fuzz the methods' handlers and the gateway for FUZZ_SECONDS, guided by coverage
	@mkdir -p build/fuzz
	@for target in methods dialects routes; do \
	  echo "fuzzing $$target"; \
	  PYTHONHASHSEED=0 $(PY) -m tests.support.fuzzing.fuzz $$target $$(($(FUZZ_SECONDS) / 3)) $(FUZZ_ARGS) >build/fuzz/$$target.log 2>&1 \
	    || { tail -40 build/fuzz/$$target.log >&2; exit 1; }; \
	  grep -e 'executed_units' -e 'not installed' build/fuzz/$$target.log; done

golden: $(STAMP) ## record anew what every method and route answers, to be read and committed alone
	POINTS_GOLDEN=record $(PY) -m pytest tests/golden

corpus: $(STAMP) ## put every nasty value into every place of every method and route
	POINTS_CORPUS=whole $(PY) -m pytest -n auto tests/corpus

lint: $(STAMP) ## check style
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: $(STAMP) ## put the code into shape
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

types: $(STAMP) ## check types
	$(PY) -m mypy

check: lint types protos-lint protos-check openapi-check reference-check ## everything that is checked besides the tests

# lock(file, arguments): versions that are in the file already are kept where they can be.
define lock
build/lock/bin/pip-compile -q --generate-hashes --no-header --no-annotate --strip-extras \
  --no-emit-options --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
  --all-build-deps --unsafe-package points-grpc --extra gateway --extra jwt --extra metrics \
  $(2) -o build/$(1) pyproject.toml
@grep -v '^\(#\|$$\)' build/$(1) > $(1)
endef

lock: $(STAMP) ## resolve the dependencies anew: those of development, and of these what production needs
	@test -x build/lock/bin/pip-compile || { $(PYTHON) -m venv build/lock && \
	  build/lock/bin/python -m pip install -q --disable-pip-version-check pip-tools; }
	@cp requirements.lock build/requirements.lock
	$(call lock,requirements.lock,--extra dev --extra embedded $(LOCK_ARGS))
	@cp requirements.lock build/requirements-production.lock
	$(call lock,requirements-production.lock)

# pip-audit in an environment of its own. Where the advisories cannot be reached, nothing has failed.
audit-dependencies: ## compare the locked dependencies with known advisories
	@test -x build/audit/bin/pip-audit || { $(PYTHON) -m venv build/audit && \
	  build/audit/bin/python -m pip install -q --disable-pip-version-check pip-audit; }
	@rm -f build/audit.json
	@timeout 120 build/audit/bin/pip-audit --disable-pip --require-hashes -r requirements.lock \
	  --progress-spinner off -f json -o build/audit.json >build/audit.log 2>&1 || \
	  case $$? in 124) echo Timeout >>build/audit.log;; esac
	@$(PY) .ci/advisories.py build/audit.json build/audit.log

# mutmut in an environment of its own that sees what is installed, over a copy of the code. MUTANTS
# takes a part, whatever was known of it, as in MUTANTS='points_grpc.domain.lapse.*'.
MUTANTS ?=

mutation: $(STAMP) ## change the domain's code in small ways, and list what tests/domain does not notice
	@test -x build/mutmut/bin/mutmut || { $(PYTHON) -m venv build/mutmut && \
	  build/mutmut/bin/python -m pip install -q --disable-pip-version-check 'mutmut>=3.8,<3.9'; }
	@$(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  $$(build/mutmut/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/points.pth
	@mkdir -p build/mutation && build/mutmut/bin/python .ci/mutants.py prepare build/mutation
	@cd build/mutation && nice -n 15 ../mutmut/bin/mutmut run --max-children 1 $(foreach M,$(MUTANTS),'$(M)')
	@build/mutmut/bin/python .ci/mutants.py report build/mutation

clean: ## remove what was built; the virtual environment and the data stay
	rm -rf build dist .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +

# compile(folder): everything that is generated, for the sources as they are now.
define compile
@$(PROTOC) -Iprotos --python_out=$(1) --pyi_out=$(1) $(PROTOS)
@$(PROTOC) -Iprotos --grpc_python_out=$(1) $(SERVICES)
endef

protos: ## generate the Python code of the contract
	@rm -rf build/protos && mkdir -p build/protos
	$(call compile,build/protos)
	@rm -rf generated/points && mkdir -p generated && mv build/protos/points generated/

protos-check: ## fail if the generated code is not that of the contract
	@rm -rf build/protos && mkdir -p build/protos
	$(call compile,build/protos)
	@diff -r -x __pycache__ build/protos generated || { echo 'stale: run make protos' >&2; exit 1; }

protos-lint: ## lint the contract and check its formatting
	@mkdir -p build
	@$(PROTOC) -Iprotos $(IMAGE) -o build/points.binpb $(PROTOS)
	$(BUF) lint build/points.binpb#format=binpb --config buf.yaml --path points
	$(BUF) format protos --diff --exit-code

protos-breaking: ## fail if the contract breaks clients of BASE's
	@rm -rf build/base && mkdir -p build/base
	@if ! git rev-parse -q --verify '$(BASE)^{commit}' >/dev/null || \
	    ! git ls-tree -r --name-only '$(BASE)' -- protos | grep -q '\.proto$$'; then \
	  echo 'nothing to compare with: $(BASE) has no protos'; exit 0; fi; \
	set -e; \
	git archive '$(BASE)' protos | tar -x -C build/base; \
	$(PROTOC) -Ibuild/base/protos $(IMAGE) -o build/base.binpb \
	  $$(find build/base/protos -name '*.proto' | sort); \
	$(PROTOC) -Iprotos $(IMAGE) -o build/points.binpb $(PROTOS); \
	$(BUF) breaking build/points.binpb#format=binpb --against build/base.binpb#format=binpb \
	  --config buf.yaml --path points

# The documents, indented for those who read them and compact for the gateway to serve.
OPENAPI = docs/openapi
OPENAPI_SERVED = src/points_grpc/gateway/docs_ui/openapi

# documents(folder): all of them, for the contract and the dialects as they are now.
define documents
@rm -rf $(1) && mkdir -p $(1)/indented $(1)/compact
@$(PROTOC) -Iprotos $(IMAGE) -o $(1)/image.binpb $(PROTOS)
@$(PY) -m points_grpc.gateway.openapi $(1)/image.binpb $(1)/indented $(1)/compact
endef

openapi: ## build the OpenAPI documents of the REST APIs
	$(call documents,build/openapi)
	@rm -rf $(OPENAPI) $(OPENAPI_SERVED)
	@mv build/openapi/indented $(OPENAPI) && mv build/openapi/compact $(OPENAPI_SERVED)

openapi-check: ## fail if the OpenAPI documents are not those of the contract and the dialects
	$(call documents,build/openapi)
	@diff -r build/openapi/indented $(OPENAPI) >&2 && diff -rq build/openapi/compact $(OPENAPI_SERVED) >&2 \
	  || { echo 'stale: run make openapi' >&2; exit 1; }

# The reference pages, generated from the contract, the settings, the counters and the commands.
REFERENCE = docs/reference

# reference(folder): all of them, as things are now.
define reference
@rm -rf $(1) && mkdir -p $(1)/pages
@$(PROTOC) -Iprotos $(IMAGE) -o $(1)/image.binpb $(PROTOS)
@$(PY) -m points_grpc.cli.reference $(1)/image.binpb $(1)/pages
endef

reference: ## build the reference pages: methods, errors, configuration, metrics, command line
	$(call reference,build/reference)
	@rm -rf $(REFERENCE) && mv build/reference/pages $(REFERENCE)

reference-check: ## fail if the reference pages are not those of the code
	$(call reference,build/reference)
	@diff -r build/reference/pages $(REFERENCE) >&2 || { echo 'stale: run make reference' >&2; exit 1; }

docs-picture: ## draw docs/architecture.svg anew; needs npm
	@rm -rf build/viz && mkdir -p build/viz
	@npm install --silent --no-fund --no-audit --prefix build/viz @viz-js/viz@3
	@node docs/draw.mjs docs/architecture.dot docs/architecture.svg $(CURDIR)/build/viz

# The page at /docs is made of a package of npm's, of which the version is in the file VERSION.
SWAGGER = src/points_grpc/gateway/docs_ui/swagger-ui
SWAGGER_VERSION ?= $(shell cat $(SWAGGER)/VERSION)

docs-assets: ## fetch what the page at /docs is made of; SWAGGER_VERSION=latest for a newer one
	@rm -rf build/swagger && mkdir -p build/swagger $(SWAGGER)
	@cd build/swagger && npm pack --silent swagger-ui-dist@$(SWAGGER_VERSION) && tar -xzf *.tgz
	@cd build/swagger/package && cp LICENSE NOTICE swagger-ui.css swagger-ui-bundle.js \
	  swagger-ui-bundle.js.LICENSE.txt $(CURDIR)/$(SWAGGER)/
	@sed -i '/^\/\*# sourceMappingURL=.*\*\/$$/d' $(SWAGGER)/swagger-ui.css
	@sed -i '/^\/\/# sourceMappingURL=/d' $(SWAGGER)/swagger-ui-bundle.js
	@sed -n 's/^  "version": "\(.*\)",$$/\1/p' build/swagger/package/package.json > $(SWAGGER)/VERSION
