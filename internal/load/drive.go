package load

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"throughline/internal/demo"
)

// requestTimeout is how long one login may take before it counts as failed.
const requestTimeout = 10 * time.Second

// Answer is what came of one login.
type Answer struct {
	*vegeta.Result
	// TraceID is empty when there was no answer.
	TraceID string
}

// OK tells that the login was acknowledged.
func (a Answer) OK() bool { return a.Code == http.StatusOK }

// Logins are requests that log the demo users in, in turn.
func Logins(loginURL string) []vegeta.Target {
	var targets []vegeta.Target
	for _, user := range demo.Users {
		targets = append(targets, loginTarget(loginURL, user.LoginBody()))
	}
	return targets
}

func loginTarget(loginURL string, body []byte) vegeta.Target {
	return vegeta.Target{
		Method: http.MethodPost,
		URL:    demo.LoginURL(loginURL),
		Body:   body,
		Header: http.Header{"Content-Type": {"application/json"}},
	}
}

// Drive sends the requests, in turn, when the pacer says, however slow the
// answers are, until the duration is over or ctx ends. It calls each for every
// answer, one at a time, and returns after the last.
func Drive(ctx context.Context, requests []vegeta.Target, pacer vegeta.Pacer, duration time.Duration, each func(Answer)) {
	attacker := vegeta.NewAttacker(vegeta.Timeout(requestTimeout))
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	for result := range attacker.Attack(vegeta.NewStaticTargeter(requests...), pacer, duration, "") {
		explain(result)
		each(Answer{result, result.Headers.Get(demo.TraceIDHeader)})
	}
}

// explain adds to a refused login's error what the body says about it.
func explain(result *vegeta.Result) {
	var body struct{ Message string }
	if result.Error != "" && json.Unmarshal(result.Body, &body) == nil && body.Message != "" {
		result.Error += ": " + body.Message
	}
}
