#!/bin/bash
# Gives the Go modules the path under which this copy is hosted: in go.mod, imports,
# instrumentation scopes and documents. See docs/adopt.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

new=${1:-}
if [[ ! $new =~ ^[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9._~-]+)*$ ]]; then
	echo "MODULE='$new' is not the path of a Go module: give the host and path of your repository, as in make module MODULE=git.example.com/platform/throughline" >&2
	exit 2
fi
old=$(sed -n 's/^module //p' go.mod)
pattern=${old//./\\.}
parts='(otelamqp|telemetry|services|internal|cmd|rabbitmq|docs|console|grafana|flows)'

# What stands before the path tells it from a file's: cmd/throughline/, /etc/throughline/.
grep -rlIE --exclude-dir={.git,.build,.run,node_modules} \
	"(^|[[:space:]\"\`=])$pattern/$parts|^module $pattern\$" . |
	xargs sed -i -E "s#(^|[[:space:]\"\`=])$pattern/$parts#\1$new/\2#g; s#^module $pattern\$#module $new#"
