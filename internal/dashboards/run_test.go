package dashboards

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

const traceID = "0af7651916cd43dd8448eb211c80319c"

// fakeBackends answers at each path with the given body, and with 404 elsewhere.
func fakeBackends(t *testing.T, bodies map[string]string) Backends {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, found := bodies[r.URL.Path]
		if !found {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return Backends{
		Prometheus: backend.NewPrometheus(server.URL),
		Loki:       backend.NewLoki(server.URL),
		Tempo:      backend.NewTempo(server.URL),
		Jaeger:     backend.NewJaeger(server.URL),
	}
}

func TestRunCountsWhatThePanelWouldShow(t *testing.T) {
	b := fakeBackends(t, map[string]string{
		"/api/v1/query_range": `{"data":{"resultType":"matrix","result":[
			{"metric":{"a":"number"},"values":[[1,"NaN"],[2,"0"]]},{"metric":{"a":"nothing"},"values":[[1,"NaN"]]}]}}`,
		"/api/v1/query":                     `{"data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"]}]}}`,
		"/api/v1/label/service_name/values": `{"data":["login-api","user-rpc"]}`,
		"/loki/api/v1/query_range":          `{"data":{"resultType":"streams","result":[{"stream":{},"values":[["1","line"]]}]}}`,
		"/api/search":                       `{"traces":[{"traceID":"1"},{"traceID":"2"},{"traceID":"3"}]}`,
	})
	for query, want := range map[Query]int{
		{Kind: PromQL, Expr: "up"}: 1,
		{Kind: ServiceMap}:         1,
		{Kind: LabelValues, Expr: "label_values(up, service_name)"}: 2,
		{Kind: LogQL, Expr: "{}"}:                                   1,
		{Kind: TraceQL, Expr: "{}"}:                                 3,
	} {
		query.Window = time.Minute
		rows, err := b.Run(t.Context(), query)
		require.NoError(t, err)
		require.Equal(t, want, rows, query.Kind)
	}
}

func TestRunSaysWhichPanelFailed(t *testing.T) {
	b := fakeBackends(t, nil)
	for _, d := range load(t) {
		queries, err := d.Queries(map[string]string{"trace_id": traceID})
		require.NoError(t, err)
		for _, q := range queries {
			_, err := b.Run(t.Context(), q)
			require.ErrorIs(t, err, backend.ErrNotFound)
			require.True(t, strings.HasPrefix(err.Error(), q.String()), err)
		}
	}
}

func TestExemplars(t *testing.T) {
	b := fakeBackends(t, map[string]string{
		"/api/v1/query_exemplars": `{"data":[{"seriesLabels":{},"exemplars":[{"labels":{"trace_id":"` + traceID + `"},"value":"1","timestamp":1}]}]}`,
	})
	exemplars, err := b.Exemplars(t.Context(), Query{Expr: "up", Window: time.Minute})
	require.NoError(t, err)
	require.Equal(t, traceID, exemplars[0].Labels["trace_id"])
}
