package stores

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A store that runs already keeps what was written: the questions after the step
// expect of it every trace that the writer has begun.
func TestAWriterThatIsStoppedSendsTheRestOfEachTrace(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer store.Close()
	l := newLedger()
	w, err := newWriter(newEstate(1), store.URL, l)
	require.NoError(t, err)
	defer w.close()

	_, err = w.pace(t.Context(), 5000, time.After(3*tick))
	require.NoError(t, err)
	begun := 0
	for _, spans := range l.services {
		begun += spans
	}
	require.Positive(t, begun)
	require.Equal(t, begun, l.spans)
}
