package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	stores "throughline/internal/backend"
)

// backends answer every request with who they are and what they were asked.
func backends(t *testing.T) (Config, *[]*http.Request) {
	t.Helper()
	seen := &[]*http.Request{}
	start := func(name string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			*seen = append(*seen, r)
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.Header().Set("Content-Security-Policy", "default-src *")
			_, _ = fmt.Fprintf(w, "%s %s %s %s", name, r.Method, r.URL.RequestURI(), body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	return Config{Prometheus: start("prometheus"), Loki: start("loki"), Tempo: start("tempo"), Jaeger: start("jaeger")}, seen
}

const id = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestQueriesPass(t *testing.T) {
	config, _ := backends(t)
	h := serving(t, page, config)
	for _, path := range []string{
		"prometheus/api/v1/query?query=up", "prometheus/api/v1/query_range?query=rate%28a%5B1m%5D%29&step=10", "prometheus/api/v1/query_exemplars?query=a",
		"prometheus/api/v1/series?match[]=up", "prometheus/api/v1/labels", "prometheus/api/v1/label/service_name/values",
		"prometheus/api/v1/label/__name__/values", "prometheus/api/v1/metadata", "prometheus/api/v1/rules", "prometheus/api/v1/alerts",
		"loki/loki/api/v1/query?query={a=%22b%22}", "loki/loki/api/v1/query_range", "loki/loki/api/v1/series", "loki/loki/api/v1/labels",
		"loki/loki/api/v1/label/service_name/values",
		"tempo/api/search?q={}", "tempo/api/traces/" + id, "tempo/api/v2/traces/" + strings.ToUpper(id), "tempo/api/v2/search/tags",
		"tempo/api/v2/search/tag/resource.service.name/values", "tempo/api/v2/search/tag/event:name/values", "tempo/api/search/tags",
		"tempo/api/search/tag/service.name/values", "tempo/api/metrics/query_range?q={}|rate()",
		"jaeger/api/v3/traces/" + id + "?raw_traces=true", "jaeger/api/traces?service=a", "jaeger/api/v3/services", "jaeger/api/v3/operations?service=a",
	} {
		name, rest, _ := strings.Cut(path, "/")
		response := fetch(t, h, "/proxy/"+path)
		assert.Equal(t, http.StatusOK, response.StatusCode, path)
		assert.Equal(t, name+" GET /"+rest+" ", text(t, response))
	}
	// As encodeURIComponent has it.
	assert.Equal(t, "tempo GET /api/v2/search/tag/event:name/values ", text(t, fetch(t, h, "/proxy/tempo/api/v2/search/tag/event%3Aname/values")))
}

func TestLongQueriesArePosted(t *testing.T) {
	config, _ := backends(t)
	h := serving(t, page, config)
	for _, path := range []string{
		"prometheus/api/v1/query", "prometheus/api/v1/query_range", "prometheus/api/v1/query_exemplars", "prometheus/api/v1/series", "prometheus/api/v1/labels",
		"loki/loki/api/v1/query", "loki/loki/api/v1/query_range", "loki/loki/api/v1/series", "loki/loki/api/v1/labels",
	} {
		name, rest, _ := strings.Cut(path, "/")
		response := ask(t, h, http.MethodPost, "/proxy/"+path, strings.NewReader("query=up"), "Content-Type", "application/x-www-form-urlencoded")
		assert.Equal(t, name+" POST /"+rest+" query=up", text(t, response))
	}
	response := ask(t, h, http.MethodPost, "/proxy/prometheus/api/v1/query", strings.NewReader(strings.Repeat("a", maxRequestBody+1)))
	assert.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	assert.Contains(t, complaint(t, response), "1 MiB")
}

func TestAllElseIsRefused(t *testing.T) {
	config, seen := backends(t)
	h := serving(t, page, config)
	for _, path := range []string{
		// Other things that the backends can do.
		"prometheus/api/v1/admin/tsdb/delete_series", "prometheus/api/v1/admin/tsdb/snapshot", "prometheus/api/v1/write", "prometheus/api/v1/read",
		"prometheus/api/v1/otlp/v1/metrics", "prometheus/api/v1/status/config", "prometheus/api/v1/status/flags", "prometheus/api/v1/targets",
		"prometheus/-/reload", "prometheus/-/quit", "prometheus/debug/pprof/profile", "prometheus/metrics", "prometheus/federate", "prometheus/",
		"loki/loki/api/v1/push", "loki/loki/api/v1/delete", "loki/otlp/v1/logs", "loki/loki/api/v1/tail", "loki/loki/api/v1/rules", "loki/flush",
		"loki/ingester/shutdown", "loki/config", "loki/ready", "loki/loki/api/v1/cache/generation_numbers",
		"tempo/flush", "tempo/shutdown", "tempo/status/config", "tempo/api/overrides", "tempo/api/echo", "tempo/api/metrics/query", "tempo/api/traces/", "tempo/metrics",
		"tempo/api/traces/" + id + "/", "tempo/api/traces/" + id + "0", "tempo/api/traces/nothing",
		"jaeger/api/traces/" + id, "jaeger/api/services", "jaeger/api/archive/" + id, "jaeger/api/v3/archive", "jaeger/api/dependencies", "jaeger/static/x.js", "jaeger/",
		// Ways around the rules.
		"tempo/api/traces/../../flush", "tempo/api/traces/..%2f..%2fflush", "tempo/api/traces/%2e%2e/%2e%2e/flush", "tempo/api/search/../../flush",
		"tempo/api/search/tag/../values", "tempo/api/search/tag/%2e%2e/values", "tempo/api/search/tag/..%2f..%2f..%2fflush%3f/values",
		"tempo/api/search/tag/a%2fb/values", "tempo/api/search/tag/a%3fb/values", "tempo/api/search/tag/a%5c..%5c/values", "tempo/api/search/tag/%00/values",
		"tempo//api/search", "tempo/api//search", "tempo/api/search/", "tempo/api/search%0a", "tempo/api/search%3f", "tempo/API/search", "tempo/api/search;x",
		"tempo/./api/search", "tempo/x/../api/search", "prometheus/api/v1/label/a/b/values", "prometheus/api/v1/query/../admin/tsdb/snapshot",
		// Elsewhere.
		"", "/", "grafana/api/health", "Tempo/api/search", "tempo@evil.example/api/search", "http://evil.example/", "/evil.example/api/v1/query",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			response := ask(t, h, method, "/proxy/"+path, nil)
			assert.Equal(t, http.StatusForbidden, response.StatusCode, "%s %s", method, path)
			assert.NotEmpty(t, complaint(t, response), path)
		}
	}
	for path, methods := range map[string]string{
		"prometheus/api/v1/query":  "GET, POST",
		"prometheus/api/v1/series": "GET, POST", // which DELETE deletes
		"prometheus/api/v1/rules":  "GET",
		"loki/loki/api/v1/series":  "GET, POST",
		"tempo/api/search":         "GET",
		"tempo/api/traces/" + id:   "GET",
		"jaeger/api/traces":        "GET",
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodHead} {
			if strings.Contains(methods, method) {
				continue
			}
			response := ask(t, h, method, "/proxy/"+path, nil, "X-HTTP-Method-Override", "GET")
			assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%s %s", method, path)
			assert.Equal(t, methods, response.Header.Get("Allow"))
			assert.NotEmpty(t, complaint(t, response))
		}
	}
	assert.Empty(t, *seen, "nothing of it reached a backend")
}

func TestTheTenantIsTheConsolesOwn(t *testing.T) {
	config, seen := backends(t)
	for tenant, want := range map[string][]string{"": nil, "team-a": {"team-a"}} {
		t.Setenv("TENANT", tenant)
		*seen = nil
		response := ask(t, serving(t, page, config), http.MethodGet, "/proxy/tempo/api/search", nil, stores.TenantHeader, "team-b")
		assert.Equal(t, http.StatusOK, response.StatusCode)
		require.Len(t, *seen, 1)
		assert.Equal(t, want, (*seen)[0].Header.Values(stores.TenantHeader))
	}
}

// Over a real connection: the server must not decode or clean a path first.
func TestAllElseIsRefusedOverTheWire(t *testing.T) {
	config, seen := backends(t)
	server := httptest.NewServer(serving(t, page, config))
	t.Cleanup(server.Close)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/proxy/tempo/api/traces/../../flush", "/proxy/tempo/api/traces/..%2f..%2fflush", "/proxy//tempo/flush", "/proxy/tempo/api/v2/search/tag/%2e%2e/values"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		request.URL.Opaque = "//" + request.URL.Host + path
		response, err := client.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		assert.Equal(t, http.StatusForbidden, response.StatusCode, path)
	}
	assert.Empty(t, *seen)
}

func TestHeadersThatAreNoneOfABackendsBusinessAreDropped(t *testing.T) {
	config, seen := backends(t)
	h := serving(t, page, config)
	response := fetch(t, h, "/proxy/tempo/api/search",
		"Accept", "application/json", "Cookie", "session=secret", "Authorization", "Bearer secret", "Origin", "http://127.0.0.1:3300",
		"Sec-Fetch-Site", "same-origin", "Referer", "http://127.0.0.1:3300/", "X-Scope-OrgID", "other", "X-Forwarded-For", "192.0.2.1", "X-Http-Method-Override", "DELETE",
		"Connection", "Upgrade, X-Mine", "Upgrade", "websocket", "X-Mine", "1", "Te", "trailers", "User-Agent", "browser", "Accept-Encoding", "gzip", "Traceparent", "00-"+id+"-00f067aa0ba902b7-01")

	require.Len(t, *seen, 1)
	assert.Equal(t, http.Header{"Accept": {"application/json"}}, (*seen)[0].Header)
	assert.NotEqual(t, "127.0.0.1:3300", (*seen)[0].Host)

	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", response.Header.Get("Cache-Control"))
	assert.Empty(t, response.Header.Get("Set-Cookie"))
	assert.Empty(t, response.Header.Get("Access-Control-Allow-Origin"))
	assert.Len(t, response.Header.Values("Content-Security-Policy"), 1)
	assert.NotContains(t, response.Header.Get("Content-Security-Policy"), "*")
}

func TestWhatABackendSaysPasses(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "trace not found", http.StatusNotFound)
	}
	server := httptest.NewServer(http.HandlerFunc(answer))
	t.Cleanup(server.Close)
	response := fetch(t, serving(t, page, Config{Tempo: server.URL}), "/proxy/tempo/api/v2/traces/"+id)
	assert.Equal(t, http.StatusNotFound, response.StatusCode)
	assert.Equal(t, "trace not found\n", text(t, response))
}

func TestLongAnswersAreCompressed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, strings.Repeat("1", 100_000))
	}))
	t.Cleanup(server.Close)
	response := fetch(t, serving(t, page, Config{Tempo: server.URL}), "/proxy/tempo/api/search", "Accept-Encoding", "gzip")
	assert.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	assert.Less(t, len(text(t, response)), 10_000)
}

func TestAnswersThatAreTooLongAreNotPassedOn(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "told" {
			w.Header().Set("Content-Length", fmt.Sprint(maxResponseBody+1))
			return
		}
		for range maxResponseBody>>20 + 1 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}))
	t.Cleanup(server.Close)
	h := serving(t, page, Config{Tempo: server.URL})
	response := fetch(t, h, "/proxy/tempo/api/search?told")
	assert.Equal(t, http.StatusBadGateway, response.StatusCode)
	assert.Contains(t, complaint(t, response), "64 MiB")

	front := httptest.NewServer(h)
	t.Cleanup(front.Close)
	response, err := http.Get(front.URL + "/proxy/tempo/api/search")
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	assert.Error(t, err, "it must not look whole")
}

func TestADeadBackendIsNamed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	address := strings.TrimPrefix(server.URL, "http://")
	server.Close()
	for _, b := range []struct {
		name, path string
		config     Config
	}{
		{"Prometheus", "prometheus/api/v1/query", Config{Prometheus: server.URL}},
		{"Loki", "loki/loki/api/v1/labels", Config{Loki: server.URL}},
		{"Tempo", "tempo/api/search", Config{Tempo: server.URL}},
		{"Jaeger", "jaeger/api/v3/services", Config{Jaeger: server.URL}},
	} {
		response := fetch(t, serving(t, page, b.config), "/proxy/"+b.path)
		assert.Equal(t, http.StatusBadGateway, response.StatusCode)
		assert.Equal(t, b.name+" does not answer at "+address+": nothing listens there; make status shows what runs, make up starts it", complaint(t, response))
	}

	hangsUp := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	t.Cleanup(hangsUp.Close)
	response := fetch(t, serving(t, page, Config{Tempo: hangsUp.URL}), "/proxy/tempo/api/search")
	assert.Equal(t, http.StatusBadGateway, response.StatusCode)
	assert.Contains(t, complaint(t, response), "make status")
}

func TestAnAddressHasToBeOne(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:3200", "ftp://127.0.0.1", "http://%zz"} {
		_, err := Handler(Config{Prometheus: "http://127.0.0.1:1", Loki: "http://127.0.0.1:1", Jaeger: "http://127.0.0.1:1", Tempo: address})
		assert.ErrorContains(t, err, "Tempo", address)
	}
}
