# The two that matter: `make rehearse` and `make test`. Each sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install rehearse test lint format types openapi reference compose secrets containers sample build soak soak-healing bench-faults bench-toxiproxy toxiproxy-clients bench-edge bench-load bench-record bench-import bench-judgement generator-limit stall replay-exact two-hosts load-side clean stranger

help:  ## Show what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	@$(PYTHON) scripts/install.py $(VENV)
	@touch $@

install: $(STAMP)  ## Install into .venv, and do nothing else.

rehearse: $(STAMP)  ## Rehearse a flash sale under faults; prints the verdict and the report's path.
	@$(BIN)/flashdrill run scenarios/flash_sale.yaml

test: $(STAMP)  ## Run every test.
	@$(BIN)/python -m pytest -n 2 --dist loadfile --durations=20 tests/unit tests/services
	@$(BIN)/python -m pytest --durations=20 tests/rehearsal

lint: $(STAMP)  ## Check style.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP)  ## Format the code.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

types: $(STAMP)  ## Check types.
	@$(BIN)/mypy

openapi: $(STAMP)  ## Write backend/openapi.json from the code.
	@$(BIN)/python -m backend openapi > backend/openapi.json.new && mv backend/openapi.json.new backend/openapi.json

reference: $(STAMP)  ## Write docs/reference/ from the code.
	@$(BIN)/python -m scripts.reference
	@$(BIN)/python -m scripts.faults.page

compose: $(STAMP)  ## Write docker-compose.yml and deploy/ from src/flashdrill/stack/services.py.
	@$(BIN)/python -m scripts.containers

secrets: $(STAMP)  ## Make the secrets that the containers read, in deploy/secrets/; those that are there stay.
	@$(BIN)/python -m scripts.make_secrets

containers: $(STAMP)  ## Check docker-compose.yml, the Dockerfile and deploy/ with every tool that is here.
	@$(BIN)/python -m scripts.check_containers

sample: $(STAMP)  ## Rehearse once more, and keep the run in reports/sample/ and the README.
	@$(BIN)/python scripts/sample.py

build: $(STAMP)  ## Build the wheel into dist/.
	@$(BIN)/python -m build --wheel --outdir dist .

soak: $(STAMP)  ## Kill the backend 20 times under load with the queue in use; nothing may be lost or doubled.
	@$(BIN)/python scripts/kill_backend.py --kills 20

soak-healing: $(STAMP)  ## SIGKILL the harness at 30 random moments of every fault; the stack must be clean within 5 s each time.
	@$(BIN)/python -m scripts.kill_harness --rounds 30

bench-faults: $(STAMP)  ## Inject every fault for real, one at a time; writes docs/faults.md, and ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_faults --keep

bench-edge: $(STAMP)  ## Measure what the edge costs; ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_edge

bench-toxiproxy: $(STAMP)  ## Compare the embedded Toxiproxy server's speed with the real one's; ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_toxiproxy

bench-load: $(STAMP)  ## Measure what a request costs the generator, beside FastHttpUser, wrk and k6; ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_load

bench-record: $(STAMP)  ## Record 10 million operations against a null server: is the generator's memory flat? Takes 20 minutes.
	@$(BIN)/python -m scripts.bench_record

bench-import: $(STAMP)  ## Import recordings of several gigabytes, ARGS="--gigabytes 3": speed, and memory per arrival; ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_import $(ARGS)

bench-judgement: $(STAMP)  ## Keep and judge a run of millions of operations, ARGS="--operations 10000000": time and memory; ends in one line of JSON.
	@$(BIN)/python -m scripts.bench_judgement $(ARGS)

generator-limit: $(STAMP)  ## What the generator can send; a run at half of it, and one at 110 % of it, which must not pass; ends in one line of JSON.
	@$(BIN)/python -m scripts.generator_limit

stall: $(STAMP)  ## Stop a server for 2 s under load: our percentiles, the analytic ones, plain Locust's; ends in one line of JSON.
	@$(BIN)/python -m scripts.stall

replay-exact: $(STAMP)  ## Replay FILES="access.log results.jtl" at 50 times speed and count against them; ends in one line of JSON.
	@$(BIN)/python -m scripts.replay_exact $(FILES)

stranger: $(STAMP)  ## Rehearse a stranger's shop, careful and careless, and kill the harness once; ends in one line of JSON.
	@$(BIN)/python -m scripts.stranger

two-hosts: $(STAMP)  ## A master and a worker on each of two network namespaces (needs root); ends in one line of JSON.
	@$(BIN)/python -m scripts.two_hosts

load-side: $(STAMP)  ## The command lines of the compose file's and the manifests' load, run as processes (needs root); ends in one line of JSON.
	@$(BIN)/python -m scripts.load_side

toxiproxy-clients: $(STAMP)  ## Run other people's Toxiproxy clients against the embedded server and the real one.
	@$(BIN)/python -m scripts.toxiproxy_clients

clean:  ## Remove what was built and installed here.
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
