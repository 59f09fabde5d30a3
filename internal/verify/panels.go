package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"throughline/internal/backend"
	"throughline/internal/dashboards"
)

// backendWindow is how far back a check looks where no dashboard says so.
const backendWindow = 15 * time.Minute

// checkPanels runs every query of every dashboard as Grafana would.
func (r *run) checkPanels(ctx context.Context) Check {
	if len(r.logins) == 0 || r.logins[0].err != nil {
		return failed("%v", errNoTrace)
	}
	all, err := dashboards.Load(filepath.Join(r.target.Grafana, "dashboards"))
	if err != nil {
		return failed("%v", err)
	}
	var pending []dashboards.Query
	for _, d := range all {
		queries, err := d.Queries(map[string]string{"trace_id": r.logins[0].TraceID})
		if err != nil {
			return failed("%v", err)
		}
		pending = append(pending, queries...)
	}
	filled, healthy := 0, 0
	var empty []string
	// A rate needs two values, which take some seconds to arrive.
	_ = until(ctx, func() error {
		var again []dashboards.Query
		empty = nil
		for _, q := range pending {
			rows, err := r.backends.Run(ctx, q)
			switch {
			case err == nil && rows > 0:
				filled++
				continue
			case err == nil && q.EmptyIsHealthy:
				healthy++
				continue
			case err == nil:
				err = fmt.Errorf("%s is empty: %s", q, q.Expr)
			}
			again = append(again, q)
			empty = append(empty, err.Error())
		}
		if pending = again; len(pending) > 0 {
			return errors.New("some are empty")
		}
		return nil
	})
	check := Check{OK: len(empty) == 0, Value: float64(filled), Unit: "queries",
		Detail: fmt.Sprintf("of %d dashboards %d queries return data, and %d are empty because all is well", len(all), filled, healthy)}
	if !check.OK {
		check.Detail += fmt.Sprintf("; %d fail: %s", len(empty), firstOf(empty))
	}
	return check
}

// metricName finds the metrics of a rule's expression.
var metricName = regexp.MustCompile(`\b(?:login|messaging|otelcol|otel_sdk|rabbitmq|traces)_?[a-z0-9_:]*[a-z0-9]\b`)

// labels are the parts of an expression that name no metric.
var labels = regexp.MustCompile(`\{[^}]*\}|\b(?:by|on|without)\s*\([^)]*\)`)

// failureMetrics begins the names of metrics that exist only after the first
// failure of their kind.
const failureMetrics = "otelcol_exporter_enqueue_failed_"

// checkAlerts looks whether Prometheus evaluates every rule, on metrics that
// exist: an alert on a misspelt metric stays silent for ever.
func (r *run) checkAlerts(ctx context.Context) Check {
	alerts := 0
	err := until(ctx, func() error { // the first evaluation comes within 15 s
		rules, err := r.backends.Prometheus.Rules(ctx)
		if err != nil {
			return err
		}
		metrics, err := r.backends.Prometheus.LabelValues(ctx, "__name__", `{__name__=~".+"}`, backend.Last(backendWindow))
		if err != nil {
			return err
		}
		alerts = 0
		for _, rule := range rules {
			for _, name := range metricName.FindAllString(labels.ReplaceAllString(rule.Query, ""), -1) {
				if !slices.Contains(metrics, name) && !strings.HasPrefix(name, failureMetrics) {
					return fmt.Errorf("rule %s reads %s, which Prometheus at %s does not have", rule.Name, name, r.target.PrometheusURL)
				}
			}
			if rule.Health != "ok" {
				return fmt.Errorf("rule %s is %s: %s; look at %s/rules", rule.Name, rule.Health, rule.LastError, r.target.PrometheusURL)
			}
			if rule.Type == "alerting" {
				alerts++
			}
		}
		if alerts == 0 {
			return fmt.Errorf("no alert is loaded in Prometheus at %s: is rule_files of prometheus/prometheus.yml right?", r.target.PrometheusURL)
		}
		return nil
	})
	if err != nil {
		return failed("%v", err)
	}
	return Check{OK: true, Value: float64(alerts), Unit: "alerts", Detail: fmt.Sprintf("%d alerts are evaluated without an error, on metrics that exist", alerts)}
}
