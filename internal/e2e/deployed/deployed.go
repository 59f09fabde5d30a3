// Package deployed drives and checks a stack that runs elsewhere, for the tests of
// Docker Compose and of Kubernetes.
package deployed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"throughline/internal/backend"
	"throughline/internal/demo"
	"throughline/internal/verify"
)

const (
	linesOfLogin = 5
	// patience is how long what waited for a part may take to arrive.
	patience = 2 * time.Minute
)

// Output runs a command in the directory, and returns what it writes. The error has the
// end of what it complained of.
func Output(ctx context.Context, dir, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	var complaint strings.Builder
	command.Stderr = &complaint
	text, err := command.Output()
	if err != nil {
		said := strings.TrimSpace(complaint.String())
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, said[max(0, len(said)-1000):])
	}
	return strings.TrimSpace(string(text)), nil
}

// LogIn logs in at loginURL as a client that tries again, so many times.
func LogIn(ctx context.Context, loginURL string, n int) ([]demo.Login, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pace := time.NewTicker(50 * time.Millisecond) // what is refused keeps go-zero's breaker open
	defer pace.Stop()
	var logins []demo.Login
	for ; len(logins) < n; <-pace.C {
		login, err := demo.LogIn(ctx, loginURL, demo.Users[len(logins)%len(demo.Users)])
		switch {
		case err == nil:
			logins = append(logins, login)
		case ctx.Err() != nil || !errors.Is(err, demo.ErrUnavailable):
			return logins, err
		}
	}
	return logins, nil
}

// UnderLoad logs in at loginURL while something is done, and returns what was acknowledged.
func UnderLoad(t *testing.T, loginURL string, do func()) []demo.Login {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var acknowledged []demo.Login
	refused := 0
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			login, err := demo.LogIn(t.Context(), loginURL, demo.Users[i%len(demo.Users)])
			if err != nil {
				refused++
				continue
			}
			acknowledged = append(acknowledged, login)
		}
	}()
	do()
	stop()
	<-loaded
	t.Logf("%d logins acknowledged, %d refused", len(acknowledged), refused)
	require.NotEmpty(t, acknowledged)
	return acknowledged
}

// RequireNothingLost waits until every login has its row, once, its spans in both
// stores and its lines in Loki.
func RequireNothingLost(t *testing.T, target verify.Target, logins []demo.Login) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for missing := logins; ; {
		what := make([]string, len(missing))
		var looks errgroup.Group
		looks.SetLimit(4)
		for i, login := range missing {
			looks.Go(func() (err error) {
				what[i], err = missingOf(t.Context(), target, login)
				return err
			})
		}
		err := looks.Wait()
		var still []demo.Login
		for i, login := range missing {
			if what[i] != "" {
				still = append(still, login)
			}
		}
		if err == nil && len(still) == 0 {
			return
		}
		if ctx.Err() != nil {
			require.NoError(t, err)
			for i, login := range missing {
				assert.Empty(t, what[i], "login %s of %s", login.TraceID, login.AnsweredAt.Format(time.TimeOnly))
			}
			return
		}
		if err == nil {
			missing = still
		}
		<-tick.C
	}
}

// missingOf says what is missing of a login, if anything is.
func missingOf(ctx context.Context, target verify.Target, login demo.Login) (string, error) {
	audit, err := demo.ReadAudit(ctx, target.AuditURL, demo.AuditFilter{TraceID: login.TraceID})
	if err != nil {
		return "", err
	}
	var missing []string
	if audit.Total != 1 {
		missing = append(missing, fmt.Sprintf("%d rows", audit.Total))
	}
	for _, store := range []backend.TraceStore{backend.NewJaeger(target.JaegerURL), backend.NewTempo(target.TempoURL)} {
		trace, err := store.Trace(ctx, login.TraceID)
		if err != nil && !errors.Is(err, backend.ErrNotFound) {
			return "", err
		}
		if lacks := verify.MissingFromLogin(trace); len(lacks) > 0 {
			missing = append(missing, fmt.Sprintf("%s lacks spans of %s", store.Name(), strings.Join(lacks, ", ")))
		}
	}
	window := backend.Window{Start: login.AnsweredAt.Add(-time.Minute), End: login.AnsweredAt.Add(10 * time.Minute)}
	lines, err := backend.NewLoki(target.LokiURL).Lines(ctx, fmt.Sprintf(`{service_name=~".+"} | trace_id=%q`, login.TraceID), window, 100)
	if err != nil {
		return "", err
	}
	if len(lines) < linesOfLogin {
		missing = append(missing, fmt.Sprintf("Loki has %d lines", len(lines)))
	}
	return strings.Join(missing, "; "), nil
}
