PY ?= .venv/bin/python
BUF ?= $(dir $(PY))buf
# What protos-breaking compares with.
BASE ?= origin/main

PROTOS := $(sort $(shell find protos -name '*.proto'))
SERVICES := $(shell grep -l '^service ' $(PROTOS))

# The protos of googleapis-common-protos lie among the installed packages; buf needs no registry
# because it is given what the compiler writes, of which --path takes our own files.
PROTOC = $(PY) -m grpc_tools.protoc -I$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
IMAGE = --include_imports --include_source_info

.DELETE_ON_ERROR:
.PHONY: protos protos-check protos-lint protos-breaking

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
