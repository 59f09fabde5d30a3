// Package model keeps the history of logins.
package model

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/stores/sqlx"

	"throughline/services/internal/sqlite"
)

const schema = `
CREATE TABLE IF NOT EXISTS logins (
	message_id TEXT PRIMARY KEY,
	user_id    INTEGER NOT NULL CHECK (user_id > 0),
	login_at   TEXT NOT NULL,
	stored_at  TEXT NOT NULL,
	trace_id   TEXT NOT NULL,
	attempt    INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS logins_user_id ON logins (user_id);
CREATE INDEX IF NOT EXISTS logins_trace_id ON logins (trace_id);
CREATE INDEX IF NOT EXISTS logins_stored_at ON logins (stored_at)`

// timeLayout is RFC 3339 with all nine digits, so that texts sort as times do.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// Login is a row of logins.
type Login struct {
	MessageID string `db:"message_id"`
	UserID    int64  `db:"user_id"`
	LoginAt   string `db:"login_at"`  // RFC 3339, UTC
	StoredAt  string `db:"stored_at"` // RFC 3339, UTC
	TraceID   string `db:"trace_id"`
	// Attempt counts the deliveries that it took, from 1.
	Attempt int `db:"attempt"`
}

// Filter selects logins; an empty field selects all.
type Filter struct {
	UserID  int64
	TraceID string
}

// LoginModel reads and writes logins.
type LoginModel struct {
	conn sqlx.SqlConn
}

// NewLoginModel opens the SQLite file at path.
func NewLoginModel(path string) (*LoginModel, error) {
	conn, err := sqlite.Open(path, func(db *sql.DB) error {
		_, err := db.Exec(schema)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &LoginModel{conn: conn}, nil
}

// Unavailable is the error of a database that does not take any row at the moment:
// it is locked, its disk is full, or go-zero's circuit breaker is open. The same
// row may be stored later.
type Unavailable struct{ error }

func (e Unavailable) Unwrap() error { return e.error }

// Insert stores a login once: a message id that is there already changes nothing.
// A row that is refused for what it holds is an error other than [Unavailable].
func (m *LoginModel) Insert(ctx context.Context, l Login) error {
	_, err := m.conn.ExecCtx(ctx,
		"INSERT INTO logins (message_id, user_id, login_at, stored_at, trace_id, attempt) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (message_id) DO NOTHING",
		l.MessageID, l.UserID, l.LoginAt, time.Now().UTC().Format(timeLayout), l.TraceID, l.Attempt)
	switch {
	case err == nil:
		return nil
	case sqlite.IsConstraint(err):
		return fmt.Errorf("store the login: %w", err)
	default:
		return Unavailable{fmt.Errorf("store the login: %w", err)}
	}
}

// Prune deletes the logins that were stored before the time, and returns how many.
func (m *LoginModel) Prune(ctx context.Context, before time.Time) (int64, error) {
	result, err := m.conn.ExecCtx(ctx, "DELETE FROM logins WHERE stored_at < ?", before.UTC().Format(timeLayout))
	if err != nil {
		return 0, fmt.Errorf("delete old logins: %w", err)
	}
	return result.RowsAffected()
}

// Find returns how many logins match and the newest of them, at most limit, after
// leaving out offset.
func (m *LoginModel) Find(ctx context.Context, f Filter, limit, offset int) (total int64, logins []Login, err error) {
	where, args := f.where()
	if err := m.conn.QueryRowCtx(ctx, &total, "SELECT count(*) FROM logins"+where, args...); err != nil {
		return 0, nil, fmt.Errorf("count logins: %w", err)
	}
	err = m.conn.QueryRowsCtx(ctx, &logins,
		"SELECT message_id, user_id, login_at, stored_at, trace_id, attempt FROM logins"+where+" ORDER BY rowid DESC LIMIT ? OFFSET ?", append(args, limit, offset)...)
	if err != nil {
		return 0, nil, fmt.Errorf("read logins: %w", err)
	}
	return total, logins, nil
}

func (f Filter) where() (string, []any) {
	var conditions []string
	var args []any
	if f.UserID != 0 {
		conditions, args = append(conditions, "user_id = ?"), append(args, f.UserID)
	}
	if f.TraceID != "" {
		conditions, args = append(conditions, "trace_id = ?"), append(args, f.TraceID)
	}
	if len(conditions) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(conditions, " AND "), args
}
