package model

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

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

// A database that takes no row is told apart from a row that it does not take.
func TestInsertIntoALockedDatabaseIsUnavailable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.db")
	m, err := NewLoginModel(path)
	require.NoError(t, err)
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	lock, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = lock.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	require.NoError(t, err)
	require.ErrorAs(t, m.Insert(t.Context(), Login{MessageID: "m", UserID: 1}), new(Unavailable))
	_, err = lock.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)

	require.NoError(t, m.Insert(t.Context(), Login{MessageID: "m", UserID: 1}))
	refused := m.Insert(t.Context(), Login{MessageID: "n", UserID: 0})
	require.Error(t, refused)
	assert.False(t, errors.As(refused, new(Unavailable)))
}

func TestPruneDeletesWhatIsOld(t *testing.T) {
	m, err := NewLoginModel(filepath.Join(t.TempDir(), "audit.db"))
	require.NoError(t, err)
	require.NoError(t, m.Insert(t.Context(), Login{MessageID: "old", UserID: 1}))
	between := time.Now()
	require.NoError(t, m.Insert(t.Context(), Login{MessageID: "new", UserID: 1}))
	n, err := m.Prune(t.Context(), between)
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)
	_, logins, err := m.Find(t.Context(), Filter{}, 10, 0)
	require.NoError(t, err)
	require.Len(t, logins, 1)
	assert.Equal(t, "new", logins[0].MessageID)
}

// "…00Z" is before "…00.6Z", though not as text without all digits.
func TestStoredAtSortsWithinASecond(t *testing.T) {
	second := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	earlier, later := second.Format(timeLayout), second.Add(600*time.Millisecond).Format(timeLayout)
	assert.Less(t, earlier, later)
	_, err := time.Parse(time.RFC3339, later)
	assert.NoError(t, err, "it is RFC 3339 still")
}

func TestNewestLoginIsFirst(t *testing.T) {
	m, err := NewLoginModel(filepath.Join(t.TempDir(), "audit.db"))
	require.NoError(t, err)
	for _, id := range []string{"a", "b", "c"} {
		require.NoError(t, m.Insert(t.Context(), Login{MessageID: id, UserID: 1}))
	}
	_, logins, err := m.Find(t.Context(), Filter{}, 2, 0)
	require.NoError(t, err)
	require.Len(t, logins, 2)
	assert.Equal(t, []string{"c", "b"}, []string{logins[0].MessageID, logins[1].MessageID})
}
