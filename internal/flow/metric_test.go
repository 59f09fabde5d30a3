package flow

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/backend"
)

// A service was restarted: the series of the instance before it, which has counted more,
// ends meanwhile.
func TestAMetricMovesThoughAnInstanceIsGone(t *testing.T) {
	since := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		before, now string
		moved       bool
	}{
		"the instance of now counts": {before: series("a", 900) + "," + series("b", 50), now: series("b", 51), moved: true},
		"the instance of now is new": {before: series("a", 900), now: series("b", 1), moved: true},
		"nothing was counted":        {before: series("a", 900) + "," + series("b", 50), now: series("b", 50)},
		"there is none":              {},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				at, err := strconv.ParseFloat(r.FormValue("time"), 64)
				assert.NoError(t, err)
				result := c.now
				if int64(at) == since.Unix() {
					result = c.before
				}
				_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[%s]}}`, result)
			}))
			t.Cleanup(server.Close)
			err := moves(t.Context(), backend.NewPrometheus(server.URL), "orders_total", since)
			if c.moved {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "the metric orders_total has not moved")
			}
		})
	}
}

func series(instance string, value int) string {
	return fmt.Sprintf(`{"metric":{"instance":%q},"value":[1700000000,"%d"]}`, instance, value)
}
