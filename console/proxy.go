package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	stores "throughline/internal/backend"
)

const (
	backendTimeout  = 30 * time.Second
	maxRequestBody  = 1 << 20  // bytes
	maxResponseBody = 64 << 20 // bytes
)

// rule allows one path of a backend. What matches is what is sent: the path is
// matched after all decoding and encoded anew.
type rule struct {
	path    *regexp.Regexp
	methods []string
}

func allow(methods []string, paths string) rule {
	paths = strings.NewReplacer(
		"{name}", `[A-Za-z_][\w.:-]*`, // of a label or an attribute
		"{id}", `[0-9a-fA-F]{1,32}`,
	).Replace(paths)
	return rule{regexp.MustCompile(`^/(` + paths + `)$`), methods}
}

var (
	get       = []string{http.MethodGet}
	getOrPost = []string{http.MethodGet, http.MethodPost} // a query may be too long for a URL

	allowed = map[string][]rule{
		"prometheus": {
			allow(getOrPost, `api/v1/(query|query_range|query_exemplars|series|labels)`),
			allow(get, `api/v1/(label/{name}/values|metadata|rules|alerts)`),
		},
		"loki": {
			allow(getOrPost, `loki/api/v1/(query|query_range|series|labels)`),
			allow(get, `loki/api/v1/label/{name}/values`),
		},
		"tempo": {
			allow(get, `api/(v2/)?traces/{id}`),
			allow(get, `api/search(/tags|/tag/{name}/values)?`),
			allow(get, `api/v2/search/(tags|tag/{name}/values)`),
			allow(get, `api/metrics/query_range`),
		},
		"jaeger": {
			allow(get, `api/(traces|v3/(traces/{id}|services|operations))`),
		},
	}
)

// backend is where the requests for one of the allowed go.
type backend struct {
	title string // as a person knows it
	host  string
	rules []rule
	http.Handler
}

// proxy passes on what the rules allow: reading.
type proxy map[string]backend

func newProxy(config Config) (proxy, error) {
	p := proxy{}
	for title, address := range map[string]string{
		"Prometheus": config.Prometheus, "Loki": config.Loki, "Tempo": config.Tempo, "Jaeger": config.Jaeger,
	} {
		target, err := url.Parse(address)
		if err != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
			return nil, fmt.Errorf("address of %s: %q; give it as http://host:port", title, address)
		}
		name := strings.ToLower(title)
		p[name] = backend{title, target.Host, allowed[name], reverseProxy(title, target)}
	}
	return p, nil
}

// ServeHTTP answers /proxy/<backend>/<path>.
func (p proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, proxyPath), "/")
	path = "/" + path
	b, known := p[name]
	if !known {
		refuse(w, http.StatusForbidden, "there is no backend %q: use prometheus, loki, tempo or jaeger", name)
		return
	}
	i := slices.IndexFunc(b.rules, func(rule rule) bool { return rule.path.MatchString(path) })
	if i < 0 {
		refuse(w, http.StatusForbidden, "%s of %s is not allowed: the console passes on queries only; ask %s itself at %s", path, b.title, b.title, b.host)
		return
	}
	if methods := b.rules[i].methods; !slices.Contains(methods, r.Method) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		refuse(w, http.StatusMethodNotAllowed, "%s %s of %s is not allowed: use %s", r.Method, path, b.title, strings.Join(methods, " or "))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), backendTimeout)
	defer cancel()
	r = r.Clone(ctx)
	r.URL.Path, r.URL.RawPath = path, ""
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	b.ServeHTTP(w, r)
}

var (
	// Whatever else a browser sends could make a backend do more than answer, or
	// tell it who asks.
	requestHeaders  = []string{"Accept", "Content-Type"}
	responseHeaders = []string{"Content-Type", "Content-Length", "Retry-After"}
)

func reverseProxy(title string, target *url.URL) *httputil.ReverseProxy {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.DisableCompression = true // nothing is gained on this machine; for the browser it is compressed later
	transport.MaxResponseHeaderBytes = 64 << 10
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Header = only(r.Out.Header, requestHeaders)
			stores.NameTenant(r.Out.Header)
		},
		ModifyResponse: func(response *http.Response) error {
			if response.ContentLength > maxResponseBody {
				return errTooLarge
			}
			response.Header = only(response.Header, responseHeaders)
			response.Header.Set("Cache-Control", "no-store")
			response.Body = http.MaxBytesReader(nil, response.Body, maxResponseBody) // beyond it, the connection breaks off
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var tooLarge *http.MaxBytesError
			switch {
			case errors.As(err, &tooLarge):
				refuse(w, http.StatusRequestEntityTooLarge, "the query is larger than %d MiB: ask for less", maxRequestBody>>20)
			case errors.Is(err, errTooLarge):
				refuse(w, http.StatusBadGateway, "%s answers with more than %d MiB: ask for less, for example a shorter time range", title, maxResponseBody>>20)
			case errors.Is(err, context.DeadlineExceeded):
				refuse(w, http.StatusGatewayTimeout, "%s has not answered within %s: ask for less, for example a shorter time range", title, backendTimeout)
			case errors.Is(err, syscall.ECONNREFUSED):
				refuse(w, http.StatusBadGateway, "%s does not answer at %s: nothing listens there; make status shows what runs, make up starts it", title, target.Host)
			default:
				refuse(w, http.StatusBadGateway, "%s does not answer at %s: %v; make status shows what runs", title, target.Host, err)
			}
		},
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
}

var errTooLarge = errors.New("the answer is too large")

func only(all http.Header, names []string) http.Header {
	some := http.Header{}
	for _, name := range names {
		if values := all.Values(name); len(values) > 0 {
			some[name] = values
		}
	}
	return some
}
