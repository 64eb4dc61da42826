# `make` alone lists the targets. The work is done by the scripts beside this
# file; where built and fetched things lie is said in scripts/env.sh.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
ENV := . scripts/env.sh

.PHONY: help demo serve ingest build fetch test try lint fmt sqlx eval bench soak clean

help: ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: ## From a fresh clone to three cited answers from sample documents
	@scripts/demo.sh

build: ## The release binary; scripts/footnote runs it
	@scripts/ensure-build-tools.sh
	@$(ENV); cargo build --release --locked --bin footnote

fetch: ## ONNX Runtime and the embedding model, pinned and checked
	@scripts/fetch-model.sh

serve: build fetch ## The API on 127.0.0.1:8080; ARGS="--listen ..." for more
	@scripts/ensure-postgres.sh
	@exec scripts/footnote serve $(ARGS)

ingest: build fetch ## Reads documents: DOCS="folder file ..."
	@scripts/ensure-postgres.sh
	@[ -n "$(DOCS)" ] || { echo 'usage: make ingest DOCS="folder file ..."' >&2; exit 2; }
	@exec scripts/footnote ingest $(DOCS)

test: ## Everything that CI runs: lints, checks, tests
	@scripts/test.sh

try: ## Some tests, built soon: TEST="part of a name"
	@scripts/ensure-build-tools.sh --test
	@[ -n "$(TEST)" ] || { echo 'usage: make try TEST="part of a name"' >&2; exit 2; }
	@$(ENV); cargo nextest run "$${for_tests[@]}" --release --workspace --locked -E 'test($(TEST))'

lint: ## The checks of `make test` without the tests
	@scripts/test.sh tools fmt clippy doc deny scripts compose

fmt: ## Formats the code
	@$(ENV); cargo fmt --all

sqlx: ## Writes .sqlx anew, after a change of SQL or of a migration
	@scripts/ensure-build-tools.sh
	@scripts/prepare-sqlx.sh

eval: build fetch ## Measures retrieval and answers: EVAL="folder ..."
	@scripts/ensure-postgres.sh
	@[ -n "$(EVAL)" ] || { echo 'usage: make eval EVAL="folder ..."' >&2; exit 2; }
	@exec scripts/footnote eval $(EVAL)

bench: fetch ## The figures; BENCH="name ..." picks some
	@scripts/ensure-build-tools.sh
	@scripts/bench.sh $(BENCH)

soak: fetch ## The long tests too, and the others with large amounts
	@scripts/ensure-build-tools.sh --test
	@scripts/ensure-postgres.sh
	@scripts/soak.sh

clean: ## Removes what was built; the model stays
	@$(ENV); cargo clean
