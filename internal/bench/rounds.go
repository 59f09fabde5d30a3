package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/perf/benchfmt"

	"throughline/internal/terminal"
	"throughline/rabbitmq/rabbitmqtest"
)

// room is the directory of the package whose benchmarks are run.
const room = "otelamqp"

// binary is the compiled benchmarks.
type binary struct{ path, brokerURL string }

func compile(ctx context.Context, brokerURL string) (binary, error) {
	dir, err := os.MkdirTemp("", "throughline-bench-")
	if err != nil {
		return binary{}, err
	}
	b := binary{filepath.Join(dir, "bench.test"), brokerURL}
	if output, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", b.path, "./"+room).CombinedOutput(); err != nil {
		b.remove()
		return binary{}, fmt.Errorf("go test -c ./%s: %w\n%s", room, err, output)
	}
	return b, nil
}

func (b binary) remove() { _ = os.RemoveAll(filepath.Dir(b.path)) }

// measurements hold the values of each benchmark, by unit, in the order of the
// source. A benchmark is named as in "Publish/way=bare", without the number of
// processors.
type measurements struct {
	names  []string
	values map[string]map[string][]float64
	cpu    string
}

func (m *measurements) expect(name string) {
	if m.values[name] == nil {
		m.values[name] = map[string][]float64{}
		m.names = append(m.names, name)
	}
}

func (m *measurements) add(result *benchfmt.Result) {
	name := benchmarkName(result)
	m.expect(name)
	for _, value := range result.Values {
		m.values[name][value.Unit] = append(m.values[name][value.Unit], value.Value)
	}
	m.cpu = result.GetConfig("cpu")
}

func benchmarkName(result *benchfmt.Result) string {
	base, parts := result.Name.Parts()
	parts = slices.DeleteFunc(parts, func(part []byte) bool { return part[0] == '-' })
	return string(base) + string(bytes.Join(parts, nil))
}

// run measures every benchmark once in each round. All results go into the file
// raw, too, in the format of Go benchmarks.
func (b binary) run(ctx context.Context, rounds int, benchtime time.Duration, raw string) (measurements, error) {
	measured := measurements{values: map[string]map[string][]float64{}}
	warmUp, err := b.measure(ctx, ".", "1x")
	if err != nil {
		return measured, err
	}
	file, err := os.Create(raw)
	if err != nil {
		return measured, err
	}
	defer file.Close()
	writer := benchfmt.NewWriter(file)
	progress := newProgress(os.Stderr, rounds, len(warmUp))
	defer progress.finish()
	for _, benchmark := range warmUp {
		measured.expect(benchmarkName(benchmark))
	}
	for round := range rounds {
		order := slices.Clone(warmUp)
		// What one leaves behind on the broker and the disk is not always the same one's to bear.
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, benchmark := range order {
			name := benchmarkName(benchmark)
			progress.begin(round, name)
			results, err := b.measure(ctx, exactly(name), benchtime.String())
			if err != nil {
				return measured, err
			}
			if len(results) != 1 {
				return measured, fmt.Errorf("%s: %d results of one run", name, len(results))
			}
			measured.add(results[0])
			if err := writer.Write(results[0]); err != nil {
				return measured, err
			}
		}
	}
	return measured, file.Close()
}

// exactly is the pattern of go test that selects one benchmark.
func exactly(name string) string {
	return "^Benchmark" + strings.ReplaceAll(name, "/", "$/^") + "$"
}

func (b binary) measure(ctx context.Context, pattern, benchtime string) ([]*benchfmt.Result, error) {
	command := exec.CommandContext(ctx, b.path, "-test.run", "^$", "-test.bench", pattern, "-test.benchtime", benchtime)
	command.Dir = room
	command.Env = append(os.Environ(), rabbitmqtest.URLVariable+"="+b.brokerURL)
	output, err := command.CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("benchmark %s: %w\n%s", pattern, err, output)
	}
	var results []*benchfmt.Result
	reader := benchfmt.NewReader(bytes.NewReader(output), pattern)
	for reader.Scan() {
		if result, ok := reader.Result().(*benchfmt.Result); ok {
			results = append(results, result.Clone())
		}
	}
	return results, reader.Err()
}

// progress shows what runs and for how long it will: a bar on a terminal, and
// elsewhere a line for each round.
type progress struct {
	out                 io.Writer
	bar                 *progressbar.ProgressBar // nil where there is no terminal
	rounds, each, begun int
	since               time.Time
}

func newProgress(out io.Writer, rounds, each int) *progress {
	p := &progress{out: out, rounds: rounds, each: each, since: time.Now()}
	if terminal.Is(out) {
		p.bar = progressbar.NewOptions(rounds*each, progressbar.OptionSetWriter(out), progressbar.OptionClearOnFinish())
	}
	return p
}

// begin tells that the benchmark is about to run, and the one before it is done.
func (p *progress) begin(round int, benchmark string) {
	if p.bar != nil {
		p.bar.Describe(fmt.Sprintf("round %d of %d: %-34s", round+1, p.rounds, benchmark))
		_ = p.bar.Set(p.begun)
	} else if p.begun == round*p.each {
		_, _ = fmt.Fprintf(p.out, "round %d of %d%s\n", round+1, p.rounds, p.left())
	}
	p.begun++
}

func (p *progress) left() string {
	if p.begun == 0 {
		return ""
	}
	left := time.Since(p.since) / time.Duration(p.begun) * time.Duration(p.rounds*p.each-p.begun)
	return fmt.Sprintf(", %s left", left.Round(time.Second))
}

func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}
