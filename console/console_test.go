package console

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var page = fstest.MapFS{
	".keep":               {},
	"index.html":          {Data: []byte("<!doctype html><html><head><meta name=\"csp-nonce\" content=\"\" /><title>Throughline</title></head><body></body></html>")},
	"favicon.svg":         {Data: []byte("<svg xmlns='http://www.w3.org/2000/svg'/>")},
	"assets/index-1a2.js": {Data: []byte(strings.Repeat("console.log('hello');\n", 1000))},
}

// fetch asks the console as its own page would, but for the given headers.
func fetch(t *testing.T, handler http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	return ask(t, handler, http.MethodGet, path, nil, headers...)
}

func ask(t *testing.T, handler http.Handler, method, path string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:3300"+path, body)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body)
}

// complaint is the error of a refusal, which is always an object with just that.
func complaint(t *testing.T, response *http.Response) string {
	t.Helper()
	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	var answer map[string]string
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	assert.Len(t, answer, 1)
	return answer["error"]
}

func serving(t *testing.T, files fstest.MapFS, config Config) http.Handler {
	t.Helper()
	for _, url := range []*string{&config.Prometheus, &config.Loki, &config.Tempo, &config.Jaeger} {
		if *url == "" {
			*url = "http://127.0.0.1:1"
		}
	}
	h, err := handler(config, files)
	require.NoError(t, err)
	return h
}

func TestEveryPageIsTheSame(t *testing.T) {
	h := serving(t, page, Config{})
	for _, path := range []string{
		"/", "/dashboards/message-flow?from=now-30m&to=now", "/trace/4bf92f3577b34da6a3ce929d0e0e4736?from=tempo", "/search", "/flow",
		"/index.html", "/no/such/page", "/.keep", "/assets", "/../../etc/passwd", "/%2e%2e/console.go",
	} {
		response := fetch(t, h, path)
		assert.Equal(t, http.StatusOK, response.StatusCode, path)
		assert.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"), path)
		assert.Equal(t, "no-cache", response.Header.Get("Cache-Control"), path)
		assert.Contains(t, text(t, response), "<title>Throughline</title>", path)
	}
}

func TestThePolicyAllowsOnlyWhatThePageServesItself(t *testing.T) {
	h := serving(t, page, Config{})
	nonce := regexp.MustCompile(`'nonce-([A-Z2-7]{26})'`)
	seen := map[string]bool{}
	for range 3 {
		response := fetch(t, h, "/")
		policy := response.Header.Get("Content-Security-Policy")
		found := nonce.FindStringSubmatch(policy)
		require.NotNil(t, found, policy)
		assert.Contains(t, text(t, response), `<meta name="csp-nonce" content="`+found[1]+`" />`)
		assert.Equal(t, "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-X'; img-src 'self' data:; font-src 'self'; "+
			"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", nonce.ReplaceAllString(policy, "'nonce-X'"))
		seen[found[1]] = true
	}
	assert.Len(t, seen, 3, "a nonce is used once")

	for _, path := range []string{"/", "/assets/index-1a2.js", "/assets/gone.js", "/api/config", "/proxy/tempo/flush", "/proxy/tempo/api/search"} {
		response := fetch(t, h, path)
		assert.Contains(t, response.Header.Get("Content-Security-Policy"), "default-src 'none'", path)
		assert.Equal(t, "nosniff", response.Header.Get("X-Content-Type-Options"), path)
		assert.Equal(t, "no-referrer", response.Header.Get("Referrer-Policy"), path)
	}
}

func TestTheRealPageHasAPlaceForTheNonce(t *testing.T) {
	if !Built() {
		t.Skip("the page is not built: make build")
	}
	page, err := fs.ReadFile(built, indexFile)
	require.NoError(t, err)
	assert.Contains(t, string(page), noNonce)
	assert.NotContains(t, string(page), "<style", "it would be refused")
	assert.NotRegexp(t, "<script>|javascript:| on[a-z]+=", string(page), "it would be refused")
}

func TestAssetsAreKeptForEverAndCompressed(t *testing.T) {
	h := serving(t, page, Config{})
	response := fetch(t, h, "/assets/index-1a2.js", "Accept-Encoding", "gzip")
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Contains(t, response.Header.Get("Content-Type"), "javascript")
	assert.Equal(t, "public, max-age=31536000, immutable", response.Header.Get("Cache-Control"))
	require.Equal(t, "gzip", response.Header.Get("Content-Encoding"))
	unzipped, err := gzip.NewReader(response.Body)
	require.NoError(t, err)
	content, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	assert.Equal(t, page["assets/index-1a2.js"].Data, content)

	assert.Contains(t, fetch(t, h, "/favicon.svg").Header.Get("Content-Type"), "image/svg+xml")
	gone := fetch(t, h, "/assets/index-of-before.js")
	assert.Equal(t, http.StatusNotFound, gone.StatusCode, "a page in place of a script would only confuse")
	assert.NotContains(t, gone.Header.Get("Cache-Control"), "immutable")
}

func TestConfigNamesWhatIsThere(t *testing.T) {
	h := serving(t, page, Config{
		Version:  "v1",
		Links:    map[string]string{"jaeger": "http://127.0.0.1:16686", "grafana": ""},
		Services: map[string]string{"login-api": "http://127.0.0.1:8080"},
	})
	response := fetch(t, h, "/api/config")
	assert.Equal(t, "application/json", response.Header.Get("Content-Type"))
	assert.JSONEq(t, `{
		"version": "v1", "faults": false,
		"links": {"jaeger": "http://127.0.0.1:16686"},
		"services": {"login-api": "http://127.0.0.1:8080"}
	}`, text(t, response))
}

func TestWithoutAPageItSaysHowToGetOne(t *testing.T) {
	h := serving(t, fstest.MapFS{".keep": {}}, Config{})
	response := fetch(t, h, "/flow")
	assert.Equal(t, http.StatusServiceUnavailable, response.StatusCode)
	assert.Contains(t, text(t, response), "make up")
	assert.Equal(t, http.StatusOK, fetch(t, h, "/api/config").StatusCode, "all else works")
	assert.False(t, hasPage(fstest.MapFS{".keep": {}}))
	assert.True(t, hasPage(page))
}

func TestOnlyReading(t *testing.T) {
	h := serving(t, page, Config{})
	for _, path := range []string{"/", "/api/config", "/assets/index-1a2.js"} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
			response := ask(t, h, method, path, nil)
			assert.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%s %s", method, path)
			assert.Equal(t, "GET, HEAD", response.Header.Get("Allow"))
			assert.NotEmpty(t, complaint(t, response))
		}
	}
}

func TestAForeignNameIsRefused(t *testing.T) {
	h := serving(t, page, Config{AllowedHosts: []string{"wall.example"}})
	for _, path := range []string{"/", "/api/config", "/assets/index-1a2.js"} {
		for _, host := range []string{"127.0.0.1:3300", "localhost:3300", "LOCALHOST", "127.0.0.2", "[::1]:3300", "[::1]", "wall.example:80", "Wall.Example"} {
			assert.Equal(t, http.StatusOK, fetch(t, h, path, "Host", host).StatusCode, "%s at %s", path, host)
		}
		for _, host := range []string{"evil.example", "evil.example:3300", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1:3300", "a.wall.example", ":3300", "[::1"} {
			response := fetch(t, h, path, "Host", host)
			assert.Equal(t, http.StatusForbidden, response.StatusCode, "%s at %s", path, host)
			assert.Contains(t, complaint(t, response), "CONSOLE_ALLOWED_HOSTS")
		}
	}
}

func TestAnotherSiteMayLinkHereButNotRead(t *testing.T) {
	h := serving(t, page, Config{})
	for _, from := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "new"},
		{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Origin", "http://127.0.0.1:3000"}, {"Origin", "http://%zz"},
	} {
		assert.Equal(t, http.StatusOK, fetch(t, h, "/flow", from...).StatusCode, from)
		for _, path := range []string{"/api/config", "/proxy/prometheus/api/v1/query?query=up"} {
			response := fetch(t, h, path, from...)
			assert.Equal(t, http.StatusForbidden, response.StatusCode, from)
			assert.NotEmpty(t, complaint(t, response))
		}
	}
	for _, from := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {"Origin", "http://127.0.0.1:3300"}, nil} {
		assert.Equal(t, http.StatusOK, fetch(t, h, "/api/config", from...).StatusCode, from)
	}
}

func TestServesUntilItIsToldToStop(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	assert.ErrorContains(t, Serve(t.Context(), address, http.NotFoundHandler()), "CONSOLE_PORT")
	require.NoError(t, listener.Close())

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, address, serving(t, page, Config{})) }()
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + address + "/")
		if err != nil {
			return false
		}
		return assert.NoError(t, response.Body.Close()) && response.StatusCode == http.StatusOK
	}, 5*time.Second, 10*time.Millisecond)
	stop()
	assert.NoError(t, <-ended)
}
