package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/doctor"
	"throughline/internal/otlpload"
	"throughline/internal/score"
)

// broken is a trace with a fault: the spans, where they go, and which are looked at.
type broken struct {
	traces     ptrace.Traces
	onlyJaeger ptrace.Traces // spans that go to Jaeger alone
	direct     bool          // into the stores, past the collector
}

// faults are what is done to the trace of a login so that a symptom of the kind is
// there, and no other. The kind "" is none.
var faults = map[string]func(*broken){
	"": func(*broken) {},
	doctor.Orphan: func(b *broken) {
		b.drop(func(service string, s ptrace.Span) bool {
			return service == "user-rpc" && s.Kind() == ptrace.SpanKindServer
		})
	},
	doctor.SeveralRoots: func(b *broken) {
		b.each(func(_ string, s ptrace.Span) {
			if s.Name() == "local" {
				s.SetParentSpanID(pcommon.SpanID{})
			}
		})
	},
	doctor.EndsAtPublish: func(b *broken) { b.drop(func(service string, _ ptrace.Span) bool { return service == "audit-mq" }) },
	doctor.NoProducer: func(b *broken) {
		b.drop(func(service string, _ ptrace.Span) bool { return service != "audit-mq" })
		b.consumer(func(s ptrace.Span) { s.SetParentSpanID(pcommon.SpanID{}) })
	},
	doctor.HalfMissing: func(b *broken) {
		b.drop(func(service string, _ ptrace.Span) bool { return service == "user-rpc" })
	},
	doctor.ContextLost:  func(b *broken) { b.apart(false) },
	doctor.LinkNotChild: func(b *broken) { b.apart(true) },
	doctor.Cut: func(b *broken) {
		b.each(func(_ string, s ptrace.Span) {
			if s.Name() == "local" {
				s.Attributes().PutStr("note", strings.Repeat("long ", 1000))
			}
		})
	},
	doctor.ClocksDisagree: func(b *broken) {
		b.each(func(service string, s ptrace.Span) {
			if service == "audit-mq" {
				s.SetStartTimestamp(s.StartTimestamp() - pcommon.Timestamp(time.Second))
				s.SetEndTimestamp(s.EndTimestamp() - pcommon.Timestamp(time.Second))
			}
		})
	},
	doctor.OldConventions: func(b *broken) { b.direct = true },
	doctor.OneStoreOnly: func(b *broken) {
		b.traces.CopyTo(b.onlyJaeger)
		local := func(_ string, s ptrace.Span) bool { return s.Name() == "local" }
		b.drop(local)
		(&broken{traces: b.onlyJaeger}).drop(func(service string, s ptrace.Span) bool { return !local(service, s) })
	},
}

func (b *broken) each(do func(service string, s ptrace.Span)) {
	b.drop(func(service string, s ptrace.Span) bool {
		do(service, s)
		return false
	})
}

func (b *broken) drop(which func(service string, s ptrace.Span) bool) {
	b.traces.ResourceSpans().RemoveIf(func(rs ptrace.ResourceSpans) bool {
		service, _ := rs.Resource().Attributes().Get("service.name")
		rs.ScopeSpans().RemoveIf(func(ss ptrace.ScopeSpans) bool {
			ss.Spans().RemoveIf(func(s ptrace.Span) bool { return which(service.Str(), s) })
			return ss.Spans().Len() == 0
		})
		return rs.ScopeSpans().Len() == 0
	})
}

func (b *broken) consumer(do func(ptrace.Span)) {
	b.each(func(_ string, s ptrace.Span) {
		if s.Kind() == ptrace.SpanKindConsumer {
			do(s)
		}
	})
}

// apart moves the consumer into a trace of its own, with a link to the first or none.
func (b *broken) apart(linked bool) {
	var other pcommon.TraceID
	_, _ = rand.Read(other[:])
	b.consumer(func(s ptrace.Span) {
		if linked {
			link := s.Links().AppendEmpty()
			link.SetTraceID(s.TraceID())
			link.SetSpanID(s.ParentSpanID())
		}
		s.SetParentSpanID(pcommon.SpanID{})
	})
	b.each(func(service string, s ptrace.Span) {
		if service == "audit-mq" {
			s.SetTraceID(other)
		}
	})
}

func newDoctor() doctor.Doctor {
	return doctor.Doctor{
		Stores:     []backend.TraceSearcher{backend.NewJaeger(target.JaegerURL), backend.NewTempo(target.TempoURL)},
		Prometheus: backend.NewPrometheus(target.PrometheusURL),
	}
}

// Of 50 traces for each fault the doctor finds what is wrong, and nothing else.
func TestTheDoctorOnFaults(t *testing.T) {
	const each = 50
	dial := func(endpoint string) *otlpload.Client {
		client, err := otlpload.Dial(endpoint)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		return client
	}
	collector := dial(target.OTLPGRPC)
	toJaeger := dial("http://127.0.0.1:" + environment.Getenv("JAEGER_OTLP_HTTP_PORT"))
	toTempo := dial("http://127.0.0.1:" + environment.Getenv("TEMPO_OTLP_HTTP_PORT"))
	examiner := newDoctor()

	// All are sent before the first is looked at, as Tempo's search finds a trace a little
	// later than Tempo holds it.
	type sent struct {
		kind  string
		id    string
		spans map[pcommon.TraceID]int
	}
	var all []sent
	for range each {
		for kind, fault := range faults {
			_, traces := otlpload.Trace(otlpload.OK)
			b := &broken{traces: traces, onlyJaeger: ptrace.NewTraces()}
			fault(b)
			one := sent{kind, traces.ResourceSpans().At(0).ScopeSpans().At(0).Spans().At(0).TraceID().String(), map[pcommon.TraceID]int{}}
			b.each(func(_ string, s ptrace.Span) { one.spans[s.TraceID()]++ })
			all = append(all, one)
			to := []*otlpload.Client{collector}
			if b.direct {
				to = []*otlpload.Client{toJaeger, toTempo}
			}
			for _, client := range to {
				copied := ptrace.NewTraces()
				traces.CopyTo(copied)
				require.NoError(t, client.Send(t.Context(), copied))
			}
			if b.onlyJaeger.SpanCount() > 0 {
				require.NoError(t, toJaeger.Send(t.Context(), b.onlyJaeger))
			}
		}
	}

	var mu sync.Mutex
	found := map[string]map[string]int{} // symptoms by fault
	for kind := range faults {
		found[kind] = map[string]int{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(8)
	for _, one := range all {
		group.Go(func() error {
			for id, n := range one.spans {
				for _, store := range examiner.Stores {
					if _, err := backend.WaitForSpans(ctx, store, id.String(), n); err != nil {
						return err
					}
				}
			}
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
				symptoms, err := examiner.Examine(ctx, []string{one.id})
				if err != nil {
					return err
				}
				var kinds []string
				for _, s := range symptoms {
					if !slices.Contains(kinds, s.Kind) {
						kinds = append(kinds, s.Kind)
					}
					if s.Kind == doctor.OneStoreOnly && !strings.Contains(s.Cause, "the collector's receivers have accepted ") {
						return fmt.Errorf("%q does not say what the collector counted", s.Cause)
					}
				}
				if one.kind != strings.Join(kinds, " and ") && time.Now().Before(deadline) {
					continue
				}
				mu.Lock()
				defer mu.Unlock()
				for _, k := range kinds {
					found[one.kind][k]++
				}
				return nil
			}
		})
	}
	require.NoError(t, group.Wait())

	right, wrong, injected := 0, 0, 0
	for kind, symptoms := range found {
		t.Logf("%-28s %v", fmt.Sprintf("%q:", kind), symptoms)
		for k, n := range symptoms {
			if k == kind {
				right += n
			} else {
				wrong += n
			}
		}
		if kind != "" {
			injected += each
		}
	}
	precision, recall := float64(right)/float64(right+wrong), float64(right)/float64(injected)
	t.Logf("precision %.3f, recall %.3f of %d faults of %d kinds, and %d traces without one", precision, recall, injected, len(faults)-1, each)
	assert.GreaterOrEqual(t, precision, 0.95)
	assert.GreaterOrEqual(t, recall, 0.95)
}

// Neither the start of a service nor its health checks begin a trace with a CLIENT span.
func TestNoTraceBeginsWithAClientSpan(t *testing.T) {
	began := time.Now()
	restart(t, "user-rpc")
	restart(t, "audit-mq")
	requireLoginsWorkWithin(t, 30*time.Second)
	pruned := backend.TraceQuery{Service: "audit-mq", Operation: "prune", Limit: 1}
	for _, store := range newDoctor().Stores {
		require.Eventually(t, func() bool { // what was made before it is there, too
			pruned.Window = backend.Window{Start: began, End: time.Now()}
			found, err := store.Search(t.Context(), pruned)
			return err == nil && len(found) == 1
		}, 30*time.Second, 200*time.Millisecond, store.Name())
		for _, service := range []string{"user-rpc", "audit-mq"} {
			found, err := store.Search(t.Context(), backend.TraceQuery{Service: service, Window: backend.Window{Start: began, End: time.Now()}, Limit: 200})
			require.NoError(t, err)
			for _, one := range found {
				trace, err := store.Trace(t.Context(), one.ID)
				require.NoError(t, err)
				for _, span := range trace.Spans {
					assert.False(t, span.ParentID == "" && span.Kind == backend.Client, "%s in %s begins trace %s", span.Describe(), store.Name(), one.ID)
				}
			}
		}
	}
}

// What the services here leave behind breaks no rule, of traces, metrics and logs; what
// a stranger sends breaks two. Other tests send broken traces in the services' names:
// only those of this test are looked at.
func TestScores(t *testing.T) {
	began := time.Now()
	login := logIn(t, 1)
	requireWhole(t, login, time.Minute, jaeger(), tempo())
	traces := ptrace.NewTraces()
	span := addSpan(traces, "unscored")
	span.SetParentSpanID(pcommon.SpanID{9})
	id := span.TraceID().String()
	sendTraces(t, traces)

	for _, store := range newDoctor().Stores {
		storedTrace(t, store, id, 1)
		scorer := score.Scorer{Stores: []backend.TraceSearcher{store}, Prometheus: backend.NewPrometheus(target.PrometheusURL), Loki: backend.NewLoki(target.LokiURL)}
		want := map[string][]string{"login-api": nil, "user-rpc": nil, "audit-mq": nil, "unscored": {"RES-001", "SPA-002"}}
		for service, broken := range want {
			var scored score.Service
			require.EventuallyWithT(t, func(t *assert.CollectT) { // a search finds a trace when it is ten seconds old
				report, err := scorer.Report(context.Background(), score.Query{Service: service, Last: time.Since(began) + 100*time.Millisecond, Limit: 50})
				require.NoError(t, err)
				require.Len(t, report.Services, 1)
				scored = report.Services[0]
			}, time.Minute, time.Second, "%s in %s", service, store.Name())
			rules := map[string]bool{}
			var failed []string
			for _, rule := range scored.Rules {
				rules[rule.Rule] = true
				if !rule.Passed {
					failed = append(failed, rule.Rule)
					t.Logf("%s in %s: %s: %s", service, store.Name(), rule.Rule, rule.Example)
				}
			}
			assert.Equal(t, broken, failed, "%s in %s", service, store.Name())
			for _, attribute := range scored.Attributes {
				t.Logf("%s in %s: %s is %s: %s", service, store.Name(), attribute.Key, attribute.Verdict, attribute.Example)
				// go-zero's interceptors add them to their events, and nothing has taken their place.
				assert.Contains(t, []string{"message.id", "message.type", "message.uncompressed_size"}, attribute.Key)
			}
			for _, rule := range []string{"MET-001", "MET-004", "MET-006", "LOG-002"} {
				assert.Equal(t, service != "unscored", rules[rule], "%s of %s", rule, service)
			}
		}
	}
}
