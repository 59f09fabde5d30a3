package backend

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// answering serves the body and keeps what it was asked.
func answering(t *testing.T, body string) (address string, asked func() *url.URL) {
	t.Helper()
	var last *url.URL
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r.URL
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return server.URL, func() *url.URL { return last }
}

var window = Window{Start: time.Unix(1_700_000_000, 0), End: time.Unix(1_700_000_060, 500_000_000)}

func TestPrometheusQueryRange(t *testing.T) {
	address, asked := answering(t, `{"status":"success","data":{"resultType":"matrix","result":[
		{"metric":{"service_name":"login-api"},"values":[[1700000000.5,"2.5"],[1700000010,"NaN"]]}]}}`)
	series, err := NewPrometheus(address).QueryRange(t.Context(), "up", window, 10*time.Second)
	require.NoError(t, err)
	require.Equal(t, "/api/v1/query_range", asked().Path)
	require.Equal(t, url.Values{
		"query": {"up"}, "start": {"1700000000.000"}, "end": {"1700000060.500"}, "step": {"10"},
	}, asked().Query())
	require.Len(t, series, 1)
	require.Equal(t, map[string]string{"service_name": "login-api"}, series[0].Labels)
	require.Equal(t, Point{Time: time.UnixMilli(1_700_000_000_500), Value: 2.5}, series[0].Points[0])
	require.True(t, math.IsNaN(series[0].Points[1].Value))
}

func TestPrometheusQuery(t *testing.T) {
	address, asked := answering(t, `{"data":{"resultType":"vector","result":[{"metric":{"client":"login-api"},"value":[1700000060.5,"3"]}]}}`)
	series, err := NewPrometheus(address).Query(t.Context(), "up", window.End)
	require.NoError(t, err)
	require.Equal(t, url.Values{"query": {"up"}, "time": {"1700000060.500"}}, asked().Query())
	require.Equal(t, []Series{{
		Labels: map[string]string{"client": "login-api"}, Points: []Point{{Time: time.UnixMilli(1_700_000_060_500), Value: 3}},
	}}, series)
}

func TestPrometheusExemplars(t *testing.T) {
	address, asked := answering(t, `{"data":[{"seriesLabels":{"le":"0.1"},"exemplars":[
		{"labels":{"trace_id":"`+traceID+`"},"value":"0.05","timestamp":1700000001.25}]}]}`)
	exemplars, err := NewPrometheus(address).Exemplars(t.Context(), "up", window)
	require.NoError(t, err)
	require.Equal(t, "/api/v1/query_exemplars", asked().Path)
	require.Equal(t, []Exemplar{{
		Series: map[string]string{"le": "0.1"}, Labels: map[string]string{"trace_id": traceID},
		Value: 0.05, Time: time.UnixMilli(1_700_000_001_250),
	}}, exemplars)
}

func TestPrometheusLabelValues(t *testing.T) {
	address, asked := answering(t, `{"data":["audit-mq","login-api"]}`)
	values, err := NewPrometheus(address).LabelValues(t.Context(), "service_name", "up", window)
	require.NoError(t, err)
	require.Equal(t, []string{"audit-mq", "login-api"}, values)
	require.Equal(t, "/api/v1/label/service_name/values", asked().Path)
	require.Equal(t, "up", asked().Query().Get("match[]"))
}

func TestLokiLines(t *testing.T) {
	address, asked := answering(t, `{"data":{"resultType":"streams","result":[
		{"stream":{"service_name":"audit-mq"},"values":[["1700000002000000001","second"],["1700000001000000000","first"]]},
		{"stream":{"service_name":"login-api","trace_id":"`+traceID+`"},"values":[["1700000003000000000","third"]]}]}}`)
	lines, err := NewLoki(address).Lines(t.Context(), `{service_name=~".+"}`, window, 5)
	require.NoError(t, err)
	require.Equal(t, "/loki/api/v1/query_range", asked().Path)
	require.Equal(t, "1700000060500000000", asked().Query().Get("end"))
	require.Equal(t, "5", asked().Query().Get("limit"))
	var texts []string
	for _, line := range lines {
		texts = append(texts, line.Text)
	}
	require.Equal(t, []string{"third", "second", "first"}, texts, "newest first, whatever the stream")
	require.Equal(t, traceID, lines[0].Labels["trace_id"])
	require.Equal(t, 1, lines[1].Time.Nanosecond())
}

func TestLokiQueryRange(t *testing.T) {
	address, _ := answering(t, `{"data":{"resultType":"matrix","result":[{"metric":{},"values":[[1700000000,"4"]]}]}}`)
	series, err := NewLoki(address).QueryRange(t.Context(), `count_over_time({service_name=~".+"}[10s])`, window, time.Second)
	require.NoError(t, err)
	require.Equal(t, 4.0, series[0].Points[0].Value)
}

func TestSearchIn(t *testing.T) {
	address, asked := answering(t, `{"traces":[{"traceID":"af7651916cd43dd8448eb211c80319c"}]}`)
	ids, err := NewTempo(address).SearchIn(t.Context(), `{ status = error }`, window, 5)
	require.NoError(t, err)
	require.Equal(t, []string{traceID}, ids)
	require.Equal(t, url.Values{
		"q": {"{ status = error }"}, "start": {"1700000000"}, "end": {"1700000060"}, "limit": {"5"},
	}, asked().Query())
}

func TestQueryErrorsNameQueryAndAddress(t *testing.T) {
	const query = "up{"
	for name, address := range map[string]string{
		"refused":      serve(t, http.StatusBadRequest, []byte(`{"status":"error","error":"unexpected end of input"}`)),
		"garbage":      serve(t, http.StatusOK, []byte("<html>")),
		"another kind": serve(t, http.StatusOK, []byte(`{"data":{"resultType":"scalar","result":[1,"1"]}}`)),
	} {
		prometheus, loki := NewPrometheus(address), NewLoki(address)
		_, rangeErr := prometheus.QueryRange(t.Context(), query, window, time.Second)
		_, linesErr := loki.Lines(t.Context(), query, window, 1)
		for _, err := range []error{rangeErr, linesErr} {
			require.ErrorContains(t, err, query, name)
			require.ErrorContains(t, err, address, name)
		}
	}
}
