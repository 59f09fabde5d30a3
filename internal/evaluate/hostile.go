package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"gopkg.in/yaml.v3"

	"throughline/internal/evaluate/result"
	"throughline/internal/otlpload"
)

const (
	hostileRequests = 10_000
	scannedPaths    = 5000
	// largestText is what the services let through in a path and in a header, about.
	largestText = 16_000
	// alertPatience is how long an alert may take to fire.
	alertPatience = 2 * time.Minute
)

// giantTexts sends texts of 1 MB in every place of a span before and while Jaeger
// is away. They must not stay in the queue, in front of the rest.
func (l *lab) giantTexts() fault {
	return fault{
		name: "texts of 1 MB from a stranger, and an outage of Jaeger", part: "jaeger", kind: result.KindHostile, duration: l.plan.disturbance, limited: true,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			end := func(ctx context.Context) error {
				if err := l.parts.Start(ctx, "jaeger"); err != nil {
					return err
				}
				return l.awaitEmptyQueues(ctx)
			}
			err := l.sendGiants(ctx)
			if err == nil {
				err = l.parts.Kill(ctx, "jaeger")
			}
			if err == nil {
				err = l.sendGiants(ctx)
			}
			if err != nil {
				return nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return end, nil
		},
	}
}

func (l *lab) sendGiants(ctx context.Context) error {
	client, err := otlpload.Dial(l.target.OTLPGRPC)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	for place, traces := range otlpload.GiantTraces() {
		if err := client.Send(ctx, traces); err != nil {
			return fmt.Errorf("send a giant %s: %w", place, err)
		}
	}
	return nil
}

func (l *lab) awaitEmptyQueues(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.plan.recovery)
	defer cancel()
	for !l.queuesEmpty(ctx) {
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%s after Jaeger is back spans still wait in the collector", l.plan.recovery)
		}
	}
	return nil
}

// hostileFlood asks login-api for the largest paths, with the largest headers, as
// fast as it answers, and now and then for more than it takes.
func (l *lab) hostileFlood() fault {
	return fault{
		name: fmt.Sprintf("%d hostile requests", hostileRequests), part: "login-api", kind: result.KindHostile, limited: true,
		prepare: func(ctx context.Context) (func(context.Context) error, error) {
			undo := func(ctx context.Context) error { return l.parts.Start(ctx, "login-api") }
			if l.parts.Fixed() != "" { // it has the limit
				return undo, nil
			}
			if err := l.parts.Start(ctx, "login-api", "GOMEMLIMIT=128MiB"); err != nil { // as under Docker Compose
				return nil, errors.Join(err, undo(context.WithoutCancel(ctx)))
			}
			return undo, nil
		},
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			text := strings.Repeat("a", largestText)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
			defer client.CloseIdleConnections()
			group, ctx := errgroup.WithContext(ctx)
			group.SetLimit(8)
			for i := range hostileRequests {
				group.Go(func() error {
					agent, tooLarge := text, i%50 == 0
					if tooLarge {
						agent = otlpload.Giant
					}
					err := get(ctx, client, http.MethodGet, fmt.Sprintf("%s/%d%s", l.target.LoginURL, i, text), agent)
					if tooLarge { // the service answers and closes before it has read all
						err = nil
					}
					return err
				})
			}
			return func(context.Context) error { return nil }, group.Wait()
		},
	}
}

// pathScan asks login-api for paths that it does not have, and then makes logins
// fail. The alert on failing logins must see them.
func (l *lab) pathScan() fault {
	var before reading
	const failures = `login_attempts_total{result="unavailable"}`
	return fault{
		name: fmt.Sprintf("a scan of %d paths, and then logins fail", scannedPaths), part: "user-rpc", kind: result.KindHostile, limited: true,
		noticed: func(ctx context.Context) error {
			return l.awaitAlert(ctx, "LoginErrorBudgetBurnsFast", failures, before)
		},
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := range scannedPaths {
				method := http.MethodGet
				if i%10 == 0 {
					method = fmt.Sprintf("SCAN%d", i)
				}
				if err := get(ctx, client, method, fmt.Sprintf("%s/scan-%d/%s", l.target.LoginURL, i, uuid.NewString()), "a scanner"); err != nil {
					return nil, err
				}
			}
			var err error
			if before, err = l.read(ctx, failures); err != nil {
				return nil, err
			}
			start := func(ctx context.Context) error { return l.parts.Start(ctx, "user-rpc") }
			if err := l.parts.Stop(ctx, "user-rpc"); err != nil {
				return nil, errors.Join(err, start(context.WithoutCancel(ctx)))
			}
			return start, nil
		},
	}
}

func get(ctx context.Context, client *http.Client, method, url, agent string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", agent)
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("a stranger's %s: %w", method, errors.Unwrap(err)) // without the URL
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return errors.Join(err, answer.Body.Close())
}

// awaitAlert waits until the alert fires and the counter below it has risen by as
// much as the alert asks for: an earlier fault may have left it firing.
func (l *lab) awaitAlert(ctx context.Context, alert, counter string, before reading) error {
	const failures = 20
	ctx, cancel := context.WithTimeout(ctx, alertPatience)
	defer cancel()
	for {
		firing, err := l.read(ctx, fmt.Sprintf("ALERTS{alertname=%q, alertstate=\"firing\"}", alert))
		if err == nil && len(firing) > 0 {
			if now, err := l.read(ctx, counter); err == nil && before.riseTo(now) > failures {
				return nil
			}
		}
		if !pause(ctx, 500*time.Millisecond) {
			return fmt.Errorf("the alert %s did not tell of it within %s", alert, alertPatience)
		}
	}
}

// watchMemory keeps the peaks of the parts until ctx ends.
func (l *lab) watchMemory(ctx context.Context, parts []result.PartMemory) {
	for ok := true; ok; ok = pause(ctx, 250*time.Millisecond) {
		for i := range parts {
			if usage, err := l.parts.Usage(parts[i].Part); err == nil {
				parts[i].PeakBytes = max(parts[i].PeakBytes, usage.Anonymous)
			}
		}
	}
}

// overLimit says which parts took more than their limits.
func overLimit(parts []result.PartMemory) (over error) {
	for _, p := range parts {
		if p.PeakBytes > p.LimitBytes {
			over = errors.Join(over, fmt.Errorf("%s took %s of memory; its limit under Docker Compose is %s",
				p.Part, units.BytesSize(float64(p.PeakBytes)), units.BytesSize(float64(p.LimitBytes))))
		}
	}
	return over
}

// limitedParts are services and collector with their limits under Docker Compose.
func limitedParts(root string) ([]result.PartMemory, error) {
	path := filepath.Join(root, "docker-compose.yml")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Services map[string]struct {
			MemLimit string `yaml:"mem_limit"`
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var parts []result.PartMemory
	for _, part := range []string{"login-api", "user-rpc", "audit-mq", collectorPart} {
		limit, err := units.RAMInBytes(file.Services[part].MemLimit)
		if err != nil {
			return nil, fmt.Errorf("%s: the mem_limit of %s: %w", path, part, err)
		}
		parts = append(parts, result.PartMemory{Part: part, LimitBytes: uint64(limit)})
	}
	return parts, nil
}
