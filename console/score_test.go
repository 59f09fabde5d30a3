package console

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatTheScoreIsNotAsked(t *testing.T) {
	config, seen := backends(t)
	h := serving(t, page, config)
	for _, c := range []struct {
		query, from string
		status      int
		says        string
	}{
		{"?last=soon", "same-origin", http.StatusBadRequest, `last="soon" is no time to look back`},
		{"?last=-1m", "same-origin", http.StatusBadRequest, "such as 15m"},
		{"?last=73h", "same-origin", http.StatusBadRequest, "up to 72h0m0s"},
		{"?last=1h", "cross-site", http.StatusForbidden, "only the console's own page"},
		{"", "same-origin", http.StatusBadGateway, "Tempo"}, // which answers no JSON
	} {
		assert.Empty(t, *seen)
		response := fetch(t, h, scorePath+c.query, "Sec-Fetch-Site", c.from)
		assert.Equal(t, c.status, response.StatusCode)
		assert.Contains(t, complaint(t, response), c.says)
	}
}
