package evaluate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/evaluate/result"
	"throughline/internal/load"
	"throughline/internal/verify"
)

// steady drives a steady load and looks at its cost, then at freshness, and at what
// became of all of it.
func (l *lab) steady(ctx context.Context, r *result.Results) error {
	if err := l.awaitCalm(ctx); err != nil {
		return err
	}
	rowsBefore, err := l.rowsAtRest(ctx)
	if err != nil {
		return err
	}
	if err := l.awaitCounters(ctx); err != nil { // all that was just made
		return err
	}
	idle := l.meter(ctx)
	pause(ctx, l.plan.idle)
	idle.stop()
	before, err := l.readAll(ctx, stages)
	if err != nil {
		return err
	}
	lostBefore, err := l.readAll(ctx, lost)
	if err != nil {
		return err
	}

	// What the load costs is measured while nobody asks the stores anything.
	t, cost := newTraffic(), l.meter(ctx)
	l.drive(ctx, l.plan.steadyRate, l.plan.steady, t.add)
	took := time.Since(t.began)
	if err := l.untilNothingLeft(ctx, func() (int, error) {
		if l.queuesEmpty(ctx) {
			return 0, nil
		}
		return 1, nil
	}); err != nil {
		return err
	}
	cost.stop()
	driven := len(t.logins)

	fresh, began := l.newFreshness(ctx), time.Now()
	l.drive(ctx, l.plan.steadyRate, l.plan.fresh, func(a load.Answer) {
		t.add(a)
		fresh.observe(a)
	})
	took += time.Since(began)
	r.Freshness = fresh.wait()
	rises, err := l.awaitRises(ctx, before, len(t.logins))
	if err != nil {
		return err
	}
	lostAfter, err := l.readAll(ctx, lost)
	if err != nil {
		return err
	}
	rowsAfter, err := demo.ReadAudit(ctx, l.target.AuditURL, demo.AuditFilter{Limit: 1})
	if err != nil {
		return err
	}

	c := &result.Correctness{
		Rate: float64(len(t.answers)) / took.Seconds(), Seconds: took.Seconds(), Logins: len(t.logins),
	}
	extra := map[string]int{} // spans, as of a second attempt at a message
	kept, err := l.follow(ctx, t.logins, t.began, func(jaeger, tempo backend.Trace) {
		c.TracesCompared++
		extra[l.jaeger.Name()] += jaeger.SpanCount() - verify.LoginSpans
		extra[l.tempo.Name()] += tempo.SpanCount() - verify.LoginSpans
		c.SpansCompared += len(jaeger.Spans)
		if different := verify.Differences("Jaeger", jaeger, "Tempo", tempo); len(different) > 0 {
			c.TracesDiffering++
			c.Differences = append(c.Differences, fmt.Sprintf("trace %s: %s", jaeger.ID, different[0]))
		}
	})
	if err != nil {
		return err
	}
	c.Differences = c.Differences[:min(len(c.Differences), 5)]
	c.TracesWhole = c.TracesCompared
	unstored, doubled := len(kept.unstored), len(kept.doubled)
	c.MessagesLost, c.MessagesDoubled = &unstored, &doubled
	l.accounts(c, rises, lostBefore.risesTo(lostAfter), rowsAfter.Total-rowsBefore, kept, extra)
	r.Correctness = c
	r.Cost = &result.Cost{
		Seconds: cost.seconds(), Rate: c.Rate, Spans: int64(verify.LoginSpans * driven),
		Parts: cost.parts(idle),
	}
	if len(t.logins) == 0 {
		return errors.New("no login was acknowledged")
	}
	return nil
}

// stages are the counters that a span, a line of log and a login pass.
var stages = map[string]string{
	"spans produced": `otel_sdk_processor_span_processed_total`,
	"spans exported": `otel_sdk_exporter_span_exported_total{error_type=""}`,
	"spans accepted": `otelcol_receiver_accepted_spans_total`,
	"spans Jaeger":   `otelcol_exporter_sent_spans_total{exporter=~"otlp_http/jaeger(_direct)?"}`,
	"spans Tempo":    `otelcol_exporter_sent_spans_total{exporter=~"otlp_http/tempo(_direct)?"}`,

	"records produced": `otel_sdk_processor_log_processed_total`,
	"records exported": `otel_sdk_exporter_log_exported_total{error_type=""}`,
	"records accepted": `otelcol_receiver_accepted_log_records_total`,
	"records Loki":     `otelcol_exporter_sent_log_records_total{exporter=~".*/loki"}`,

	"logins counted":   `login_attempts_total{result="success"}`,
	"logins in spans":  `traces_span_metrics_calls_total{service_name="login-api", span_name="POST /v1/login", http_response_status_code="200"}`,
	"messages sent":    `messaging_client_sent_messages_total{service_name="login-api"}`,
	"messages handled": `audit_messages_total{outcome="stored"}`,
}

// awaitRises waits until the counters have told of that many logins.
func (l *lab) awaitRises(ctx context.Context, before readings, logins int) (map[string]int64, error) {
	each := map[string]int{"spans": verify.LoginSpans, "records": linesOfLogin, "logins": 1, "messages": 1}
	rises := map[string]int64{}
	err := l.untilNothingLeft(ctx, func() (int, error) {
		after, err := l.readAll(ctx, stages)
		short := 0
		for name, all := range after {
			rises[name] = before[name].riseTo(all)
			what, _, _ := strings.Cut(name, " ")
			short += max(0, logins*each[what]-int(rises[name]))
		}
		return short, err
	})
	return rises, err
}

// accounts draws up what became of each signal.
func (l *lab) accounts(c *result.Correctness, rises map[string]int64, losses []result.Count, rows int, kept *followed, extra map[string]int) {
	spans, logins := int64(verify.LoginSpans*c.Logins), int64(c.Logins)
	account := func(signal, note string, stages ...result.Count) {
		a := result.Account{Signal: signal, Stages: stages, Lost: losses, Note: note, Balanced: true}
		for _, stage := range stages {
			a.Balanced = a.Balanced && stage.Value == stages[0].Value
		}
		c.Accounts = append(c.Accounts, a)
	}
	count := func(name, label string) result.Count { return result.Count{Name: label, Value: rises[name]} }
	inStore := func(store string) result.Count {
		return result.Count{Name: "read back from " + store, Value: spans - int64(kept.spans[store].total()) + int64(extra[store])}
	}
	account("spans", "counted by the SDK and by the collector, and read back trace by trace",
		count("spans produced", "ended in the services"), count("spans exported", "exported by the SDK"), count("spans accepted", "accepted by the collector"),
		count("spans Jaeger", "sent to Jaeger"), count("spans Tempo", "sent to Tempo"), inStore("Jaeger"), inStore("Tempo"))
	account("log records", "counted by the SDK and by the collector, and read back by trace id",
		count("records produced", "written by the services"), count("records exported", "exported by the SDK"), count("records accepted", "accepted by the collector"),
		count("records Loki", "sent to Loki"), result.Count{Name: "read back from Loki", Value: int64(kept.lines)})
	account("metrics", "the same logins as five metrics in Prometheus have them",
		result.Count{Name: "acknowledged to the client", Value: logins}, count("logins counted", "login.attempts"), count("logins in spans", "span metrics"),
		count("messages sent", "messaging.client.sent.messages"), count("messages handled", "audit.messages"))
	account("messages", "rows of the audit trail, each looked up by its trace id",
		result.Count{Name: "acknowledged logins", Value: logins}, result.Count{Name: "rows gained", Value: int64(rows)},
		result.Count{Name: "logins with just one row", Value: logins - int64(len(kept.unstored)+len(kept.doubled))})
}
