// Package sqlite opens a SQLite file through go-zero's sqlx, so that each
// statement of a request or a message is a span.
package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Open opens the database file at path, makes it and its folder when missing, for
// its owner alone, and sets it up, which must be idempotent. No statement of the
// set-up is a span: at a start there is no request that it would belong to, and a
// trace must not begin with a CLIENT span.
func Open(path string, setUp func(*sql.DB) error) (sqlx.SqlConn, error) {
	if path == "" {
		return nil, errors.New("the database file is not set: set DataSource in the configuration")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	// The files that SQLite makes beside it get the same mode.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = errors.Join(file.Chmod(0o600), file.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("make the database: %w", err)
	}
	nameInSpans(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	query := url.Values{"_pragma": {"busy_timeout(2000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	conn := sqlx.NewSqlConn("sqlite", "file:"+path+"?"+query.Encode(), sqlx.WithAcceptable(IsConstraint))
	db, err := conn.RawDB()
	if err == nil {
		err = setUp(db)
	}
	if err != nil {
		return nil, fmt.Errorf("set up %s: %w", path, err)
	}
	return conn, nil
}

// IsConstraint tells that a row was refused: the database is well, the row is not.
// It keeps go-zero's circuit breaker shut.
func IsConstraint(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT
}
