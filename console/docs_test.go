package console

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDocsAreShown(t *testing.T) {
	h := serving(t, page, Config{})
	response := fetch(t, h, "/docs/adopt.md")
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Equal(t, "text/html; charset=utf-8", response.Header.Get("Content-Type"))
	shown := text(t, response)
	assert.Regexp(t, `<title>.+ · Throughline</title>`, shown)
	assert.Contains(t, shown, `id="peers-that-drop-headers"`)
	assert.NotContains(t, shown, " style=", "the policy would refuse it")
	assert.NotContains(t, shown, `href="../`, "other files of the source tree are not here")
	assert.Contains(t, text(t, fetch(t, h, "/docs/security.md")), `href="decisions/0006-limits-on-logins.md"`)

	for _, path := range []string{"/docs/", "/docs/no.md", "/docs/../docs.go", "/docs/docs.go", "/docs/runbooks"} {
		response := fetch(t, h, path)
		assert.Equal(t, http.StatusNotFound, response.StatusCode, path)
		assert.Contains(t, complaint(t, response), "/docs/adopt.md", path)
	}
}
