#!/bin/bash
# Compares the API of otelamqp and of telemetry with that of their last release, and
# with what the version at the top of CHANGELOG.md allows: by semantic versioning a
# patch changes nothing that others compile against, and before 1.0 a minor may.
set -euo pipefail
cd "$(dirname "$0")/../.."
apidiff=golang.org/x/exp/cmd/apidiff@$(sed -n 's/^APIDIFF_VERSION=//p' versions.env)
old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
status=0
for module in otelamqp telemetry; do
	next=$(sed -n 's/^## //p' $module/CHANGELOG.md | head -1)
	last=$(git tag --list "$module/v*" --sort=-v:refname | head -1)
	if [[ -z $last ]]; then
		echo "$module $next: there is no release yet to compare it with"
		continue
	fi
	if [[ $last == "$module/v$next" ]]; then
		echo "$module: $last is released already: add what is new to $module/CHANGELOG.md, under its version" >&2
		status=1
		continue
	fi
	mkdir "$old/$module"
	git archive "$last:$module" | tar -x -C "$old/$module"
	(cd "$old/$module" && GOWORK=off go run "$apidiff" -w "$old/$module.api" .)
	changes=$(cd $module && GOWORK=off go run "$apidiff" -incompatible "$old/$module.api" .)
	from=${last#"$module/v"}
	compatible=${from%%.*}.
	[[ $compatible != 0. ]] || compatible=${from%.*}.
	if [[ -n $changes && $next == "$compatible"* ]]; then
		echo "$module $next breaks programs that use $from: undo it, or give it a higher version:" >&2
		echo "$changes" >&2
		status=1
	else
		echo "$module $next may follow $from"
	fi
done
exit $status
