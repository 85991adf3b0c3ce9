# `make run` and `make test` do everything on a fresh Debian 12 with the Swift toolchain.

PREFIX ?= /usr/local
# Tests run debug builds, where every access is checked for exclusivity; releases trust them.
RELEASE := swift build -c release --static-swift-stdlib --product sluice -Xswiftc -cross-module-optimization \
	-Xswiftc -enforce-exclusivity=unchecked

.DEFAULT_GOAL := help
.PHONY: help setup build run test test-swift test-end-to-end sanitize bench lint format install clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

setup: ## Install what is missing (Debian packages)
	@scripts/setup

build: setup ## Build the release program and say its size
	@$(RELEASE)
	@ls -l .build/release/sluice | awk '{printf "sluice: %.1f MB\n", $$5 / 1e6}'

run: build ## Start the runtime, send real work through it, keep serving
	@scripts/run

test: test-swift test-end-to-end ## Pass all tests

test-swift:
	@scripts/setup --tests
	scripts/test-swift

test-end-to-end: build
	@scripts/setup --tests
	scripts/test-end-to-end

sanitize: setup ## Pass the tests of sockets, locks and tasks under the sanitizers of threads and addresses
	@for kind in thread address; do \
		LSAN_OPTIONS=suppressions=Tests/leaks.supp swift test --disable-xctest --sanitize $$kind --scratch-path .build/sanitize-$$kind \
			--filter 'SluiceTransportTests|SluiceEngineTests|SluiceGatewayTests' || exit 1; \
	done

bench: build ## Measure the runtime beside nginx and any peer that is installed
	@Benchmarks/run

lint: setup ## Fail on a difference in format, an undeclared import or a warning
	@scripts/lint

format: ## Apply the format
	@swift format -i --parallel --configuration .swift-format -r Sources Tests Package.swift

install: build ## Install under PREFIX (/usr/local)
	install -D -m 755 -s .build/release/sluice "$(DESTDIR)$(PREFIX)/bin/sluice"

clean: ## Remove what was built
	rm -rf .build .tools artifacts
