package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"throughline/internal/demo"
	"throughline/internal/stack"
)

// authority signs certificates, and keeps them in files.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, dir, name string) authority {
	t.Helper()
	a := authority{dir: dir}
	a.cert, a.key = a.sign(t, name+"-ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	return a
}

// sign makes a certificate, signed by itself where the authority has none yet, in the
// files <name>.crt and <name>.key.
func (a authority) sign(t *testing.T, name string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	template.Subject, template.NotBefore = pkix.Name{CommonName: name}, time.Now().Add(-2*time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	a.write(t, name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	a.write(t, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert, key
}

// write replaces the file in one step, as whoever rotates certificates should.
func (a authority) write(t *testing.T, name string, content []byte) {
	t.Helper()
	path := filepath.Join(a.dir, name)
	require.NoError(t, os.WriteFile(path+".new", content, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

// isTrusted makes it the authority of the collector's clients.
func (a authority) isTrusted(t *testing.T) {
	t.Helper()
	a.write(t, "clients.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// issue signs a certificate for 127.0.0.1, of a server or a client.
func (a authority) issue(t *testing.T, name string, until time.Time) {
	t.Helper()
	a.sign(t, name, &x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// trusting is a client that trusts the authority, with the certificate of that name, if any.
func (a authority) trusting(t *testing.T, certificate string) *tls.Config {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(a.dir, certificate+".crt"), filepath.Join(a.dir, certificate+".key"))
		require.NoError(t, err)
		// Whatever the server asks for: a program may send any certificate that it has.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

// dial is a client of the collector with the certificate of that name.
func (a authority) dial(t *testing.T, endpoint, certificate string) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(credentials.NewTLS(a.trusting(t, certificate))))
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, connection.Close()) })
	return connection
}

// requireStrangersRefused posts to the URL without a certificate, and with one of another authority.
func (a authority) requireStrangersRefused(t *testing.T, url string) {
	t.Helper()
	for _, certificate := range []string{"", "stranger"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: a.trusting(t, certificate)}}
		_, err := client.Post(url, "application/json", strings.NewReader("{}"))
		require.ErrorContains(t, err, "remote error: tls:", "with certificate %q", certificate)
	}
}

// sendByTLS sends a span of that name by OTLP over gRPC.
func sendByTLS(t *testing.T, endpoint, name string, config *tls.Config) error {
	t.Helper()
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	require.NoError(t, err)
	defer connection.Close()
	traces := ptrace.NewTraces()
	addSpan(traces, "mutual-tls").SetName(name)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err = ptraceotlp.NewGRPCClient(connection).Export(ctx, ptraceotlp.NewExportRequestFromTraces(traces))
	return err
}

// spanNames are the names of all spans that they were sent.
func (f *fakeStores) spanNames() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, traces := range f.traces {
		for _, resource := range traces.ResourceSpans().All() {
			for _, scope := range resource.ScopeSpans().All() {
				for _, span := range scope.Spans().All() {
					all = append(all, span.Name())
				}
			}
		}
	}
	return all
}

// endpoints make a collector send to these stores.
func (f *fakeStores) endpoints(env ...string) []string {
	return append(env, "JAEGER_OTLP_ENDPOINT="+f.address()+"/jaeger", "TEMPO_OTLP_ENDPOINT="+f.address(),
		"LOKI_OTLP_ENDPOINT="+f.address(), "PROMETHEUS_OTLP_ENDPOINT="+f.address())
}

// collectorByTLS runs a collector that has the authority's certificate "collector".
func (a authority) collectorByTLS(t *testing.T, s *stack.Stack, name string, configs []string, env ...string) *stack.Collector {
	t.Helper()
	c, err := s.RunCollector(t.Context(), name, configs, append(env,
		"COLLECTOR_TLS_CERT="+filepath.Join(a.dir, "collector.crt"), "COLLECTOR_TLS_KEY="+filepath.Join(a.dir, "collector.key"),
		"COLLECTOR_TLS_CLIENT_CA="+filepath.Join(a.dir, "clients.crt"), "COLLECTOR_TLS_RELOAD_INTERVAL=100ms")...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Stop(context.WithoutCancel(t.Context()))) })
	return c
}

// authorityWith is our authority, which the clients' certificates must be of. There are,
// in its directory, those of its servers, the client's "service", and "stranger" of
// another authority.
func authorityWith(t *testing.T, servers ...string) authority {
	t.Helper()
	dir := t.TempDir()
	ours, others := newAuthority(t, dir, "ours"), newAuthority(t, dir, "others")
	hour := time.Now().Add(time.Hour)
	for _, name := range append(servers, "service") {
		ours.issue(t, name, hour)
	}
	others.issue(t, "stranger", hour)
	ours.isTrusted(t)
	return ours
}

func TestOTLPByMutualTLS(t *testing.T) {
	ours := authorityWith(t, "collector")
	dir, hour := ours.dir, time.Now().Add(time.Hour)
	ours.issue(t, "expired", time.Now().Add(-time.Minute))

	stores := newFakeStores(t)
	c := ours.collectorByTLS(t, running, "mutual-tls", []string{"otel-collector/config.yaml", "otel-collector/mutual-tls.yaml"}, stores.endpoints()...)
	send := func(name string, config *tls.Config) error { return sendByTLS(t, c.OTLPGRPC, name, config) }
	names := stores.spanNames
	for _, endpoint := range []string{c.OTLPGRPC, c.OTLPHTTP, c.Zipkin} {
		answer, err := http.Post("http://"+endpoint+"/v1/traces", "application/json", strings.NewReader("{}"))
		if err == nil { // an HTTP server answers that it speaks TLS
			assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
			require.NoError(t, answer.Body.Close())
		}
		for _, certificate := range []string{"", "expired", "stranger"} {
			connection, err := tls.Dial("tcp", endpoint, ours.trusting(t, certificate))
			if err == nil { // by TLS 1.3 the refusal comes after the handshake
				_, err = connection.Read(make([]byte, 1))
			}
			assert.ErrorContains(t, err, "remote error: tls:", "%s with certificate %q", endpoint, certificate)
		}
	}
	for _, certificate := range []string{"", "expired", "stranger"} {
		assert.Error(t, send("refused", ours.trusting(t, certificate)), certificate)
	}
	require.NoError(t, send("accepted", ours.trusting(t, "service")))
	require.Eventually(t, func() bool { return slices.Contains(names(), "accepted") }, 30*time.Second, 50*time.Millisecond)

	requireLoginsWorkWithin(t, 30*time.Second)
	service := runExtra(t, "login-api", "OTEL_SDK_DISABLED=false", "OTEL_EXPORTER_OTLP_ENDPOINT=https://"+c.OTLPGRPC, "OTEL_BSP_SCHEDULE_DELAY=100",
		"OTEL_EXPORTER_OTLP_CERTIFICATE="+filepath.Join(dir, "ours-ca.crt"), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="+filepath.Join(dir, "service.crt"),
		"OTEL_EXPORTER_OTLP_CLIENT_KEY="+filepath.Join(dir, "service.key"),
		"RABBITMQ_URL="+running.Endpoints().RabbitMQ, "USER_RPC_TARGET="+running.Endpoints().UserRPC)
	requireReady(t, service.address)
	_, err := demo.LogIn(t.Context(), service.address, demo.Users[0])
	require.NoError(t, err)
	require.Eventually(t, func() bool { return slices.Contains(names(), "POST /v1/login") }, 30*time.Second, 50*time.Millisecond)

	// A rotation: another authority for both sides, and no restart.
	next := newAuthority(t, dir, "next")
	next.issue(t, "next-service", hour)
	next.issue(t, "collector", hour)
	next.isTrusted(t)
	require.Eventually(t, func() bool { return send("rotated", next.trusting(t, "next-service")) == nil }, 30*time.Second, 100*time.Millisecond)
	assert.Error(t, send("refused", next.trusting(t, "service")), "of the authority before")
	require.Eventually(t, func() bool { return slices.Contains(names(), "rotated") }, 30*time.Second, 50*time.Millisecond)
	assert.NotContains(t, names(), "refused")
}

// Two tiers: what the first takes by TLS it sends on by TLS, and the second takes it
// from nobody without a certificate.
func TestTwoTiersByMutualTLS(t *testing.T) {
	ours := authorityWith(t, "collector")
	tiers := buildSampling(t)

	stores := newFakeStores(t)
	const base, noPipelines = "otel-collector/config.yaml", "yaml:service::pipelines: null"
	sampler := ours.collectorByTLS(t, tiers, "tls-sampler",
		[]string{base, noPipelines, "otel-collector/tail-sampling.yaml", "otel-collector/mutual-tls.yaml"},
		stores.endpoints("TAIL_SAMPLING_WAIT=1s", "TAIL_SAMPLING_PERCENT=100")...)
	first := ours.collectorByTLS(t, tiers, "tls-first-tier",
		[]string{base, noPipelines, "otel-collector/load-balancing.yaml", "otel-collector/mutual-tls.yaml", "otel-collector/mutual-tls-first-tier.yaml"},
		stores.endpoints("SAMPLER_1_OTLP_ENDPOINT="+sampler.OTLPGRPC, "SAMPLER_2_OTLP_ENDPOINT="+sampler.OTLPGRPC)...)

	for _, certificate := range []string{"", "stranger"} {
		assert.Error(t, sendByTLS(t, sampler.OTLPGRPC, "refused", ours.trusting(t, certificate)), certificate)
	}
	require.NoError(t, sendByTLS(t, first.OTLPGRPC, "through both", ours.trusting(t, "service")))
	require.Eventually(t, func() bool { return slices.Contains(stores.spanNames(), "through both") }, 30*time.Second, 50*time.Millisecond)
	assert.NotContains(t, stores.spanNames(), "refused")
}
