// Command bench measures otelamqp against the bare AMQP client and against the
// OpenTelemetry SDK alone, and judges the figures by their targets.
//
// Each round runs every benchmark once, in a process of its own, on one broker.
// What is compared is compared within a round, so that a machine that slows down
// slows both sides, and a figure is the median over the rounds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"throughline/rabbitmq/rabbitmqtest"
)

func main() {
	rounds := flag.Int("rounds", 25, "how many times to run each benchmark")
	benchtime := flag.Duration("benchtime", 200*time.Millisecond, "how long to run one benchmark in a round")
	dir := flag.String("dir", ".build", "directory for bench.txt (in the format of Go benchmarks) and bench.json")
	readme := flag.String("readme", "", "Markdown file to write the tables into, between "+readmeBegin+" and "+readmeEnd)
	before := flag.String("before", "", "revision of an earlier version, which is measured beside this one")
	flag.Parse()

	// Not even a second Ctrl-C may end it before the broker is stopped.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := bench(ctx, *rounds, *benchtime, *dir, *readme, *before); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", err)
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, rounds int, benchtime time.Duration, dir, readme, before string) (err error) {
	if rounds < 1 {
		return fmt.Errorf("-rounds %d: give at least 1; from 6 on there is an interval of confidence", rounds)
	}
	if readme != "" { // not after all the work
		if _, _, err := splitReadme(readme); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "starting RabbitMQ, compiling the benchmarks")
	url, stopBroker, err := rabbitmqtest.Start(ctx)
	if err != nil {
		return fmt.Errorf("RabbitMQ: %w", err)
	}
	defer func() { err = errors.Join(err, stopBroker()) }()
	on, err := describeMachine(url)
	if err != nil {
		return err
	}
	present, err := compile(ctx, ".", benchmarks, url)
	if err != nil {
		return err
	}
	defer present.remove()
	binaries := []binary{present}
	if before != "" {
		earlier, err := compileEarlier(ctx, before, url)
		if err != nil {
			return err
		}
		defer earlier.remove()
		binaries = append(binaries, earlier)
	}

	raw := filepath.Join(dir, "bench.txt")
	measured, err := run(ctx, binaries, rounds, benchtime, raw)
	if err != nil {
		return err
	}
	benchstat := exec.CommandContext(ctx, "go", "tool", "benchstat", "-table", ".name,/window", "-row", ".name", "-col", "/way", raw)
	benchstat.Stdout, benchstat.Stderr = os.Stdout, os.Stderr
	if err := benchstat.Run(); err != nil {
		return fmt.Errorf("benchstat: %w", err)
	}
	figures, err := judge(measured, withEarlier(comparisons, measured))
	if err != nil {
		return err
	}
	fmt.Println()
	if err := printFigures(os.Stdout, figures); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dir, "bench.json"), figures); err != nil {
		return err
	}
	if readme == "" {
		return nil
	}
	on.rounds, on.cpu, on.before = rounds, measured.cpu, before
	return updateReadme(readme, markdown(measured, figures, on))
}

// machine is what the figures depend on.
type machine struct {
	cpu, rabbitmq string
	before        string // revision that was measured beside, if any
	rounds        int
}

func describeMachine(brokerURL string) (machine, error) {
	conn, err := amqp.Dial(brokerURL)
	if err != nil {
		return machine{}, fmt.Errorf("RabbitMQ: %w", err)
	}
	defer conn.Close()
	return machine{rabbitmq: fmt.Sprint(conn.Properties["version"])}, nil
}
