package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A queue on disk belongs to the exporter that filled it. One tier and two have
// different exporters of spans, so whoever changes from one to the other first
// runs the collector as it was, receiving nothing, until its queues are empty.

const (
	// handOverTimeout is how long a store that is away may hold up a change.
	handOverTimeout = 15 * time.Second
	// decisionTimeout is the same for the second tier, which waits before it decides.
	decisionTimeout = time.Minute
	// quiet is how long nothing must wait: longer than a collector takes to
	// bring its figures up to date.
	quiet = 2 * time.Second
)

// unreachable makes a collector listen where nobody sends to.
var unreachable = []string{"COLLECTOR_OTLP_GRPC_PORT=0", "COLLECTOR_OTLP_HTTP_PORT=0", "COLLECTOR_ZIPKIN_PORT=0"}

// spanQueues are the files of the queues that only one tier has, or only two.
var spanQueues = map[bool][]string{
	false: {"exporter_otlp_http_jaeger_traces", "exporter_otlp_http_tempo_traces"},
	true:  {"exporter_loadbalancing__traces"},
}

// Sampling tells whether the collector is two tiers that sample.
func (s *Stack) Sampling() bool { return s.sampling }

// SetSampling changes the running collector to two tiers, or back to one, as Up
// does, and leaves all other parts alone. What it had acknowledged, it delivers.
// The variables, NAME=value, add to those that the stack was made with. The
// binary must be built.
func (s *Stack) SetSampling(ctx context.Context, on bool, env ...string) error {
	changed, err := s.with(on, env...)
	if err != nil {
		return err
	}
	if p, err := changed.part(firstTier); err != nil {
		return err
	} else if err := executable(p.binary); err != nil {
		return fmt.Errorf("%s: %w; run `TAIL_SAMPLING=%s make build` first", s.display(p.binary), err, onOff(on))
	}
	if err := changed.handOver(ctx, discard{}); err != nil {
		return err
	}
	if on {
		for _, name := range samplers {
			if err := changed.Start(ctx, name); err != nil {
				return err
			}
		}
	}
	if err := changed.Start(ctx, firstTier); err != nil {
		return err
	}
	return changed.retire(ctx, discard{})
}

// with returns the same stack with one tier or with two.
func (s *Stack) with(sampling bool, env ...string) (*Stack, error) {
	set := map[string]string{"TAIL_SAMPLING": onOff(sampling)}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		set[name] = value
	}
	return New(s.root, func(name string) string {
		if value, ok := set[name]; ok {
			return value
		}
		return s.getenv(name)
	})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// handOver delivers what the collector has left in queues that it has no more.
func (s *Stack) handOver(ctx context.Context, reporter Reporter) error {
	left := s.leftQueues()
	if !s.sampling {
		for _, name := range samplers {
			left = append(left, existing(s.dataDir(name))...)
		}
	}
	if len(left) == 0 {
		return nil
	}
	reporter.Note("the collector delivers what it took before the change")
	before, err := s.with(!s.sampling)
	if err != nil {
		return err
	}
	if p, err := before.part(firstTier); err != nil || executable(p.binary) != nil {
		reporter.Note(fmt.Sprintf("%s: spans may wait in it for a collector that is not built: TAIL_SAMPLING=%s make up delivers them",
			s.display(left[0]), onOff(before.sampling)))
		return nil
	}
	if before.sampling {
		for _, name := range samplers {
			if s.readRecord(name).alive() {
				continue // as it is: its settings may be others, and with them it would begin anew
			}
			if err := before.Start(ctx, name); err != nil {
				return err
			}
		}
	}
	if err := before.Start(ctx, firstTier, unreachable...); err != nil {
		return err
	}
	empty := before.awaitDelivery(ctx, "COLLECTOR_METRICS_PORT", handOverTimeout)
	if err := before.Stop(ctx, firstTier); err != nil {
		return err
	}
	if !empty {
		reporter.Note(fmt.Sprintf("%s: spans wait in it for a store that is away: the next up tries again", s.display(left[0])))
		return ctx.Err()
	}
	var errs []error
	for _, file := range s.leftQueues() {
		errs = append(errs, os.Remove(file))
	}
	return errors.Join(errs...)
}

// leftQueues returns the files in which spans may wait for exporters that the
// collector has no more.
func (s *Stack) leftQueues() []string {
	var files []string
	for _, name := range spanQueues[!s.sampling] {
		files = append(files, existing(filepath.Join(s.dataDir(firstTier), name))...)
	}
	return files
}

// existing returns the path, or nothing when nothing is there.
func existing(path string) []string {
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	return []string{path}
}

// others returns the parts that have started and belong to the stack no more, as its
// settings are others now.
func (s *Stack) others() ([]string, error) {
	names, err := s.recordNames()
	return slices.DeleteFunc(names, func(name string) bool {
		_, err := s.part(name)
		return err == nil || name == buildRecord || name == installRecord
	}), err
}

// retire stops the parts that run and belong to the stack no more: of two tiers,
// the second, once it has decided and delivered.
func (s *Stack) retire(ctx context.Context, reporter Reporter) error {
	names, err := s.others()
	if err != nil {
		return err
	}
	var delivered []string
	if slices.ContainsFunc(names, isSampler) {
		if delivered, err = s.delivered(ctx, names, reporter); err != nil {
			return err
		}
	}
	errs := []error{s.stopAll(ctx, names, reporter)}
	for _, name := range delivered {
		errs = append(errs, os.RemoveAll(s.dataDir(name)))
	}
	return errors.Join(errs...)
}

func isSampler(name string) bool { return slices.Contains(samplers, name) }

// delivered waits for the samplers among the names, and returns those that hold
// nothing any more.
func (s *Stack) delivered(ctx context.Context, names []string, reporter Reporter) ([]string, error) {
	before, err := s.with(true)
	if err != nil {
		return nil, err
	}
	reporter.Note("the second tier decides on its last traces")
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !isSampler(name) })
	done := make([]bool, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() { done[i] = before.awaitDelivery(ctx, variableOf(name)+"_METRICS_PORT", decisionTimeout) })
	}
	wait.Wait()
	var delivered []string
	for i, name := range names {
		if done[i] {
			delivered = append(delivered, name)
		} else {
			reporter.Note(fmt.Sprintf("%s: spans wait in it for a store that is away: the next up tries again", s.display(s.dataDir(name))))
		}
	}
	return delivered, ctx.Err()
}

// waiting are a collector's figures of spans that it holds.
var waiting = regexp.MustCompile(`^(otelcol_exporter_queue_size\{.*data_type="traces"|otelcol_processor_tail_sampling_sampling_traces_on_memory)`)

// awaitDelivery returns true once the collector holds no span any more, and false
// when ctx or the time ends before.
func (s *Stack) awaitDelivery(ctx context.Context, metricsPort string, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var since time.Time
	return waitUntil(ctx, func() bool {
		if !holdsNothing(ctx, "http://"+s.at(metricsPort)+"/metrics") {
			since = time.Time{}
			return false
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= quiet
	}) == nil
}

func holdsNothing(ctx context.Context, metrics string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, metrics, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	seen := false
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if waiting.MatchString(lines.Text()) {
			seen = true
			if !strings.HasSuffix(lines.Text(), " 0") {
				return false
			}
		}
	}
	return seen
}
