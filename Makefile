# Everything sets itself up: a python3 (3.11 or later) and a network for packages are all that is needed.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON ?= python3
OWN_UV := .shop/uv/bin/uv
export UV ?= $(shell command -v uv || echo "$(CURDIR)/$(OWN_UV)")
# A path may have a space in it, and no prerequisite may.
MISSING_UV := $(if $(shell command -v "$(UV)"),,$(OWN_UV))
# Compiled modules are what makes the second start quick.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
READY := $(VENV)/.ready
# Tools that no service and no test imports: one set builds the site of the documents, one examines what is shipped.
DOCS := .shop/docs/environment
SUPPLY := .shop/supply/environment
MUTATION := .shop/mutation/environment
FUZZ := .shop/fuzz/environment
SERVICES := $(sort $(wildcard services/*/pyproject.toml))
SERVICE_NAMES := $(notdir $(patsubst %/pyproject.toml,%,$(SERVICES)))
TOOLS := $(addprefix tools/,processor issuer stack observe oracle load contracts lab mutants simulate chaos floor shop)
# The images of ours, by the names that docker-compose.yml gives to those that it builds.
IMAGES := $(SERVICE_NAMES) processor issuer topics floor
PROJECTS := $(dir libs/chassis/pyproject.toml libs/testkit/pyproject.toml $(SERVICES) $(addsuffix /pyproject.toml,$(TOOLS)))
MANIFESTS := $(addsuffix pyproject.toml,$(PROJECTS))
# Projects of this repository: they are installed from here, and stand in no lock.
OURS := chassis testkit processor issuer shop-stack shop-observe shop-oracle shop-load shop-contracts shop-lab shop-mutants shop-simulate shop-chaos shop-floor
# What a service's lock is made of, and nothing of where the packages come from.
LOCK := "$(UV)" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(addprefix --no-emit-package ,$(OURS))

# One sentence with the cure, and where the rest is.
sorry = echo "make: $(1)." >&2; exit 1
DOWNLOAD_CURE := : connect to the network or set HTTPS_PROXY and try again; .shop/setup.log has the reason

.PHONY: help
help: ## This list
	@{ grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST); \
		for name in $(SERVICE_NAMES); do echo "test-$$name: ## The tests of services/$$name: a few minutes"; done; } \
		| sort | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

.PHONY: demo
demo: $(READY) ## Start the shop, send orders of every outcome through it, judge the result, stop it
	@$(VENV)/bin/shop demo

.PHONY: up
up: $(READY) ## Start the shop and leave it running
	@$(VENV)/bin/shop up

.PHONY: down
down: $(READY) ## Stop the shop; its data stays
	@$(VENV)/bin/shop down

# More processes than cores, each with servers of its own: most tests wait more than they compute.
TEST_PROCESSES ?= 3
AT_ONCE = --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

.PHONY: test
test: $(READY) ## The tests of each service and of the whole, against real PostgreSQL and real Kafka (SHOP_STACK=containers: in containers): about 10 minutes
	@$(VENV)/bin/python -m pytest -m "not long" $(AT_ONCE) $(ARGS)

.PHONY: test-long
test-long: $(READY) ## The tests that start servers, shops or environments of their own, or replace services under load: about 10 minutes
	@$(VENV)/bin/python -m pytest -m long $(AT_ONCE) $(ARGS)

.PHONY: test-runbooks
test-runbooks: $(READY) ## Follow each runbook, command by command, on a shop that is broken for it (minutes)
	@SHOP_RUNBOOK_DRILLS=1 $(VENV)/bin/python -m pytest tests/runbooks $(ARGS)

.PHONY: test-alerts
test-alerts: $(READY) .shop/prometheus/promtool ## See each alert fire and resolve in a real Prometheus; writes the minutes into the runbooks (40 minutes; needs go)
	@SHOP_RUNBOOK_DRILLS=1 SHOP_ALERT_DRILLS=1 $(VENV)/bin/python -m pytest tests/runbooks/drills/alerts $(ARGS)

.PHONY: test-shapes
test-shapes: $(READY) ## The shop as a monolith and in pairs, with both sagas and with one transaction: each ending, crashes, duplicates, and the oracle (up to an hour)
	@SHOP_SHAPE_TESTS=1 $(VENV)/bin/python -m pytest tests/shapes $(AT_ONCE) $(ARGS)

.PHONY: test-emancipation
test-emancipation: $(READY) ## Take modules out of a running monolith and put them back, under load, and killed after each step (20 minutes)
	@SHOP_EMANCIPATION_TESTS=1 $(VENV)/bin/python -m pytest tests/emancipation $(ARGS)

.PHONY: test-restore
test-restore: $(READY) ## Restore the database of each service under load, and judge the whole (minutes)
	@SHOP_RESTORE_TESTS=1 $(VENV)/bin/python -m pytest tests/saga/test_restored_databases.py $(ARGS)

.PHONY: test-hands
test-hands: $(READY) ## Hold up an order in each way, see `shop why` name it, and cure it with the printed command (minutes)
	@SHOP_HANDS_TESTS=1 $(VENV)/bin/python -m pytest tests/hands $(ARGS)

.PHONY: test-floor
test-floor: $(READY) ## The pages of `shop floor` in a browser, with their pictures for the documents (needs chromium)
	@[ -x /usr/bin/chromium ] \
		|| { $(call sorry,/usr/bin/chromium is missing: install Debian's package chromium); }
	@SHOP_FLOOR_TESTS=1 $(VENV)/bin/python -m pytest tools/floor/tests/browser $(ARGS)

# Orders per second, one rate after the other; 0 is a shop at rest.
RATES ?= 0,8,180,1000

.PHONY: floor-frames
floor-frames: $(READY) ## Count the frames that a browser draws while orders are replayed at RATES a second, and what the page's server costs (needs chromium)
	@[ -x /usr/bin/chromium ] \
		|| { $(call sorry,/usr/bin/chromium is missing: install Debian's package chromium); }
	@$(VENV)/bin/python -m tools.floor.tests.browser.frames --rates $(RATES) $(ARGS)

.PHONY: test-labs
test-labs: $(READY) ## Do the labs of the embedded stack, command by command, and leave out each step (minutes)
	@SHOP_LABS=1 $(VENV)/bin/python -m pytest tests/labs $(ARGS)

.PHONY: test-deploy-labs
test-deploy-labs: $(READY) ## Do the labs of docs/labs/independent-deploys in a clone, and ask the check after each section (20 minutes)
	@SHOP_DEPLOY_LABS=1 $(VENV)/bin/python -m pytest tests/labs/deploys $(ARGS)

SERVICE_TESTS := $(addprefix test-,$(SERVICE_NAMES))
.PHONY: $(SERVICE_TESTS)
$(SERVICE_TESTS): test-%: $(READY)
	@$(VENV)/bin/python -m pytest services/$* $(ARGS)

.PHONY: test-chassis
test-chassis: $(READY) ## The tests of libs/chassis: a few minutes
	@$(VENV)/bin/python -m pytest libs/chassis $(ARGS)

.PHONY: test-alone
test-alone: $(READY) ## Each service, built and tested where nothing of another one is: about 2 minutes
	@SHOP_ALONE=1 $(VENV)/bin/python -m pytest tests/alone $(ARGS)

.PHONY: test-rights
test-rights: $(READY) ## A shop that uses each of its rights in Kafka: an unused right fails it (a minute)
	@SHOP_RIGHTS_TESTS=1 $(VENV)/bin/python -m pytest tests/rights $(ARGS)

.PHONY: test-brokers
test-brokers: $(READY) ## One of three brokers is killed, restarted and emptied under load: no order is lost (minutes)
	@SHOP_BROKER_TESTS=1 $(VENV)/bin/python -m pytest tests/saga/test_three_brokers.py $(ARGS)

.PHONY: test-deployments
test-deployments: $(READY) ## Each service deployed and rolled back under load, repeatedly: no request fails (minutes)
	@SHOP_DEPLOYMENT_TESTS=1 $(VENV)/bin/python -m pytest tests/deployments $(ARGS)

.PHONY: skew
skew: $(READY) ## A planted skew bug is red in the right cells; canaries that are promoted and withdrawn (about 10 minutes)
	@SHOP_SKEW_TESTS=1 $(VENV)/bin/python -m pytest tests/skew $(ARGS)

# How many schedules, and the seed of the first one.
SCHEDULES ?= 3000
SEED ?= 1

.PHONY: simulate
simulate: $(READY) ## Run SCHEDULES schedules by seed: all services in one process on real PostgreSQL, without Kafka (minutes)
	@$(VENV)/bin/shop simulate --schedules $(SCHEDULES) --seed $(SEED) $(ARGS)
	@SHOP_SIMULATE_MUTANTS=1 $(VENV)/bin/python -m pytest --quiet --no-header tools/simulate
.PHONY: crash-points
crash-points: $(READY) ## Kill, cancel and freeze a service at each point where its chassis waits (an hour; ARGS=--help)
	@$(VENV)/bin/python -m tests.crash_points $(ARGS)

.PHONY: test-crash-points
test-crash-points: $(READY) ## Faults planted in a consumer are found by crash points (about 10 minutes)
	@SHOP_CRASH_POINT_TESTS=1 $(VENV)/bin/python -m pytest tests/crash_points tests/saga/test_crash_points.py $(ARGS)

.PHONY: test-compose
test-compose: $(READY) ## The shop in containers: built, started, judged, removed; needs a container engine
	@docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 \
		|| { echo "make: no container engine answers, or it lacks compose: start Docker, or set DOCKER_HOST." >&2; exit 1; }
	@SHOP_COMPOSE_TESTS=1 $(VENV)/bin/python -m pytest tests/compose $(ARGS)

.PHONY: test-k8s
test-k8s: $(READY) ## Drills on the cluster of KUBECONFIG, where the shop of deploy/k8s/overlays/local runs
	@kubectl get namespace shopfloor >/dev/null 2>&1 \
		|| { echo "make: no cluster with the shop on it answers: set KUBECONFIG, then start the shop of deploy/k8s/overlays/local (deploy/k8s/README.md)." >&2; exit 1; }
	@SHOP_DRILLS=1 $(VENV)/bin/python -m pytest tests/kubernetes $(ARGS)

.PHONY: test-tutorials
test-tutorials: $(READY) ## The tutorials, each carried out in a clone, and a new service judged (minutes)
	@SHOP_TUTORIALS=1 $(VENV)/bin/python -m pytest tests/tutorials $(ARGS)

.PHONY: lint
lint: $(READY) ## Style, types, who may import whom, holes in the workflows, and breaks of released contracts
	@$(VENV)/bin/ruff check --quiet
	@$(VENV)/bin/ruff format --check --quiet
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --config .importlinter
	@$(VENV)/bin/zizmor --offline --quiet --pedantic --strict-collection .
	@$(VENV)/bin/shop contracts check >.shop/contracts.txt || { cat .shop/contracts.txt; exit 1; }

.PHONY: check-workflows
check-workflows: ## The workflows are what GitHub can run: actionlint, which needs go
	@command -v go >/dev/null \
		|| { $(call sorry,go is missing and actionlint is made with it: install Go 1.25 or later); }
	@mkdir -p .shop && chmod 700 .shop
	@(cd .github/actionlint && go build -o ../../.shop/actionlint github.com/rhysd/actionlint/cmd/actionlint) >.shop/setup.log 2>&1 \
		|| { $(call sorry,actionlint could not be built$(DOWNLOAD_CURE)); }
	@.shop/actionlint

.PHONY: chaos
chaos: $(READY) ## Inject faults while orders arrive, and see that the invariants hold: the quick experiments (10 minutes)
	@$(VENV)/bin/shop chaos matrix --quick $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure what an order costs, as ratios to bare PostgreSQL and Kafka (ARGS=--quick: roughly)
	@$(VENV)/bin/shop bench $(ARGS)

.PHONY: docs
docs: $(READY) $(DOCS)/.ready ## The documents as a site with a search, into .shop/site; a broken link fails it
	@$(VENV)/bin/python -m tools.docs.reference
	@$(DOCS)/bin/python tools/docs/build.py

.PHONY: mutate
mutate: $(READY) $(MUTATION)/.ready ## Change one operator or value at a time, and count what the tests notice (ARGS="orders inbox": two parts)
	@$(VENV)/bin/python -m shop_mutants.scores $(ARGS)

# How many mutated events, and how many generated requests.
EVENTS ?= 6000
REQUESTS ?= 3000

.PHONY: fuzz
fuzz: $(READY) $(FUZZ)/.ready ## Send EVENTS mutated events while orders arrive, then REQUESTS generated requests (minutes; SEED=7)
	@$(VENV)/bin/shop fuzz events --count $(EVENTS) --seed $(SEED)
	@$(VENV)/bin/shop fuzz requests --count $(REQUESTS) --seed $(SEED)

.PHONY: fuzz-environment
fuzz-environment: $(FUZZ)/.ready

.PHONY: docs-environment
docs-environment: $(DOCS)/.ready

.PHONY: supply-environment
supply-environment: $(SUPPLY)/.ready

.PHONY: pictures
pictures: $(READY) ## Write the state machines and the orchestrated saga anew from the code, and the table of mutants from their last run
	@$(VENV)/bin/python tools/docs/state_machines.py
	@$(VENV)/bin/python tools/docs/saga_page.py
	@$(VENV)/bin/python tools/docs/mutants.py

# A consumer's own tests write what it reads of another program.
EXPECTATIONS := $(wildcard services/*/tests/contract/test_*_expectations.py tools/*/tests/test_*_expectations.py)

.PHONY: contracts
contracts: $(READY) ## Write the OpenAPI and AsyncAPI files, and what each consumer reads, anew from the code, and check them
	@$(VENV)/bin/python tools/contracts/export.py
	@SHOP_WRITE_EXPECTATIONS=1 $(VENV)/bin/python -m pytest --quiet --no-header $(EXPECTATIONS)
	@$(MAKE) --no-print-directory check-contracts

.PHONY: check-contracts
check-contracts: $(READY) ## Compare events and new migrations with all releases, and see that planted breaks are caught
	@$(VENV)/bin/shop contracts check
	@$(VENV)/bin/shop contracts migrations
	@$(VENV)/bin/python -m pytest --quiet --no-header tests/contracts/test_planted_breaks.py

.PHONY: check-apis
check-apis: $(READY) .shop/oasdiff ## Each HTTP API keeps what its last release has promised, and planted breaks are found (needs go)
	@$(VENV)/bin/shop contracts apis
	@SHOP_API_TESTS=1 $(VENV)/bin/python -m pytest --quiet --no-header tests/apis $(ARGS)

.shop/oasdiff: tools/contracts/oasdiff/go.mod tools/contracts/oasdiff/go.sum
	@command -v go >/dev/null \
		|| { $(call sorry,go is missing and oasdiff is made with it: install Go 1.26 or later); }
	@mkdir -p .shop && chmod 700 .shop
	@(cd tools/contracts/oasdiff && go build -o ../../../.shop/oasdiff github.com/oasdiff/oasdiff) >.shop/setup.log 2>&1 \
		|| { $(call sorry,oasdiff could not be built$(DOWNLOAD_CURE)); }
	@touch $@

.PHONY: rules
rules: $(READY) ## Render the rules of Prometheus for both time scales, and the dashboards, from deploy/observability
	@$(VENV)/bin/python -m tools.observability.render

.PHONY: check-rules
check-rules: $(READY) .shop/prometheus/promtool ## Test objectives and alerts with promtool, and see that planted faults are caught (needs go)
	@SHOP_RULES_TESTS=1 $(VENV)/bin/python -m pytest --quiet --no-header tests/observability $(ARGS)

.PHONY: prometheus
prometheus: .shop/prometheus/promtool ## Build Prometheus for `shop up --observability` (needs go; some minutes)

# Both programs are built together. The lists of machines of clouds are left out: they are most of its packages.
.shop/prometheus/promtool: tools/observability/prometheus/go.mod tools/observability/prometheus/go.sum
	@command -v go >/dev/null \
		|| { $(call sorry,go is missing and Prometheus is made with it: install Go 1.26 or later); }
	@mkdir -p .shop/prometheus && chmod 700 .shop
	@(cd tools/observability/prometheus && go build -tags remove_all_sd -o ../../../.shop/prometheus/ \
		github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool) >.shop/setup.log 2>&1 \
		|| { $(call sorry,Prometheus could not be built$(DOWNLOAD_CURE)); }
	@touch $@

.PHONY: lock
lock: | $(MISSING_UV) ## Lock again what every service and the tools are built from (ARGS=--upgrade: newest versions)
	@for project in $(dir $(SERVICES)) tools/processor/ tools/issuer/; do \
		(cd $$project && $(LOCK) $(ARGS) pyproject.toml --output-file requirements.txt) || exit 1; \
	done
	@$(LOCK) $(ARGS) requirements-uv.in --output-file requirements-uv.txt
	@for tool in stack floor; do \
		(cd tools/$$tool && $(LOCK) $(ARGS) image-requirements.in --output-file image-requirements.txt) || exit 1; \
	done
	@$(LOCK) $(ARGS) --group dev pyproject.toml $(MANIFESTS) --output-file requirements-dev.txt
	@$(LOCK) $(ARGS) --group docs --output-file requirements-docs.txt
	@$(LOCK) $(ARGS) --group supply --output-file requirements-supply.txt
	@$(LOCK) $(ARGS) --group mutation --output-file requirements-mutation.txt
	@$(LOCK) $(ARGS) --group fuzz --output-file requirements-fuzz.txt

.PHONY: lock-kafka
lock-kafka: $(READY) ## Lock again the jars that Kafka is run from, after its version was changed
	@$(VENV)/bin/python -m shop_stack.classpath --lock >/dev/null

SBOMS := $(addprefix sbom-,$(IMAGES))
.PHONY: sbom
sbom: $(SBOMS) ## A CycloneDX list of the packages in each image, by its lock, into .shop/sbom/ (ARGS=--no-validate: faster); offline after make up

# The lock that an image of ours is made of.
lock_of = $(firstword $(wildcard services/$(1)/requirements.txt tools/$(1)/requirements.txt tools/$(1)/image-requirements.txt) \
	tools/stack/image-requirements.txt)

# The lock is installed, because licences and dependencies stand in the packages. Hashes make uv's cache as good as a network.
.PHONY: $(SBOMS)
$(SBOMS): sbom-%: $(SUPPLY)/.ready
	@"$(UV)" venv --quiet --clear --python $(PYTHON) .shop/sbom/environments/$*
	@install() { "$(UV)" pip sync --quiet --python .shop/sbom/environments/$*/bin/python \
			--require-hashes $(call lock_of,$*) "$$@" >.shop/setup.log 2>&1; }; \
		install --offline || install || { $(call sorry,the packages of $* could not be installed$(DOWNLOAD_CURE)); }
	@$(SUPPLY)/bin/cyclonedx-py environment $(ARGS) --output-reproducible --mc-type application \
		--pyproject $(dir $(call lock_of,$*))pyproject.toml --output-file .shop/sbom/$*.cdx.json \
		.shop/sbom/environments/$*/bin/python
	@echo ".shop/sbom/$*.cdx.json"

.PHONY: audit
audit: $(READY) $(SUPPLY)/.ready ## Ask for known vulnerabilities of every locked package; never green where the service is away
	@$(VENV)/bin/shop audit $(ARGS)

.PHONY: check-images
check-images: $(READY) ## Compare the digests of foreign images with the registry; never green where there is none
	@$(VENV)/bin/shop images check $(ARGS)

# A release is a folder in this clone: without the ceiling its provenance would name the commit of the clone.
.PHONY: publish
publish: $(READY) ## Build each image with an SBOM and provenance, and push it: services by their newest release (SHOP_REGISTRY=registry.example SHOP_VERSION=0.2.0, the tools' version)
	@[[ -n "$(SHOP_REGISTRY)" && -n "$(SHOP_VERSION)" ]] \
		|| { $(call sorry,registry or version is missing: make publish SHOP_REGISTRY=registry.example SHOP_VERSION=0.2.0); }
	@docker buildx version >/dev/null 2>&1 \
		|| { $(call sorry,docker buildx does not answer: install Docker with its buildx plugin); }
	@options="$$($(VENV)/bin/python -m shop.supply.bake "$(SHOP_REGISTRY)" "$(SHOP_VERSION)" $(IMAGES))" || exit 1; \
		mapfile -t options <<<"$$options"; \
		export SHOP_VERSION="$(SHOP_VERSION)" SHOP_REVISION="$$(git rev-parse HEAD)" \
			GIT_CEILING_DIRECTORIES="$(CURDIR)/.shop/releases"; \
		docker buildx bake --file docker-compose.yml --sbom=true --provenance=mode=max --push \
			"$${options[@]}" $(IMAGES)

# The tools' own environment: shop, tests, checks; and every project, editable.
$(READY): requirements-dev.txt $(MANIFESTS) | $(MISSING_UV)
	@echo "Preparing $(VENV) (once)"
	@mkdir -p .shop && chmod 700 .shop
	@[ -x $(VENV)/bin/python ] || "$(UV)" venv --quiet --python $(PYTHON) $(VENV)
	@"$(UV)" pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements-dev.txt >.shop/setup.log 2>&1 \
		|| { $(call sorry,the packages could not be installed$(DOWNLOAD_CURE)); }
	@"$(UV)" pip install --quiet --python $(VENV)/bin/python --no-deps $(addprefix --editable ./,$(PROJECTS)) \
		>.shop/setup.log 2>&1 || { $(call sorry,this repository's projects could not be installed$(DOWNLOAD_CURE)); }
	@touch $(READY)

.shop/%/environment/.ready: requirements-%.txt | $(MISSING_UV)
	@echo "Preparing $(@D) (once)"
	@mkdir -p .shop && chmod 700 .shop && mkdir -p $(dir $(@D))
	@[ -x $(@D)/bin/python ] || "$(UV)" venv --quiet --python $(PYTHON) $(@D)
	@"$(UV)" pip sync --quiet --python $(@D)/bin/python --require-hashes requirements-$*.txt >.shop/setup.log 2>&1 \
		|| { $(call sorry,the packages could not be installed$(DOWNLOAD_CURE)); }
	@touch $@

# uv itself, if there is none on the PATH: into an environment of its own.
$(OWN_UV):
	@mkdir -p .shop && chmod 700 .shop
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { $(call sorry,$(PYTHON) is missing or older than 3.11: install a newer Python or name one with PYTHON=...); }
	@$(PYTHON) -m venv .shop/uv >.shop/setup.log 2>&1 \
		|| { $(call sorry,$(PYTHON) cannot make environments: install its venv package (python3-venv on Debian) or uv); }
	@.shop/uv/bin/python -m pip install --quiet --retries 1 --require-hashes --only-binary :all: \
		--requirement requirements-uv.txt >.shop/setup.log 2>&1 \
		|| { $(call sorry,uv could not be installed$(DOWNLOAD_CURE)); }
