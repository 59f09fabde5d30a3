package model

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestInsertStoresAMessageOnce(t *testing.T) {
	m, err := NewLoginModel(filepath.Join(t.TempDir(), "new", "audit.db"))
	require.NoError(t, err)
	login := Login{MessageID: "m1", UserID: 1, LoginAt: "2026-01-01T00:00:00Z", TraceID: "t1", Attempt: 1}
	require.NoError(t, m.Insert(t.Context(), login))
	login.Attempt = 2
	require.NoError(t, m.Insert(t.Context(), login))
	require.NoError(t, m.Insert(t.Context(), Login{MessageID: "m2", UserID: 2, TraceID: "t2", Attempt: 1}))

	total, logins, err := m.Find(t.Context(), Filter{UserID: 1}, 10, 0)
	require.NoError(t, err)
	assert.EqualValues(t, 1, total)
	require.Len(t, logins, 1)
	assert.Equal(t, 1, logins[0].Attempt)

	total, logins, err = m.Find(t.Context(), Filter{}, 1, 0)
	require.NoError(t, err)
	assert.EqualValues(t, 2, total)
	assert.Len(t, logins, 1, "the limit holds")

	total, _, err = m.Find(t.Context(), Filter{UserID: 1, TraceID: "t2"}, 10, 0)
	require.NoError(t, err)
	assert.Zero(t, total)
}

func TestInsertRefusesAUserThatCannotBe(t *testing.T) {
	m, err := NewLoginModel(filepath.Join(t.TempDir(), "audit.db"))
	require.NoError(t, err)
	// Many of these must not open go-zero's circuit breaker for good rows.
	for range 50 {
		assert.ErrorContains(t, m.Insert(t.Context(), Login{MessageID: "m", UserID: 0}), "CHECK constraint failed")
	}
	assert.NoError(t, m.Insert(t.Context(), Login{MessageID: "m", UserID: 1}))
}
