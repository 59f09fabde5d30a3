# Run `make` to see the targets. Ports and directories are set by environment variables: see README.md.

include versions.env

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c

throughline := .build/bin/throughline

.PHONY: help up down status load fault verify evaluate trace build test unit e2e e2e-compose e2e-kubernetes e2e-upgrade bench fuzz lint vulncheck outdated sbom module release-check clean command node chromium

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: command ## Build what is missing, start every part and show a first trace
	@$(throughline) up

down: command ## Stop every part (make down VOLUMES=1 forgets the data and the logs, too)
	@$(throughline) down $(if $(VOLUMES),--volumes)

status: command ## Show what runs, where, and how much memory it takes
	@$(throughline) status

load: command ## Drive logins (RATE=20 a second, DURATION=10s, SCENARIO=steady or another)
	@$(throughline) load $(if $(SCENARIO),--scenario $(SCENARIO)) $(if $(RATE),--rate $(RATE)) $(if $(DURATION),--duration $(DURATION))

fault: command ## Bring a fault about for a while, or list the faults (NAME, DURATION=1m, RATE=20 logins a second)
	@$(throughline) fault $(NAME) $(if $(RATE),--rate $(RATE)) $(if $(DURATION),--duration $(DURATION))

verify: command ## Check what the running stack promises (TARGET=native, compose or kubernetes)
	@$(throughline) verify $(if $(TARGET),--target $(TARGET))

evaluate: command ## Measure the stack and trace stores, break the stack, write report/ (DURATION=short or full, ONLY=stack or stores, STORES, REPLAY, SPANS, OUT=report)
	@[[ "$(TARGET)" == compose || "$(ONLY)" == stores ]] || TAIL_SAMPLING=on $(throughline) build
	@$(throughline) evaluate $(if $(DURATION),--duration $(DURATION)) $(if $(OUT),--out $(OUT)) $(if $(TARGET),--target $(TARGET)) \
		$(if $(ONLY),--only $(ONLY)) $(if $(STORES),--stores $(STORES)) $(if $(REPLAY),--replay $(REPLAY)) $(if $(SPANS),--spans $(SPANS))

trace: command ## Print a trace as a tree (ID=<trace id>, FROM=jaeger or tempo)
	@$(throughline) trace $(ID) $(if $(FROM),--from $(FROM))

build: command ## Build every part and install RabbitMQ where it is missing, without starting anything
	@$(throughline) build

test: lint unit e2e ## Run lint, unit tests and end-to-end tests on the real stack, and list the tests that this leaves out
	@echo "Passed. Not run, as they take 20 minutes more, somebody's cluster, or an hour:"
	@docker version >/dev/null 2>&1 && engine="a Docker Engine answers" || engine="no Docker Engine answers"; echo "  make e2e-compose     $$engine"
	@kubectl version --request-timeout 5s >/dev/null 2>&1 && cluster="on the cluster of the context $$(kubectl config current-context)" || cluster="no cluster answers"; echo "  make e2e-kubernetes  $$cluster"
	@echo "  make e2e-upgrade     builds the version before of each part"

unit: node build ## Run the unit tests, with the race detector
	go test -p 4 -race -timeout 20m $$(go list ./... | grep -v /internal/e2e)
	GOWORK=off go test -C telemetry -race ./...
	GOWORK=off go test -C internal/kubernetes ./...
	GOWORK=off go run ./rabbitmq/withbroker bash -c 'go test -C otelamqp -race ./... && go test -C docs/adopt/go-queue -race ./...'
	cd console && npm test

e2e: node chromium build ## Run the end-to-end tests, those in a browser among them, on free ports beside whatever runs
	@TAIL_SAMPLING=on $(throughline) build
	go test ./internal/alerts # builds promtool
	GOWORK=off go test -C internal/kubernetes -count=1 -tags binaries -run TestTheProgramsTakeTheirConfigurations ./...
	go test -count=1 -timeout 70m ./internal/e2e

e2e-compose: command ## Run the end-to-end tests of docker-compose.yml on a Docker Engine, on free ports (about 20 minutes)
	go test -count=1 -timeout 60m -v ./internal/e2e/compose

e2e-kubernetes: command ## Run the end-to-end tests of deploy/kubernetes/small on the cluster of kubectl's context, which has its images (about 4 minutes)
	go test -count=1 -timeout 60m -v ./internal/e2e/kubernetes

e2e-upgrade: build ## Test that each part reads what the version before it has stored; builds those versions first
	go test -count=1 -timeout 120m -v ./internal/e2e/upgrade

bench: build ## Measure otelamqp against the bare client, and write the table of its README (about 5 minutes; BEFORE=<revision> beside an earlier one)
	@go build -o .build/bench ./internal/bench
	@.build/bench -readme otelamqp/README.md $(if $(BEFORE),-before $(BEFORE))

fuzz: ## Fuzz what reads messages from strangers (FUZZTIME=10m for each target)
	@for target in FuzzExtract FuzzUnwrapBody; do go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-10m} ./otelamqp; done

lint: ## Check format, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' work) docs/adopt/go-queue internal/kubernetes); [[ -z $$unformatted ]] || { echo "not formatted, run gofmt -w:" $$unformatted >&2; exit 1; }
	go vet work
	GOWORK=off go vet -C docs/adopt/go-queue ./...
	GOWORK=off go vet -C internal/kubernetes -tags binaries ./...
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) work
	cd internal/kubernetes && GOWORK=off go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) -tags binaries ./...

release-check: lint unit ## Check that otelamqp and telemetry may be released: the API against the last release, lint, unit tests
	@internal/modules/release-check.sh

module: ## Give the Go modules the path under which your copy is hosted (MODULE=git.example.com/platform/throughline)
	@internal/modules/rename.sh '$(MODULE)'

vulncheck: ## Look for known vulnerabilities in what is built here (takes the internet, or GOVULNDB)
	@curl -fsS --max-time 20 -o /dev/null "$${GOVULNDB:-https://vuln.go.dev}/index/db.json" || \
		{ echo "the Go vulnerability database is out of reach: run this where $${GOVULNDB:-https://vuln.go.dev} is reached, or set GOVULNDB to a copy of it" >&2; exit 1; }
	@for dir in . otel-collector/otelcol; do \
		go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) -db "$${GOVULNDB:-https://vuln.go.dev}" -C $$dir ./...; \
	done

outdated: node ## List what is pinned here and has a newer version
	@internal/modules/outdated.sh

sbom: node build ## Write a bill of materials (CycloneDX) for each binary and for the console's page into .build/sbom
	@mkdir -p .build/sbom
	@for binary in $$(find .build/bin -type f -perm -u+x); do \
		go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION) bin -json -version $$(git rev-parse --short HEAD) -output .build/sbom/$${binary##*/}.json $$binary; \
	done
	@cd console && npm sbom --sbom-format cyclonedx --package-lock-only >../.build/sbom/page.json
	@ls .build/sbom/*.json

clean: down ## Stop every part and remove all that was built, stored and logged
	rm -rf .run .build console/node_modules console/dist/[!.]* console/dist/.sources

# The same flags as for the services, which share most packages with it.
command:
	@CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(throughline) ./cmd/throughline

# Only what is missing: beside a Node.js of another origin, Debian's npm is not wanted.
node: tools = node npm
chromium: tools = chromium
node chromium:
	@for tool in $(tools); do \
		command -v $$tool >/dev/null && continue; \
		package=$${tool/#node/nodejs}; \
		[[ $$(id -u) == 0 ]] || { echo "$$tool is missing and the tests need it: apt-get install $$package (make installs it when run as root)" >&2; exit 1; }; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$package; \
	done
