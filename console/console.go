// Package console serves the web page that shows grafana/dashboards without
// Grafana, and lets it read from the backends, and only read.
package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
)

//go:embed all:dist
var embedded embed.FS

// built is what Vite made of src/, or nothing when the binary was built without it.
var built, _ = fs.Sub(embedded, "dist")

// Config says what there is to show.
type Config struct {
	Version string
	// The URLs of the backends.
	Prometheus, Loki, Tempo, Jaeger string
	// Links are the pages of other programs, Services the addresses of the
	// traced application, by name. Without an address they are left out.
	Links, Services map[string]string
	// AllowedHosts are names and addresses, beside those of loopback, under which
	// the console may be opened.
	AllowedHosts []string
	// Faults can be started from the page; nil when that is not allowed.
	Faults *Faults
}

// Built tells whether the page is in this binary.
func Built() bool { return hasPage(built) }

// Handler serves the page, its configuration and the way to the backends.
func Handler(config Config) (http.Handler, error) { return handler(config, built) }

func handler(config Config, dist fs.FS) (http.Handler, error) {
	proxy, err := newProxy(config)
	if err != nil {
		return nil, err
	}
	c := &console{dist: dist, config: config, proxy: proxy, doctor: newDoctor(config), score: newScore(config), hosts: append(slices.Clip(config.AllowedHosts), "localhost")}
	return gzhttp.GzipHandler(c), nil
}

// Serve listens at the address, host:port, until ctx ends.
func Serve(ctx context.Context, address string, handler http.Handler) error {
	server := &http.Server{
		Addr:              address,
		Handler:           handler,
		MaxHeaderBytes:    64 << 10,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      backendTimeout + 30*time.Second,
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- server.Shutdown(patience)
	})
	defer stop()
	err := server.ListenAndServe()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the console: %w; CONSOLE_PORT moves it", err)
	}
	if err := <-stopped; errors.Is(err, context.DeadlineExceeded) {
		return server.Close() // a backend is still at it
	}
	return nil
}

// console serves one page at every path that is nothing else.
type console struct {
	dist   fs.FS
	config Config
	proxy  http.Handler
	doctor http.Handler
	score  http.Handler
	hosts  []string // beside addresses of loopback
}

func (c *console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	nonce := rand.Text()
	header := w.Header()
	header.Set("Content-Security-Policy", fmt.Sprintf(securityPolicy, nonce))
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")

	api, proxied := strings.HasPrefix(r.URL.Path, apiPath), strings.HasPrefix(r.URL.Path, proxyPath)
	switch {
	case !c.knows(r.Host):
		refuse(w, http.StatusForbidden, "the console is not opened as %q: use 127.0.0.1 or localhost, or start it with CONSOLE_ALLOWED_HOSTS=<that name>", r.Host)
	case (api || proxied) && fromElsewhere(r):
		refuse(w, http.StatusForbidden, "only the console's own page may ask for this; open the console itself")
	case proxied:
		c.proxy.ServeHTTP(w, r)
	case r.URL.Path == faultsPath || r.URL.Path == endFaultPath:
		c.config.Faults.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		header.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "%s is not possible here: the console only reads", r.Method)
	case strings.HasPrefix(r.URL.Path, doctorPath):
		c.doctor.ServeHTTP(w, r)
	case r.URL.Path == scorePath:
		c.score.ServeHTTP(w, r)
	case r.URL.Path == apiPath+"config":
		answer(w, http.StatusOK, map[string]any{
			"version":  c.config.Version,
			"links":    withAddress(c.config.Links),
			"services": withAddress(c.config.Services),
			"faults":   c.config.Faults != nil && fromHere(r),
		})
	case strings.HasPrefix(r.URL.Path, docsPath):
		serveDocs(w, r, nonce)
	case c.isFile(r.URL.Path):
		if strings.HasPrefix(r.URL.Path, assetsPath) { // named by their content
			header.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeFileFS(w, r, c.dist, r.URL.Path[1:])
	case strings.HasPrefix(r.URL.Path, assetsPath): // of a page that was replaced meanwhile
		http.NotFound(w, r)
	default:
		c.servePage(w, nonce)
	}
}

const (
	apiPath    = "/api/"
	proxyPath  = "/proxy/"
	assetsPath = "/assets/"
	// The nonce is for the styles that the page makes while it runs.
	securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%s'; img-src 'self' data:; font-src 'self'; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// knows tells whether the console may be called by this name. A foreign name
// that leads here is another site's, which would read as if it were ours.
func (c *console) knows(hostport string) bool {
	host := (&url.URL{Host: hostport}).Hostname()
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(c.hosts, func(allowed string) bool { return strings.EqualFold(host, allowed) })
}

// fromElsewhere tells whether another site's page asks. Programs that are no
// browser send neither header.
func fromElsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
		origin := r.Header.Get("Origin")
		from, err := url.Parse(origin)
		return origin != "" && (err != nil || from.Host != r.Host)
	default:
		return true
	}
}

func (c *console) isFile(urlPath string) bool {
	name := strings.TrimPrefix(urlPath, "/")
	if name == indexFile || strings.HasPrefix(path.Base(name), ".") {
		return false
	}
	info, err := fs.Stat(c.dist, name)
	return err == nil && info.Mode().IsRegular()
}

const (
	indexFile = "index.html"
	noNonce   = `name="csp-nonce" content=""`
)

func hasPage(dist fs.FS) bool {
	_, err := fs.Stat(dist, indexFile)
	return err == nil
}

func (c *console) servePage(w http.ResponseWriter, nonce string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	page, err := fs.ReadFile(c.dist, indexFile)
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(notBuilt))
		return
	}
	_, _ = w.Write(bytes.Replace(page, []byte(noNonce), []byte(`name="csp-nonce" content="`+nonce+`"`), 1))
}

const notBuilt = `<!doctype html>
<html lang="en">
<title>Throughline</title>
<h1>The page is not built</h1>
<p>This binary was built without the console's page, which takes Node.js 20.19 or later with npm.</p>
<p>Install them from <a href="https://nodejs.org">nodejs.org</a> or your distribution, and run <code>make up</code> again.</p>
<p>Everything else runs all the same: <code>make status</code> shows where.</p>
</html>
`

// refuse answers with what is wrong and what to do.
func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func withAddress(all map[string]string) map[string]string {
	some := map[string]string{}
	for name, address := range all {
		if address != "" {
			some[name] = address
		}
	}
	return some
}
