package backend

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const (
	requestTimeout = 10 * time.Second
	maxBody        = 64 << 20 // bytes; a trace beyond that is not for a terminal
)

// TenantHeader names a tenant to Tempo and Loki.
const TenantHeader = "X-Scope-OrgID"

// NameTenant says in a request whose data it asks for: those of TENANT of the environment,
// as a process reads the data of one. Without it, nothing is said.
func NameTenant(header http.Header) {
	if tenant := os.Getenv("TENANT"); tenant != "" {
		header.Set(TenantHeader, tenant)
	}
}

// endpoint is one HTTP server to read from.
type endpoint struct {
	name   string // as a person knows it
	url    string // without a slash at the end
	client *http.Client
}

func newEndpoint(name, url string) endpoint {
	return endpoint{name: name, url: url, client: &http.Client{Timeout: requestTimeout}}
}

// SetTimeout changes how long an answer is waited for, 10 s at first.
func (e endpoint) SetTimeout(d time.Duration) { e.client.Timeout = d }

// get returns the body of a 200 answer. The error is ErrNotFound for a 404,
// and else names the address and what to do.
func (e endpoint) get(ctx context.Context, pathAndQuery, accept string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+pathAndQuery, nil)
	if err != nil {
		return nil, fmt.Errorf("address of %s: %w; give it as http://host:port", e.name, err)
	}
	request.Header.Set("Accept", accept)
	NameTenant(request.Header)
	response, err := e.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s does not answer: %w; see whether it runs with `throughline status`", e.name, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s at %s broke off its answer: %w; look into its log", e.name, e.url, err)
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s at %s: %w", e.name, e.url, ErrNotFound)
	case response.StatusCode == http.StatusUnauthorized && request.Header.Get(TenantHeader) == "":
		return nil, fmt.Errorf("%s at %s answers %s: set TENANT to the name of the tenant whose data is meant", e.name, e.url, response.Status)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s at %s answers %s: %.200s; look into its log", e.name, e.url, response.Status, bytes.TrimSpace(body))
	case len(body) > maxBody:
		return nil, fmt.Errorf("%s at %s answers with more than %d MiB; ask for less", e.name, e.url, maxBody>>20)
	}
	return body, nil
}
