package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

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

// checkAlerts looks whether Prometheus evaluates every alert, on metrics that
// exist.
func (r *run) checkAlerts(ctx context.Context) Check {
	alerts := 0
	err := until(ctx, func() error { // the first evaluation comes within 15 s
		rules, err := r.backends.Prometheus.Rules(ctx)
		if err != nil {
			return err
		}
		alerts = 0
		for _, rule := range rules {
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
	return Check{OK: true, Value: float64(alerts), Unit: "alerts", Detail: fmt.Sprintf("%d alerts are evaluated without an error", alerts)}
}
