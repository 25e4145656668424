# What can be done with this project: `make help`.

CARGO ?= cargo
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug
# Together with an example, so that dependencies are built with the features of the tests, once.
BUILD := $(CARGO) build --example demo
# Says how many tests a tier ran, and fails below tests/tiers/least: a filter that matches nothing passes otherwise.
TIER := tests/tiers/run
DENY_VERSION := 0.20.2
MDBOOK_VERSION := 0.5.4
export RUST_BACKTRACE ?= 0

.PHONY: help demo demo-page fuzz bench bench-node soak windows book test test-unit test-image test-alerts test-sim mutants test-mutants test-cluster test-attack test-consumers size generate lint fmt-check \
	clippy crates-check generated-check chart-check workflows-check deny prerequisites controlplane peers tools prometheus python clean
.PHONY: test-node node image image-lint

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: prerequisites controlplane python node ## The main job on a real control plane and a local AWS emulator (KEEP=1 leaves it running)
	$(BUILD) --bin refreshable-controller
	$(DEBUG)/examples/demo

demo-page: prerequisites controlplane python node ## Put the demo's output into docs/demo.md
	$(BUILD) --bin refreshable-controller
	$(DEBUG)/examples/demo --write-page

test: prerequisites test-unit test-alerts test-image test-sim test-cluster test-consumers test-node ## All tiers

test-unit: ## Rules, rendering, parsing: pure functions, in seconds
	tests/tiers/check
	$(TIER) unit $(CARGO) test --lib --bin refreshable-generate
	$(TIER) doc $(CARGO) test --doc --package refreshable-api

test-image: ## The program that packs images
	$(TIER) image $(CARGO) test --locked --manifest-path deploy/image/Cargo.toml --target-dir target/image

test-alerts: prometheus ## The alert rules, by promtool: each fires and stays silent when it should
	tests/prometheus/check

fuzz: ## The parsers of what comes from outside: 200,000 generated cases each, then a minute each under libFuzzer (PROPTEST_CASES and SECONDS_EACH choose others)
	PROPTEST_CASES=$${PROPTEST_CASES:-200000} $(CARGO) test --lib fuzz_tests -- --nocapture
	CARGO="$(CARGO)" tests/fuzz/run $${SECONDS_EACH:-60}

test-sim: ## The reconciler in a simulated world, months in seconds (SEEDS=10000: so many storms; MONTHS=10: as many times the resources; REFRESHABLE_SEED replays one)
	# And whatever is of no other tier: nothing can be left out.
	REFRESHABLE_SEEDS=$(SEEDS) REFRESHABLE_MONTHS=$(MONTHS) $(TIER) sim $(CARGO) test --test main -- --nocapture --skip cluster:: --skip consumers:: --skip node::

mutants: ## Changes engine and rules in each way that cargo-mutants knows, and sees that a unit test fails: hours (FLAGS='--file src/engine/queue.rs': a part)
	tests/mutants/every $(FLAGS)

test-mutants: ## Breaks production code, one fault at a time, and sees that the simulated world objects: minutes for each
	tests/mutants/run $(MUTANTS)

test-cluster: controlplane python peers prometheus ## The controller on a real API server, with an AWS emulator
	$(TIER) cluster $(CARGO) test --test main cluster::

test-attack: controlplane python peers ## The tests that the threat model names: a part of the other tiers
	tests/tiers/attack $(CARGO)

test-consumers: controlplane python consumers ## Real AWS clients that read what is published, across rotations
	$(CARGO) build --example consumer
	$(TIER) consumers $(CARGO) test --test main consumers::

.PHONY: consumers consumers-table

consumers-table: controlplane python consumers ## Put the table of failed calls into docs/consumers.md
	$(CARGO) build --example consumer
	REFRESHABLE_WRITE_TABLE=1 $(CARGO) test --test main consumers::matrix:: -- --nocapture

consumers: ## Build the programs that call AWS with each SDK, once, into the user's cache folder
	@tests/consumers/build go >/dev/null
	@tests/consumers/build objstore >/dev/null
	@tests/consumers/build rclone >/dev/null
	@if grep -qx VERSION_CODENAME=bookworm /etc/os-release; then \
		tests/consumers/build interpreters >/dev/null && tests/consumers/build libraries >/dev/null; fi
	@if command -v javac >/dev/null && command -v mvn >/dev/null; then tests/consumers/build java >/dev/null; fi
	@tests/tools/awscli2 >/dev/null
	@tests/javascript/setup >/dev/null

size: ## The sidecar as it is shipped: static, under 5 MB, under 5 MB resident, up in milliseconds
	tests/size/run

windows: ## The plugin for Windows, built with mingw-w64 and run in Wine, beside the one for Linux
	tests/windows/run

test-node: controlplane python node ## Pods on a real kubelet and containerd, where the machine can run one (REFRESHABLE_NODE=required: or fail)
	$(TIER) node $(CARGO) test --test main -- node:: --skip cluster::

# A release build, as it is shipped: the first takes a while. RESOURCES="1000 10000" and LATENCY (in milliseconds) choose others.
RESOURCES ?= 1000 2000 4000 8000
LATENCY ?= 60
bench: controlplane ## The controller beside a client that makes the same writes; WRITE=1 puts the table into docs/performance.md
	$(CARGO) build --release --bin refreshable-controller
	$(CARGO) build --example bench
	$(DEBUG)/examples/bench --latency $(LATENCY) $(if $(WRITE),--write-page) $(dir $(DEBUG))release/refreshable-controller $(RESOURCES)

MINUTES ?= 10
soak: controlplane python ## Real servers and processes fail in a row, for so many MINUTES; SEED=<n> draws the same faults again
	REFRESHABLE_MINUTES=$(MINUTES) REFRESHABLE_SEED=$(SEED) $(CARGO) test --test main -- --ignored --exact \
		cluster::soak::real_servers_and_processes_fail_in_a_row_and_all_settles --nocapture

bench-node: controlplane python node ## Measures, and asserts only what noise cannot break: the kubelet's own minute
	$(CARGO) test --test main -- --ignored --exact node::bench_of_propagation --nocapture

image: ## The images of the programs, without a container engine: a release build, in target/image (ARCH=arm64: of the other kind)
	deploy/image/build

image-lint: ## The Dockerfile, by hadolint
	@tests/tools/hadolint >/dev/null
	$$(tests/tools/hadolint) deploy/image/Dockerfile
	$(CARGO) fmt --check --manifest-path deploy/image/Cargo.toml
	$(CARGO) clippy --quiet --locked --manifest-path deploy/image/Cargo.toml --target-dir target/image --all-targets -- -D warnings

generate: ## Write what is generated: CRDs, API reference, chart README, deploy/install.yaml
	$(BUILD) --bin refreshable-generate
	$(DEBUG)/refreshable-generate
	charts/refreshable/generate-readme
	deploy/generate

lint: fmt-check clippy crates-check generated-check chart-check deny image-lint workflows-check book ## Every check that is no test

fmt-check: ## Formatting, habits of wording (their number may only fall), and whether each mutant still applies
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path tests/fuzz/Cargo.toml --check
	.ci/style
	tests/mutants/run --check

clippy: ## Clippy, every warning an error
	$(CARGO) clippy --all-targets -- -D warnings

crates-check: ## The arrows between the crates, and the API crate as it is published
	.ci/crates

generated-check: ## What is generated is current
	$(BUILD) --bin refreshable-generate
	$(DEBUG)/refreshable-generate --check

chart-check: ## The chart, over a matrix of values
	tests/chart/check

workflows-check: ## The workflows, by actionlint and zizmor; the shell scripts, by shellcheck; what a release runs, on small images
	.ci/workflows
	.ci/release/check

deny: ## Licences, duplicate TLS stacks and sources of the dependencies; advisories where their database can be had
	.ci/deny $(DENY_VERSION)

book: ## The documentation as a book, in target/book; a dead link fails it, a version that no test takes, a claim of docs/security, and a page that is too wide (with chromium)
	.ci/support
	.ci/security
	"$$(.ci/tool mdbook $(MDBOOK_VERSION) --no-default-features --features search)" build docs
	docs/pictures/status --check
	tests/book/check target/book

prerequisites: ## What must be on the machine
	@.ci/prerequisites

controlplane: ## Build etcd and Kubernetes' control plane, once, into the user's cache folder
	@tests/controlplane/build >/dev/null

node: ## Build kubelet and scheduler, and unpack containerd and what images stand on, once, into the user's cache folder
	@tests/node/fetch

tools: ## Build helm 3 and 4 and Argo CD's Lua, once, into the user's cache folder
	@tests/tools/build helm helm4 >/dev/null
	@tests/lua/build >/dev/null

peers: ## Build or fetch the servers and clients that sources are held against, once, into the user's cache folder
	@tests/peers/build minio ec2-metadata-mock >/dev/null
	@tests/peers/ceph >/dev/null
	@tests/peers/postgres >/dev/null
	@tests/tools/awscli2 >/dev/null
	@tests/tools/softhsm >/dev/null
	@tests/tools/build helm4 >/dev/null
	@tests/lua/build >/dev/null
	@tests/krew/build >/dev/null
	@tests/gitops/crds >/dev/null
	@tests/javascript/setup >/dev/null

prometheus: ## Fetch Prometheus and the CRDs of its operator, once, into the user's cache folder
	@tests/tools/prometheus >/dev/null
	@tests/prometheus/crds >/dev/null

python: ## Make the Python environment of the tests, once, in the user's cache folder
	@tests/python/setup >/dev/null
	@tests/python/botocore >/dev/null

clean: ## Delete what was built here (the cache folder stays)
	$(CARGO) clean
