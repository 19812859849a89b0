# `make` alone lists the targets. setup, test, bench, faults and demo work on a bare Debian 12 or Ubuntu, as root, from a fresh
# clone; images, up, stages, rules and demo-cold need a Docker engine besides, and the rest what `make setup` installs.
SHELL := /bin/bash

.PHONY: help setup images test bench faults demo demo-cold up fmt lint check stages rules projects contract load
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what building and testing need; only what is missing
	dev/setup.sh

images: ## build the runner images on the engine that docker reaches; only what is missing; STACKS="node python": only of these
	runner-images/build.sh $(if $(STACKS),scan sca postgres mariadb redis $(STACKS))

test: setup ## everything, with a real Redis and the oldest and the newest Docker engine
	dev/test.sh

bench: setup ## measure against plain containers and unzip; prints ratios, writes target/bench.json
	dev/bench.sh

faults: setup ## kill, wipe, fill, restart and cut the power of everything, hundreds of times; prints what was lost (nothing)
	dev/faults.sh

demo: ## from a bare machine to a job that ran, live in the terminal
	dev/demo.sh

demo-cold: ## the same in a bare container, on a fresh clone: how long it takes from nothing, and the second time
	dev/demo-cold.sh

up: ## docker compose up, also where no image can be pulled
	dev/up.sh

stages: ## run the stage scripts in hardened containers on the engine that docker reaches
	runner-images/build.sh
	dev/test-stages.sh

rules: ## precision and recall of each SAST rule, on the engine that docker reaches; PIPELINEX_BENCHMARK=DIR: the OWASP Benchmark, too
	dev/test-rules.sh

projects: ## projects as people have them, each run to its end, as a table; PIPELINEX_PROJECTS=DIR: real ones, from clones in DIR
	dev/projects.sh

load: ## as many wrong tokens as this machine can send, and one right client beside them; prints how long that one waits
	dev/load.sh

contract: ## the API against its own OpenAPI document, by schemathesis (from PyPI)
	dev/contract.sh

fmt: ## format the Rust code
	cargo fmt --all

lint: ## clippy, rustdoc and shellcheck, warnings are errors
	dev/lint.sh

check: ## format check, lint, and the tests that need no engine
	cargo fmt --all --check
	dev/lint.sh
	cargo test --workspace --lib --bins
