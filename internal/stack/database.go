package stack

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // audit-mq's database
)

// LockDatabase keeps audit-mq out of its database until the lock is given back. It
// waits up to 10 seconds for what is being written.
func (s *Stack) LockDatabase(ctx context.Context) (giveBack func(context.Context) error, err error) {
	path := filepath.Join(s.dataDir("audit-mq"), "audit.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, err
	}
	lock, err := db.Conn(ctx)
	if err == nil {
		_, err = lock.ExecContext(ctx, "BEGIN EXCLUSIVE")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), db.Close())
	}
	return func(ctx context.Context) error {
		_, err := lock.ExecContext(ctx, "ROLLBACK")
		return errors.Join(err, lock.Close(), db.Close())
	}, nil
}
