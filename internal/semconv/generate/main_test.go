package main

import (
	"bytes"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheRegistryIsWritten(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"model/manifest.yaml": file("schema_url: https://opentelemetry.io/schemas/1.2.3\n"),
		"model/http/registry.yaml": file(`
groups:
  - id: registry.http
    attributes:
      - {id: http.request.method, type: {members: [{id: get, value: GET}]}, stability: stable}
      - {id: http.request.header, type: 'template[string[]]', stability: stable}
      - {id: url.path, type: string, stability: stable}
      - {id: url.query, type: string, stability: stable}
`),
		"model/http/deprecated/registry.yaml": file(`
groups:
  - attributes:
      - {id: http.method, type: string, stability: development, deprecated: {reason: renamed, renamed_to: http.request.method}}
      - {id: http.target, type: string, stability: development, deprecated: {reason: obsoleted, note: 'Split to ` + "`url.path` and `url.query`, not `http.target`" + `.'}}
      - {id: rpc.grpc.status_code, type: {members: [{id: ok, value: 0}]}, stability: development, deprecated: {reason: obsoleted, note: none}}
`),
		"model/http/spans.yaml": file("groups:\n  - attributes:\n      - ref: http.request.method\n"),
		"schemas/1.2.3": file(`
versions:
  1.2.3:
  1.2.0:
    spans: {changes: [{rename_attributes: {attribute_map: {http.verb2: http.method}}}]}
  1.1.0:
    all: {changes: [{rename_attributes: {attribute_map: {http.verb: http.verb2, gone: gone.too}}}]}
`),
	}
	var out bytes.Buffer
	require.NoError(t, write(&out, tree))
	assert.Equal(t, `# Attributes of the semantic conventions 1.2.3, made by internal/semconv/generate from the registry of
# github.com/open-telemetry/semantic-conventions (Apache-2.0). Key, type, stability, deprecated because, in its place.
http.method	string	development	renamed	http.request.method
http.request.header	template[string[]]	stable
http.request.method	string	stable
http.target	string	development	obsoleted	url.path,url.query
http.verb	string	removed	renamed	http.request.method
http.verb2	string	removed	renamed	http.request.method
rpc.grpc.status_code	int	development	obsoleted
url.path	string	stable
url.query	string	stable
`, out.String())

	assert.ErrorContains(t, write(&out, fstest.MapFS{}), "model/manifest.yaml")
}
