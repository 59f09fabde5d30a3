package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/perf/benchunit"
)

const (
	readmeBegin = "<!-- bench -->"
	readmeEnd   = "<!-- /bench -->"
)

// splitReadme returns what stands before and after the place of the tables.
func splitReadme(path string) (before, after string, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", "", err
	}
	before, rest, begun := strings.Cut(string(content), readmeBegin)
	_, after, ended := strings.Cut(rest, readmeEnd)
	if !begun || !ended {
		return "", "", fmt.Errorf("%s: write %s and %s on lines of their own where the tables belong", path, readmeBegin, readmeEnd)
	}
	return before, after, nil
}

func updateReadme(path, tables string) error {
	before, after, err := splitReadme(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(before+readmeBegin+"\n"+tables+readmeEnd+after), 0o644)
}

// markdown is the tables for a README.
func markdown(measured measurements, figures []Figure, on machine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %d rounds on %s, %d cores, %s %s/%s, RabbitMQ %s:\n\n",
		on.rounds, on.cpu, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, on.rabbitmq)
	if on.before != "" {
		fmt.Fprintf(&b, "The version before is %s, with the rest of its source tree, measured in the same rounds.\n\n", on.before)
	}
	b.WriteString("| figure | measured | target | |\n|---|---|---|---|\n")
	for _, f := range figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Name, f.quantity(f.Value), f.aim(), f.verdict())
	}
	b.WriteString("\n| benchmark | way | time of a message | allocations |\n|---|---|---|---|\n")
	for _, name := range measured.names {
		benchmark, way, _ := strings.Cut(name, "/way=")
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", benchmark, way,
			median(measured.values[name]["sec/op"], "s"), median(measured.values[name]["allocs/op"], ""))
	}
	return b.String()
}

func median(values []float64, unit string) string {
	if len(values) == 0 {
		return ""
	}
	return benchunit.Scale(summarize(values).Center, benchunit.Decimal) + unit
}
