package backend

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheTenantIsThatOfTheEnvironment(t *testing.T) {
	var named []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { named = r.Header.Values(TenantHeader) }))
	t.Cleanup(server.Close)
	for tenant, want := range map[string][]string{"": nil, "team-a": {"team-a"}} {
		t.Setenv("TENANT", tenant)
		_, err := newEndpoint("Tempo", server.URL).get(t.Context(), "/", "")
		require.NoError(t, err)
		assert.Equal(t, want, named)
	}
}

func TestAStoreThatAsksForATenant(t *testing.T) {
	t.Setenv("TENANT", "")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no org id", http.StatusUnauthorized) }))
	t.Cleanup(server.Close)
	_, err := newEndpoint("Tempo", server.URL).get(t.Context(), "/", "")
	assert.ErrorContains(t, err, "set TENANT")
}
