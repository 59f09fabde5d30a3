#!/usr/bin/env bash
# Writes grafana-schema-<version>.json: the types of @grafana/schema as JSON Schema, for TestSchema.
# Nothing is required there, because Grafana fills in what a dashboard leaves out.
#
#   ./grafana-schema.sh 13.2.2
set -euo pipefail
version=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent "@grafana/schema@$version" ts-json-schema-generator@2.9.0 typescript@5

types=./node_modules/@grafana/schema/dist/types/raw
panel() { echo "import type * as $1 from '$types/composable/${2:-$1}/panelcfg/x/types.gen';"; }
{
  echo "import type { Dashboard } from '$types/dashboard/x/types.gen';"
  for type in stat timeseries heatmap table logs; do panel $type; done
  panel nodeGraph nodegraph
  echo "export interface Definitions { Dashboard: Dashboard;"
  for options in stat timeseries heatmap table logs nodeGraph; do echo "'$options.Options': $options.Options;"; done
  for field in timeseries heatmap table; do echo "'$field.FieldConfig': $field.FieldConfig;"; done
  echo "}"
} >types.ts
echo '{"compilerOptions":{"strict":true,"skipLibCheck":true,"moduleResolution":"node"}}' >tsconfig.json
npx ts-json-schema-generator --path types.ts --tsconfig tsconfig.json --type Definitions --no-type-check --expose none >all.json

node - "$version" >"$here/grafana-schema-$version.json" <<'END'
const [version] = process.argv.slice(2);
const noise = new Set(["description", "$comment", "default", "required", "deprecated"]);
const strip = (value, names) =>
  Array.isArray(value) ? value.map((v) => strip(v)) :
  value === null || typeof value !== "object" ? value :
  Object.fromEntries(Object.entries(value)
    .filter(([key]) => names || !noise.has(key))
    .map(([key, v]) => [key, strip(v, !names && key === "properties")]));
const all = JSON.parse(require("fs").readFileSync("all.json"));
const lines = Object.entries(all.definitions.Definitions.properties).map(([name, type]) => `${JSON.stringify(name)}: ${JSON.stringify(strip(type))}`);
console.log(`{
"$schema": "http://json-schema.org/draft-07/schema#",
"$comment": "The types of @grafana/schema ${version}, written by grafana-schema.sh.",
"definitions": {
${lines.join(",\n")}
}}`);
END
