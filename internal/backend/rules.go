package backend

import (
	"context"
	"fmt"
	"net/url"
)

// Rule is an alerting or a recording rule, as Prometheus evaluated it last.
type Rule struct {
	Name      string
	Type      string // "alerting" or "recording"
	Query     string // PromQL
	State     string // of an alert: "inactive", "pending" or "firing"
	Health    string // "ok", "err" or, before the first evaluation, "unknown"
	LastError string
}

// Rules returns every rule that Prometheus has loaded.
func (p *Prometheus) Rules(ctx context.Context) ([]Rule, error) {
	var answer struct {
		Groups []struct{ Rules []Rule }
	}
	if err := p.data(ctx, "/api/v1/rules", url.Values{}, &answer); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	var rules []Rule
	for _, group := range answer.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules, nil
}
