package dashboards

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

func loadSources(t *testing.T) []Source {
	t.Helper()
	all, err := LoadSources(sourcesDir, func(name string) string { return "<" + name + ">" })
	require.NoError(t, err)
	return all
}

func source(t *testing.T, uid string) Source {
	t.Helper()
	for _, s := range loadSources(t) {
		if s.UID == uid {
			return s
		}
	}
	require.Fail(t, "no data source "+uid)
	return Source{}
}

func TestSourcesTakeTheirAddressFromTheEnvironment(t *testing.T) {
	for uid, variable := range map[string]string{
		"tempo": "TEMPO_URL", "jaeger": "JAEGER_URL", "loki": "LOKI_URL", "prometheus": "PROMETHEUS_URL",
	} {
		require.Equal(t, "<"+variable+">", source(t, uid).URL)
		require.Equal(t, uid, source(t, uid).Type)
	}
}

func TestEveryLinkLeadsToAProvisionedSource(t *testing.T) {
	uids := map[string]bool{}
	for _, s := range loadSources(t) {
		require.False(t, uids[s.UID], s.UID)
		uids[s.UID] = true
	}
	for _, uid := range []string{"tempo", "jaeger"} {
		links := source(t, uid).Links
		require.Equal(t, "loki", links.TracesToLogs.DatasourceUID, uid)
		require.True(t, links.TracesToLogs.CustomQuery, uid)
		require.Equal(t, "prometheus", links.TracesToMetrics.DatasourceUID, uid)
		require.NotEmpty(t, links.TracesToMetrics.Queries, uid)
	}
	require.Equal(t, "prometheus", source(t, "tempo").Links.ServiceMap.DatasourceUID)
	require.Equal(t, MinStep.String(), source(t, "prometheus").Links.TimeInterval)

	var fromLogs, fromExemplars []string
	for _, f := range source(t, "loki").Links.DerivedFields {
		require.Equal(t, "label", f.MatcherType)
		if f.DatasourceUID != "" {
			fromLogs = append(fromLogs, f.DatasourceUID)
		}
	}
	for _, d := range source(t, "prometheus").Links.ExemplarTraceIDDestinations {
		fromExemplars = append(fromExemplars, d.DatasourceUID)
	}
	require.Equal(t, []string{"tempo", "jaeger"}, fromLogs)
	require.Equal(t, []string{"tempo", "jaeger"}, fromExemplars)
}

func TestLinksOfASpan(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	span := backend.Span{
		TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", Name: "POST /v1/login",
		Start: start, End: start.Add(time.Second),
		Resource: backend.Attributes{"service.name": "login-api"},
	}
	logs := source(t, "tempo").Links.TracesToLogs
	require.Equal(t, `{service_name="login-api"} | trace_id="0af7651916cd43dd8448eb211c80319c"`, logs.LogQL(span))
	require.Equal(t, backend.Window{Start: start.Add(-time.Minute), End: start.Add(61 * time.Second)}, logs.Around(span))

	// Jaeger does not hand Grafana the name of the service as a tag.
	require.NotContains(t, source(t, "jaeger").Links.TracesToLogs.Query, "service.name")
	require.Equal(t, `{service_name=~".+"} | trace_id="0af7651916cd43dd8448eb211c80319c"`, source(t, "jaeger").Links.TracesToLogs.LogQL(span))

	for _, uid := range []string{"tempo", "jaeger"} {
		for name, query := range source(t, uid).Links.TracesToMetrics.PromQL(span) {
			require.NotEmpty(t, name)
			require.Contains(t, query, `span_name="POST /v1/login"`)
			require.NotContains(t, query, "$")
		}
	}
}

func TestLinksOfALogLine(t *testing.T) {
	line := backend.LogLine{Labels: map[string]string{"trace_id": "0af7651916cd43dd8448eb211c80319c"}}
	for _, f := range source(t, "loki").Links.DerivedFields {
		want := line.Labels["trace_id"]
		if f.DatasourceUID == "" {
			want = "/d/trace-and-logs?var-trace_id=" + want
		}
		require.Equal(t, want, f.Query(line))
		require.Empty(t, f.Query(backend.LogLine{}))
	}
}

func TestLoadSourcesSaysWhatIsWrong(t *testing.T) {
	_, err := LoadSources(t.TempDir(), nil)
	require.ErrorContains(t, err, "grafana/provisioning/datasources")
}
