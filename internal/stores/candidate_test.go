package stores

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	schemaPath = "../../docs/evaluate/stores.schema.json"
	listPath   = "../../docs/evaluate/stores.yaml"
)

func TestTheListOfStoresIsAnExample(t *testing.T) {
	list, err := Load(listPath, schemaPath)
	require.NoError(t, err)
	var names []string
	for _, c := range list.Stores {
		names = append(names, c.Name)
		for _, path := range c.Settings {
			assert.FileExists(t, filepath.Join("../..", path))
		}
		assert.NotEmpty(t, c.Differs, "%s: what differs from upstream", c.Name)
	}
	assert.Equal(t, []string{"Jaeger, Badger", "Tempo, upstream", "Tempo, this stack", "Jaeger, in memory", "Tempo, object storage"}, names)
	assert.NotEmpty(t, list.Curves)

	own, err := Load("../../docs/evaluate/victoriatraces.yaml", schemaPath)
	require.NoError(t, err)
	assert.Len(t, own.Stores, 1)
}

func TestABadListSaysWhereAndWhy(t *testing.T) {
	for text, wants := range map[string][]string{
		"stores: [":  {"no YAML"},
		"stores: []": {"stores", "stores.schema.json"},
		"stores: [{name: a, api: zipkin, otlp: x, query: 'http://x'}]":                                                                                    {"/stores/0/api", "jaeger"},
		"stores: [{name: a, api: jaeger, otlp: x, query: 'http://x', flsh: 1}]":                                                                           {"flsh"},
		"stores: [{name: a, api: jaeger, otlp: x, query: 'http://x', command: [x]}]":                                                                      {"ready"},
		"stores: [{name: a, api: jaeger, otlp: x, query: 'http://x'}, {name: a, api: tempo, otlp: x, query: 'http://x'}]":                                 {`two stores are called "a"`},
		"stores: [{name: a, api: jaeger, otlp: x, query: 'http://x'}]\ncurves: [{name: c, store: b, points: [{label: x, env: {}}, {label: y, env: {}}]}]": {`no store "b"`},
	} {
		path := filepath.Join(t.TempDir(), "mine.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(path, schemaPath)
		for _, want := range append(wants, path) {
			assert.ErrorContains(t, err, want, text)
		}
	}
	_, err := Load("none.yaml", schemaPath)
	assert.ErrorContains(t, err, "docs/evaluate/stores.yaml")
}

func TestVariablesOfACandidate(t *testing.T) {
	c := Candidate{Name: "a", OTLP: "127.0.0.1:${A_PORT}", Command: []string{"x", "${UNKNOWN}"}, Env: map[string]string{"P": "${A_PORT}"}}
	known := func(name string) (string, bool) { return "7", name == "A_PORT" }
	_, err := c.expand(known)
	assert.ErrorContains(t, err, `store "a": no value for UNKNOWN`)
	c.Command = nil
	expanded, err := c.expand(known)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:7", expanded.OTLP)
	assert.Equal(t, map[string]string{"P": "7"}, expanded.Env)
}
