package flow

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

func TestEveryExampleIsAFlow(t *testing.T) {
	files, err := filepath.Glob("../../flows/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 7)
	for _, file := range files {
		f, err := Load(file, nil)
		require.NoError(t, err)
		traces := grow(f.Spans)
		assert.Empty(t, Compare(f.Spans, false, traces...).Findings, "%s against what it describes", file)
		for _, trace := range traces { // and without one of its spans
			for i := range trace.Spans {
				short := grow(f.Spans)
				for n := range short {
					if short[n].ID == trace.ID {
						short[n].Spans = append(short[n].Spans[:i:i], short[n].Spans[i+1:]...)
					}
				}
				assert.NotEmpty(t, Compare(f.Spans, f.Others, short...).Findings, "%s without %s", file, trace.Spans[i].Describe())
			}
		}
	}
}

func TestWhatIsLeftOutHasADefault(t *testing.T) {
	f := flowOf(t, "flow: a\ntrigger: {http: {url: 'http://${HOST:-127.0.0.1:8090}/$${KEY}', body: '${KEY}'}}\nspans: [{span: a, service: b, kind: server}]\n")
	assert.Equal(t, "http://127.0.0.1:8090/${KEY}", f.Trigger.HTTP.URL)
	assert.Equal(t, "POST", f.Trigger.HTTP.Method)
	assert.Len(t, f.Trigger.HTTP.Body, 36, "a key of its own")
	assert.Equal(t, []string{"jaeger", "tempo"}, f.Stores)
	assert.Equal(t, Duration(30*time.Second), f.Within)
	assert.Equal(t, Kind(backend.Server), f.Spans[0].Kind)
}

func TestABadFlowSaysWhereAndWhy(t *testing.T) {
	const head = "flow: a\ntrigger: {http: {url: 'http://x'}}\n"
	for text, wants := range map[string][]string{
		"flow: [": {"no YAML", "line 1"},
		head:      {":1: ", "missing property 'spans'", "flow.schema.json"},
		head + "spans:\n- span: a\n  service: b\n  kind: sender\n":                                                              {":6: /spans/0/kind: ", "'producer'"},
		head + "spans:\n- span: a\n  service: b\n  kind: server\n  childs: []\n":                                                {":7: /spans/0: ", "'childs'"},
		head + "spans:\n- {span: a, service: b, kind: server, maxGap: soon}\n":                                                  {":4: /spans/0/maxGap"},
		head + "spans:\n- {span: a, service: b, kind: server, count: some}\n":                                                   {":4: /spans/0/count", "at least"},
		head + "spans:\n- span: ${NOWHERE_SET}\n":                                                                               {":4: ", "${NOWHERE_SET}", "${NAME:-default}"},
		"flow: a\ntrigger: {http: {url: 'http://x'}, message: {routingKey: a}}\nspans: [{span: a, service: b, kind: server}]\n": {"cannot both"},
		"flow: a\ntrigger: {}\nspans: [{span: a, service: b, kind: server}]\n":                                                  {":2: /trigger"},
		"flow: a\ntrigger: {find: {service: a, value: b}}\nspans: [{span: a, service: b, kind: server}]":                        {":2: /trigger/find", "attribute"},
	} {
		path := filepath.Join(t.TempDir(), "mine.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(path, nil)
		for _, want := range append(wants, path) {
			assert.ErrorContains(t, err, want, text)
		}
	}
	_, err := Load("none.yaml", nil)
	assert.ErrorContains(t, err, "flows/ has examples")
}

func flowOf(t *testing.T, text string) Flow {
	t.Helper()
	f, err := read("test.yaml", []byte(text), nil)
	require.NoError(t, err)
	return f
}
