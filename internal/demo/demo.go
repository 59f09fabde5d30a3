// Package demo talks to the traced application from the outside, as one of its
// demo users and as a reader of its audit trail.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// TraceIDHeader is the response header in which login-api gives the trace id.
const TraceIDHeader = "X-Trace-Id"

const (
	password       = "demo-password"
	requestTimeout = 15 * time.Second
	maxBody        = 64 << 20 // bytes
)

// User is one of the users that user-rpc creates at its first start.
type User struct {
	ID     int64
	Mobile string
}

// Users are all the demo users.
var Users = func() []User {
	users := make([]User, 10)
	for i := range users {
		users[i] = User{ID: int64(i + 1), Mobile: strconv.Itoa(13800000001 + i)}
	}
	return users
}()

// LoginBody is the JSON body with which the user logs in.
func (u User) LoginBody() []byte {
	body, _ := json.Marshal(map[string]string{"mobile": u.Mobile, "password": password}) // strings always marshal
	return body
}

// LoginURL is the address to which LoginBody is posted.
func LoginURL(loginAPI string) string { return strings.TrimRight(loginAPI, "/") + "/v1/login" }

// Login is an acknowledged login.
type Login struct {
	User    User
	TraceID string
	// AnsweredAt is when the response had arrived, on the clock of this process.
	AnsweredAt time.Time
}

// ErrUnavailable means that a service did not answer, or answered 503: the same
// request may succeed later.
var ErrUnavailable = errors.New("unavailable")

// LogIn logs the user in at the login-api that answers at loginAPI, for
// example http://127.0.0.1:8080. Any answer but 200 is an error, which is
// ErrUnavailable, by errors.Is, when it is worth another try.
func LogIn(ctx context.Context, loginAPI string, user User) (Login, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, LoginURL(loginAPI), bytes.NewReader(user.LoginBody()))
	if err != nil {
		return Login{}, fmt.Errorf("address of login-api: %w; give it as http://host:port", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, body, err := do(request, "login-api")
	if err != nil {
		return Login{}, fmt.Errorf("login of user %d: %w", user.ID, err)
	}
	answeredAt := time.Now()
	if response.StatusCode == http.StatusServiceUnavailable {
		return Login{}, fmt.Errorf("login of user %d: login-api at %s is %w: %.200s; look into the logs of login-api and user-rpc",
			user.ID, loginAPI, ErrUnavailable, strings.TrimSpace(string(body)))
	}
	if response.StatusCode != http.StatusOK {
		return Login{}, fmt.Errorf("login of user %d: login-api at %s answers %s: %.200s; look into the logs of login-api and user-rpc",
			user.ID, loginAPI, response.Status, strings.TrimSpace(string(body)))
	}
	traceID := response.Header.Get(TraceIDHeader)
	if traceID == "" {
		return Login{}, fmt.Errorf("login of user %d: login-api at %s answers without a header %s; is it this project's login-api?", user.ID, loginAPI, TraceIDHeader)
	}
	return Login{User: user, TraceID: traceID, AnsweredAt: answeredAt}, nil
}

// StoredLogin is one row of the audit trail.
type StoredLogin struct {
	MessageID string `json:"messageId"`
	UserID    int64  `json:"userId"`
	TraceID   string `json:"traceId"`
	Attempt   int    `json:"attempt"`
}

// AuditFilter selects rows of the audit trail; zero fields select all.
type AuditFilter struct {
	UserID  int64
	TraceID string
	Limit   int // of the rows that are returned, at most 1000; 100 when zero
	Offset  int // of the newest rows, left out
}

// Audit is an answer of audit-mq.
type Audit struct {
	// Total is the number of matching rows, whatever the limit.
	Total int `json:"total"`
	// Logins are the newest matching rows, newest first.
	Logins []StoredLogin `json:"logins"`
}

// ReadAudit reads the audit trail from the audit-mq that answers at auditMQ,
// for example http://127.0.0.1:8082.
func ReadAudit(ctx context.Context, auditMQ string, filter AuditFilter) (Audit, error) {
	query := url.Values{}
	if filter.UserID != 0 {
		query.Set("user_id", strconv.FormatInt(filter.UserID, 10))
	}
	if filter.TraceID != "" {
		query.Set("trace_id", filter.TraceID)
	}
	if filter.Limit != 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	if filter.Offset != 0 {
		query.Set("offset", strconv.Itoa(filter.Offset))
	}
	address := strings.TrimRight(auditMQ, "/") + "/v1/logins?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Audit{}, fmt.Errorf("address of audit-mq: %w; give it as http://host:port", err)
	}
	response, body, err := do(request, "audit-mq")
	if err != nil {
		return Audit{}, err
	}
	if response.StatusCode != http.StatusOK {
		return Audit{}, fmt.Errorf("audit-mq at %s answers %s: %.200s; look into its log", address, response.Status, strings.TrimSpace(string(body)))
	}
	var audit Audit
	if err := json.Unmarshal(body, &audit); err != nil {
		return Audit{}, fmt.Errorf("audit-mq at %s does not answer in JSON: %w; is the address audit-mq's?", address, err)
	}
	return audit, nil
}

// WaitForAudit reads the audit trail until done accepts what it holds, or until
// ctx ends; it returns what it read last, with an error only when nothing could
// be read. The caller gives ctx a deadline.
func WaitForAudit(ctx context.Context, auditMQ string, filter AuditFilter, done func(Audit) bool) (Audit, error) {
	const interval = 100 * time.Millisecond
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var last Audit
	var lastErr error
	for read := false; ; {
		audit, err := ReadAudit(ctx, auditMQ, filter)
		switch {
		case err == nil && done(audit):
			return audit, nil
		case err == nil:
			last, lastErr, read = audit, nil, true
		case !read && (ctx.Err() == nil || lastErr == nil):
			lastErr = err
		}
		select {
		case <-ctx.Done():
			return last, lastErr
		case <-ticker.C:
		}
	}
}

var client = &http.Client{
	Timeout:   requestTimeout,
	Transport: &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 30 * time.Second},
}

// do returns the response, whose body is read and closed, and the body.
func do(request *http.Request, service string) (*http.Response, []byte, error) {
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is %w, it does not answer: %w; see whether it runs with `throughline status`", service, ErrUnavailable, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("%s at %s broke off its answer: %w; look into its log", service, request.URL, err)
	}
	return response, body, nil
}
