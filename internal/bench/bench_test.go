package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// read makes measurements of lines as the testing package prints them.
func read(t *testing.T, lines string) measurements {
	t.Helper()
	measured := measurements{values: map[string]map[string][]float64{}}
	reader := benchfmt.NewReader(strings.NewReader(lines), t.Name())
	for reader.Scan() {
		result, ok := reader.Result().(*benchfmt.Result)
		require.True(t, ok, "%v", reader.Result())
		measured.add(result)
	}
	require.NoError(t, reader.Err())
	return measured
}

var some = []comparison{
	throughput("throughput", "EndToEnd/window=1", "sampled", 0.9),
	duration("dropped", "Publish", "sdk-dropped", "dropped", "ns", ns, 300),
	allocations("dropped", "Publish", "sdk-dropped", "dropped", 2),
}

// In the second round the machine was ten times slower, for both sides.
const threeRounds = `cpu: Abacus
BenchmarkEndToEnd/window=1/way=bare-2     100  900000 ns/op
BenchmarkEndToEnd/window=1/way=sampled-2  100 1000000 ns/op
BenchmarkPublish/way=sdk-dropped-2        100    2000 ns/op  500 B/op  40 allocs/op
BenchmarkPublish/way=dropped-2            100    2400 ns/op  500 B/op  42 allocs/op
BenchmarkEndToEnd/window=1/way=bare-2     100 9000000 ns/op
BenchmarkEndToEnd/window=1/way=sampled-2  100 9500000 ns/op
BenchmarkPublish/way=sdk-dropped-2        100   20000 ns/op  500 B/op  40 allocs/op
BenchmarkPublish/way=dropped-2            100   20250 ns/op  500 B/op  42 allocs/op
BenchmarkEndToEnd/window=1/way=bare-2     100  880000 ns/op
BenchmarkEndToEnd/window=1/way=sampled-2  100 1000000 ns/op
BenchmarkPublish/way=sdk-dropped-2        100    2000 ns/op  500 B/op  40 allocs/op
BenchmarkPublish/way=dropped-2            100    2301 ns/op  500 B/op  42 allocs/op
`

func TestEarlierVersionIsComparedAsThisOneIs(t *testing.T) {
	assert.Len(t, withEarlier(some, read(t, threeRounds)), len(some), "where none was measured")
	beside := regexp.MustCompile(`way=dropped-2 +100 +2\d+`).ReplaceAllString(threeRounds, "$0 ns/op\nBenchmarkPublish/way=dropped-before-2 100 2700")
	measured := read(t, beside)
	figures, err := judge(measured, withEarlier(some[1:2], measured))
	require.NoError(t, err)
	require.Len(t, figures, 2)
	assert.InDelta(t, 301, figures[0].Value, 1e-6)
	assert.Equal(t, "dropped, version before", figures[1].Name)
	assert.InDelta(t, 700, figures[1].Value, 1e-6)
	assert.Nil(t, figures[1].Target)
}

func TestFigureIsTheMedianOfWhatEachRoundCompares(t *testing.T) {
	figures, err := judge(read(t, threeRounds), some)
	require.NoError(t, err)
	require.Len(t, figures, 3)
	assert.InDelta(t, 0.9, figures[0].Value, 1e-9)
	assert.InDelta(t, 301, figures[1].Value, 1e-6)
	assert.InDelta(t, 2, figures[2].Value, 1e-9)
	assert.InDelta(t, 0.4, duration("", "", "", "", "µs", µs, 0).of(2e-6, 2.4e-6), 1e-9)
}

func TestWhatIsComparedMustBeMeasured(t *testing.T) {
	_, err := judge(read(t, threeRounds), []comparison{throughput("of the past", "EndToEnd/window=1", "renamed", 0)})
	assert.ErrorContains(t, err, "EndToEnd/window=1/way=renamed")
}

func TestTargetIsMetOnItsSide(t *testing.T) {
	for _, c := range []struct {
		better string
		value  float64
		ok     bool
	}{
		{atLeast, 0.9, true}, {atLeast, 0.91, true}, {atLeast, 0.89, false},
		{atMost, 0.9, true}, {atMost, 0.89, true}, {atMost, 0.91, false},
	} {
		f := comparison{better: c.better, target: 0.9}.figure([]float64{c.value})
		assert.Equal(t, c.ok, f.OK, "%s 0.9: %v", c.better, c.value)
	}
	untargeted := comparison{better: atLeast}.figure([]float64{0.01})
	assert.Nil(t, untargeted.Target)
	assert.True(t, untargeted.OK)
}

func TestJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	target := 0.9
	require.NoError(t, writeJSON(path, []Figure{
		{Name: "a", Value: 0.5, Better: atLeast, Target: &target},
		{Name: "b", Value: 3, Unit: "ns", Better: atMost, OK: true},
	}))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.JSONEq(t, `{"ratios": [
		{"name": "a", "value": 0.5, "unit": "", "better": "at least", "target": 0.9, "ok": false},
		{"name": "b", "value": 3, "unit": "ns", "better": "at most", "target": null, "ok": true}
	]}`, string(content))
}

// Each benchmark is run by its own pattern, which must select no other.
func TestPatternSelectsOneBenchmark(t *testing.T) {
	for name, others := range map[string][]string{
		"Publish/way=dropped":         {"Publish/way=sdk-dropped", "PublishConfirmed/way=dropped"},
		"EndToEnd/window=1/way=bare":  {"EndToEnd/window=16/way=bare", "EndToEnd/window=1/way=bare-metal"},
		"EndToEnd/window=64/way=bare": {"EndToEnd/window=1/way=bare"},
	} {
		assert.True(t, selects(exactly(name), name))
		for _, other := range others {
			assert.False(t, selects(exactly(name), other), "%s selects %s", exactly(name), other)
		}
	}
}

// selects matches as go test does: element by element.
func selects(pattern, name string) bool {
	patterns, elements := strings.Split(pattern, "/"), strings.Split("Benchmark"+name, "/")
	for i := range patterns {
		if i < len(elements) && !regexp.MustCompile(patterns[i]).MatchString(elements[i]) {
			return false
		}
	}
	return true
}

func TestReadmeKeepsWhatIsNotBetweenTheMarks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(path, []byte("before\n"+readmeBegin+"\nold\n"+readmeEnd+"\nafter\n"), 0o644))
	for range 2 { // again and again
		require.NoError(t, updateReadme(path, "new\n"))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "before\n"+readmeBegin+"\nnew\n"+readmeEnd+"\nafter\n", string(content))

	require.NoError(t, os.WriteFile(path, []byte("no marks"), 0o644))
	assert.ErrorContains(t, updateReadme(path, "new\n"), readmeBegin)
}

func TestTables(t *testing.T) {
	measured := read(t, threeRounds)
	figures, err := judge(measured, some)
	require.NoError(t, err)
	tables := markdown(measured, figures, machine{cpu: measured.cpu, rabbitmq: "3.10.8", rounds: 3})
	assert.Contains(t, tables, "3 rounds on Abacus, ")
	assert.Contains(t, tables, "| dropped | 301 ns | at most 300 ns | missed |\n")
	assert.Contains(t, tables, "| EndToEnd/window=1 | bare | 900.0µs |  |\n")
	assert.Contains(t, tables, "| Publish | dropped | 2.400µs | 42.00 |\n")

	var printed bytes.Buffer
	require.NoError(t, printFigures(&printed, figures))
	assert.Regexp(t, `throughput +0\.900 +too few rounds +at least 0\.900 +met`, printed.String())
}
