#!/bin/bash
# Lists what is pinned here and has a newer version in the Go module proxy or the npm
# registry: what is pinned, in which directory, its version, the newest.
set -euo pipefail
cd "$(dirname "$0")/../.."
source versions.env
export GOWORK=off
newer='{{if .Update}}{{.Path}} {{.Version}} {{.Update.Version}}{{end}}'

# newest DIR MODULE… asks for the newest versions of what DIR's go.mod requires.
newest() {
	local dir=$1
	shift
	go list -C "$dir" -mod=readonly -m -u -e -f "$newer" "$@" | sed "s|^\([^ ]*\)|\1 $dir|"
}

{
	for dir in . telemetry otelamqp docs/adopt/go-queue internal/kubernetes; do
		newest $dir $(go list -C $dir -mod=readonly -m -f '{{if not (or .Main .Indirect)}}{{.Path}}{{end}}' all)
	done
	newest otel-collector/otelcol go.opentelemetry.io/collector/otelcol # of one version with its components
	for part in tempo jaeger loki prometheus minio; do # each pins one program
		newest $part $(go list -C $part -mod=readonly -f '{{.Module.Path}}' tool | sort -u)
	done
	for tool in honnef.co/go/tools@$STATICCHECK_VERSION golang.org/x/vuln@$GOVULNCHECK_VERSION github.com/CycloneDX/cyclonedx-gomod@$CYCLONEDX_VERSION; do
		newest . "$tool" | sed 's| \. | versions.env |'
	done
	(cd console && npm outdated --json || true) |
		node -e 'for (const [name, v] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8") || "{}"))) console.log(name, "console", v.wanted, v.latest)'
} | sort -u | column -t -N "PINNED,IN,VERSION,NEWEST"
echo
echo "Not asked: images (versions.env), which take a registry of images, and Debian's RabbitMQ, which apt-get keeps."
