// Package sqlite opens a SQLite file through go-zero's sqlx, so that each
// statement is a span.
package sqlite

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Open opens the database file at path, makes it and its folder when missing,
// and applies schema, which must be idempotent.
func Open(path, schema string) (sqlx.SqlConn, error) {
	if path == "" {
		return nil, errors.New("the database file is not set: set DataSource in the configuration")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	query := url.Values{"_pragma": {"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	conn := sqlx.NewSqlConn("sqlite", "file:"+path+"?"+query.Encode(), sqlx.WithAcceptable(isConstraint))
	if _, err := conn.Exec(schema); err != nil {
		return nil, fmt.Errorf("apply the schema to %s: %w", path, err)
	}
	return conn, nil
}

// isConstraint keeps go-zero's circuit breaker shut when a row was refused: the
// database is well, the row is not.
func isConstraint(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}
