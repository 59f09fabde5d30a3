package console

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatTheDoctorIsNotAsked(t *testing.T) {
	config, seen := backends(t)
	h := serving(t, page, config)
	for _, c := range []struct {
		path, from string
		status     int
		says       string
	}{
		{"12", "same-origin", http.StatusBadRequest, `"12" is not a trace id`},
		{id, "cross-site", http.StatusForbidden, "only the console's own page"},
		{id, "same-origin", http.StatusBadGateway, "Jaeger"}, // which answers no JSON
	} {
		assert.Empty(t, *seen)
		response := fetch(t, h, doctorPath+c.path, "Sec-Fetch-Site", c.from)
		assert.Equal(t, c.status, response.StatusCode)
		assert.Contains(t, complaint(t, response), c.says)
	}
}
