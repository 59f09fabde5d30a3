package stack

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func partOf(t *testing.T, s *Stack, name string) *part {
	t.Helper()
	p, err := s.part(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Whoever does not ask for two tiers gets what there was before they were.
func TestOneTierKnowsNothingOfTwo(t *testing.T) {
	for _, value := range []string{"", "off"} {
		s, err := newStack(t, map[string]string{"TAIL_SAMPLING": value, "SAMPLER_1_METRICS_PORT": "8080"})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.parts {
			told := strings.Join(slices.Concat(p.command(), p.env, p.files), " ")
			for _, word := range []string{"sampler-", "SAMPLER_1", "otelcol-sampling", "load-balancing.yaml"} {
				if strings.Contains(p.name+told, word) {
					t.Errorf("%s: %s", p.name, told)
				}
			}
		}
		for _, b := range s.builds {
			if strings.HasSuffix(b.dir, "otelcol-sampling") {
				t.Errorf("%s is built", b.dir)
			}
		}
	}
}

func TestTwoTiersShareOneBinaryAndDifferInTheirAddresses(t *testing.T) {
	s, err := newStack(t, map[string]string{"TAIL_SAMPLING": "on", "SAMPLER_2_OTLP_GRPC_PORT": "7777", "TAIL_SAMPLING_PERCENT": "25"})
	if err != nil {
		t.Fatal(err)
	}
	first := partOf(t, s, firstTier)
	for _, want := range []string{"SAMPLER_1_OTLP_ENDPOINT=127.0.0.1:5317", "SAMPLER_2_OTLP_ENDPOINT=127.0.0.1:7777"} {
		if !slices.Contains(first.env, want) {
			t.Errorf("the first tier does not get %s", want)
		}
	}
	seen := map[string]bool{}
	for _, name := range samplers {
		p := partOf(t, s, name)
		if p.binary != first.binary || p.made == nil || p.made != first.made {
			t.Errorf("%s runs %s, the first tier %s", name, p.binary, first.binary)
		}
		if !slices.Contains(p.env, "TAIL_SAMPLING_PERCENT=25") {
			t.Errorf("%s does not get the share", name)
		}
		if !slices.Contains(first.needs, name) {
			t.Errorf("%s is not stopped after the first tier", name)
		}
		for _, variable := range p.env {
			of, _, _ := strings.Cut(variable, "=")
			if (strings.HasPrefix(of, "COLLECTOR_") || of == "HOSTNAME") && seen[variable] {
				t.Errorf("%s: %s is that of another", name, variable)
			}
			seen[variable] = true
		}
	}
	if !slices.Contains(partOf(t, s, "sampler-2").env, "COLLECTOR_OTLP_GRPC_PORT=7777") {
		t.Error("sampler-2 does not listen where the first tier sends")
	}
}

// A part that this version, or this setting, does not know runs on from another.
func TestUpStopsWhatBelongsToTheStackNoMore(t *testing.T) {
	ctx := t.Context()
	s := fakeStack(t, "serves", "parent")
	if err := s.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	parent := s.readRecord("parent").identity
	left := *s.parts[0]
	left.ports = append(left.ports, "PARENT_PORT")
	smaller := newFakeStack(s.root, &left)
	smaller.ports["PARENT_PORT"] = s.ports["PARENT_PORT"] // held by what Up is about to stop
	if got := states(smaller)["parent"]; got != Running {
		t.Errorf("status tells that the part is %q, and it runs", got)
	}
	if err := smaller.Up(ctx, discard{}, UpOptions{}); err != nil {
		t.Fatal(err)
	}
	if parent.alive() {
		t.Error("the part that the stack has no more runs on")
	}
	if names, _ := s.recordNames(); !reflect.DeepEqual(names, []string{"serves"}) {
		t.Errorf("recorded are %v, want serves alone", names)
	}
}

// The queues of one tier are found by two, and the other way round.
func TestQueuesOfTheOtherSetUpAreFound(t *testing.T) {
	dir := t.TempDir()
	for value, want := range map[string]string{"on": "exporter_otlp_http_tempo_traces", "off": "exporter_loadbalancing__traces"} {
		s, err := newStack(t, map[string]string{"TAIL_SAMPLING": value, "THROUGHLINE_RUN_DIR": filepath.Join(dir, value)})
		if err != nil {
			t.Fatal(err)
		}
		if left := s.leftQueues(); len(left) != 0 {
			t.Errorf("TAIL_SAMPLING=%s: %v is left in an empty directory", value, left)
		}
		if err := os.MkdirAll(s.dataDir(firstTier), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"exporter_otlp_http_tempo_traces", "exporter_loadbalancing__traces", "exporter_otlp_http_loki_logs"} {
			if err := os.WriteFile(filepath.Join(s.dataDir(firstTier), name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if left := s.leftQueues(); !reflect.DeepEqual(left, []string{filepath.Join(s.dataDir(firstTier), want)}) {
			t.Errorf("TAIL_SAMPLING=%s: %v is left, want %s", value, left, want)
		}
	}
}

// metricsServer is a collector's, of which held is what waits in it.
func metricsServer(t *testing.T, held *atomic.Int64) *Stack {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE otelcol_exporter_queue_size gauge\n"+
			"otelcol_exporter_queue_size{data_type=\"metrics\",exporter=\"otlp_http/prometheus\"} 7\n"+
			"otelcol_exporter_queue_size{data_type=\"traces\",exporter=\"loadbalancing\"} %d\n", held.Load())
	}))
	t.Cleanup(server.Close)
	s := newFakeStack(t.TempDir())
	s.ports["METRICS_PORT"] = server.Listener.Addr().(*net.TCPAddr).Port
	return s
}

func TestDeliveryIsAwaitedOfSpansAndOfThemAlone(t *testing.T) {
	var held atomic.Int64
	held.Store(3)
	s := metricsServer(t, &held)
	if s.awaitDelivery(t.Context(), "METRICS_PORT", 500*time.Millisecond) {
		t.Error("spans wait, and they were taken for delivered")
	}
	time.AfterFunc(300*time.Millisecond, func() { held.Store(0) })
	if !s.awaitDelivery(t.Context(), "METRICS_PORT", 20*time.Second) {
		t.Error("nothing waits, and it was not seen")
	}
	s.ports["METRICS_PORT"] = 1
	if s.awaitDelivery(t.Context(), "METRICS_PORT", 500*time.Millisecond) {
		t.Error("nobody answered, and that was taken for delivered")
	}
}
