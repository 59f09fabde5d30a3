package evaluate

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
	"throughline/internal/verify"
)

func filled(n int) written {
	w := written{began: time.Now()}
	for i := range n {
		w.ids = append(w.ids, fmt.Sprintf("%032x", i+1))
		w.messageIDs = append(w.messageIDs, fmt.Sprint("message ", i+1))
	}
	return w
}

func TestNoQueryIsAskedTwice(t *testing.T) {
	kinds := filled(50).kinds(20)
	require.Len(t, kinds, 4)
	for _, kind := range kinds {
		asked := map[string]bool{}
		for _, id := range kind.ids {
			asked[id] = true
		}
		for _, store := range []backend.TraceSearcher{backend.NewJaeger(""), backend.NewTempo("")} {
			for _, query := range kind.searches {
				asked[store.Name()+store.Phrase(query)+query.Window.Start.String()] = true
			}
		}
		require.Len(t, asked, len(kind.ids)+2*len(kind.searches), kind.name)
		require.NotEmpty(t, asked, kind.name)
	}
}

func TestMeasure(t *testing.T) {
	jaeger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("tags") {
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		_, _ = io.WriteString(w, `{"data":[{"traceID":"1"},{"traceID":"2"}]}`)
	}))
	t.Cleanup(jaeger.Close)
	tempo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"traces":[{"traceID":"1"}]}`)
	}))
	t.Cleanup(tempo.Close)
	l := newLab(verify.Target{JaegerURL: jaeger.URL, TempoURL: tempo.URL}, nil, plan{}, io.Discard)

	kinds := filled(4).kinds(4)
	both, err := l.measure(t.Context(), kinds[1])
	require.NoError(t, err)
	for i, found := range []float64{2, 1} {
		require.Equal(t, kinds[1].name, both[i].Kind)
		require.Equal(t, 4, both[i].Distribution.Count)
		require.Positive(t, both[i].Distribution.P50)
		require.Equal(t, found, both[i].Found)
		require.NotEmpty(t, both[i].Query)
	}
	require.Equal(t, "Jaeger", both[0].Store)
	require.Equal(t, "Tempo", both[1].Store)

	one, err := l.measure(t.Context(), kinds[2])
	require.NoError(t, err, "what one store cannot do is a finding")
	require.Contains(t, one[0].Note, "501")
	require.Zero(t, one[0].Distribution.Count)
	require.Equal(t, 4, one[1].Distribution.Count)
}
