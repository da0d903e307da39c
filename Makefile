# Two commands do all the set-up: `make demo` shows Concord at work, `make test` runs every test.
SHELL := bash
# Queries are checked against the committed descriptions in .sqlx, not against a server that happens to run.
export SQLX_OFFLINE := true
# What the tests are built with: the mistakes that they have to find (`src/planted.rs`), and traces. One set for all of
# them, so that everything is built once.
TESTED := planted,otlp

.PHONY: demo test storm policies setup

# A private Postgres, both platforms as sandboxes, a catalogue of 200 products, merchants at work, a page to look at.
demo: setup
	cargo build --locked
	exec target/debug/concord demo

# Every test, on a throw-away Postgres. The binary that tests kill is the one that is shipped.
test: STATUSES := $(CURDIR)/target/statuses
test: setup
	cargo build --locked --release
	rm -rf "$(STATUSES)"
	CONCORD_TEST_BINARY="$(CURDIR)/target/release/concord" \
		CONCORD_TEST_STATUSES="$(STATUSES)" target/release/concord with-postgres -- \
		cargo test --locked --features $(TESTED)
	CONCORD_TEST_STATUSES="$(STATUSES)" cargo test --locked --features $(TESTED) --test statuses

# Storms alone: `make storm SEEDS=10000`, or one of them again: `make storm SEED=17`.
storm: setup
	cargo build --locked --features $(TESTED)
	CONCORD_STORM_SEEDS=$(SEEDS) CONCORD_STORM_SEED=$(SEED) target/debug/concord with-postgres -- \
		cargo test --locked --features $(TESTED) --test main sim::storms -- --nocapture

# A thousand sales under Concord and under simpler policies: the table in the README.
policies: setup
	cargo build --locked --features $(TESTED)
	target/debug/concord with-postgres -- \
		cargo test --locked --features $(TESTED) --test main sim::policies -- --nocapture

setup:
	@command -v cargo >/dev/null || { echo "Rust is not installed: get it from https://rustup.rs" >&2; exit 1; }
	@./deploy/install-postgres.sh
