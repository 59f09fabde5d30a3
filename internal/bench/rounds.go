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

// benchmarks is the directory of the package whose benchmarks are run.
const benchmarks = "internal/bench/benchmarks"

// binary is the compiled benchmarks of one version of otelamqp.
type binary struct {
	path, brokerURL string
	mark            string // what is added to the names of its results
}

// compile compiles the benchmarks of a package of the module in dir.
func compile(ctx context.Context, dir, pkg, brokerURL string) (binary, error) {
	temp, err := os.MkdirTemp("", "throughline-bench-")
	if err != nil {
		return binary{}, err
	}
	b := binary{path: filepath.Join(temp, "bench.test"), brokerURL: brokerURL}
	command := exec.CommandContext(ctx, "go", "test", "-c", "-o", b.path, "./"+pkg)
	command.Dir = dir
	if output, err := command.CombinedOutput(); err != nil {
		b.remove()
		return binary{}, fmt.Errorf("go test -c ./%s: %w\n%s", pkg, err, output)
	}
	return b, nil
}

// compileEarlier compiles the benchmarks as they were in an earlier revision, which
// had them in otelamqp itself at first.
func compileEarlier(ctx context.Context, revision, brokerURL string) (binary, error) {
	tree, err := os.MkdirTemp("", "throughline-bench-")
	if err != nil {
		return binary{}, err
	}
	defer os.RemoveAll(tree)
	archive := filepath.Join(tree, "tree.tar")
	for _, command := range [][]string{
		{"git", "archive", "--output", archive, revision},
		{"tar", "--extract", "--file", archive, "--directory", tree},
	} {
		if output, err := exec.CommandContext(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
			return binary{}, fmt.Errorf("-before %s: %s: %w: %s", revision, strings.Join(command, " "), err, output)
		}
	}
	pkg := benchmarks
	if _, err := os.Stat(filepath.Join(tree, pkg)); err != nil {
		pkg = "otelamqp"
	}
	b, err := compile(ctx, tree, pkg, brokerURL)
	if err != nil {
		return b, fmt.Errorf("-before %s: %w", revision, err)
	}
	b.mark = beforeMark
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

// run measures every benchmark once in each round, those that an earlier version
// shares with this one in both. All results go into the file raw, too, in the format
// of Go benchmarks.
func run(ctx context.Context, binaries []binary, rounds int, benchtime time.Duration, raw string) (measurements, error) {
	measured := measurements{values: map[string]map[string][]float64{}}
	type one struct {
		binary
		name string
	}
	var all []one
	for _, b := range binaries {
		pattern := "."
		if b.mark != "" {
			pattern = earlier
		}
		warmUp, err := b.measure(ctx, pattern, "1x")
		if err != nil {
			return measured, err
		}
		for _, benchmark := range warmUp {
			name := benchmarkName(benchmark)
			measured.expect(name)
			all = append(all, one{b, strings.TrimSuffix(name, b.mark)})
		}
	}
	file, err := os.Create(raw)
	if err != nil {
		return measured, err
	}
	defer file.Close()
	writer := benchfmt.NewWriter(file)
	progress := newProgress(os.Stderr, rounds, len(all))
	defer progress.finish()
	for round := range rounds {
		order := slices.Clone(all)
		// What one leaves behind on the broker and the disk is not always the same one's to bear.
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, benchmark := range order {
			progress.begin(round, benchmark.name+benchmark.mark)
			results, err := benchmark.measure(ctx, exactly(benchmark.name), benchtime.String())
			if err != nil {
				return measured, err
			}
			if len(results) != 1 {
				return measured, fmt.Errorf("%s: %d results of one run", benchmark.name+benchmark.mark, len(results))
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
	command.Dir = benchmarks
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
			result = result.Clone()
			name := benchmarkName(result)
			result.Name = benchfmt.Name(name + b.mark + strings.TrimPrefix(string(result.Name), name))
			results = append(results, result)
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
