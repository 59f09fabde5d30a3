// Package model keeps the users.
package model

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/zeromicro/go-zero/core/stores/sqlx"
	"golang.org/x/crypto/bcrypt"

	"throughline/services/internal/mobile"
	"throughline/services/internal/sqlite"
)

const schema = `CREATE TABLE IF NOT EXISTS users (
	id            INTEGER PRIMARY KEY,
	name          TEXT NOT NULL,
	mobile        TEXT NOT NULL UNIQUE,
	password_hash TEXT NOT NULL
)`

// Demo users, made in an empty database: 13800000001 to 13800000010.
const (
	demoUsers    = 10
	demoPassword = "demo-password"
)

// ErrNotFound says that nobody has that mobile number.
var ErrNotFound = errors.New("user not found")

// User is a row of users.
type User struct {
	ID           int64  `db:"id"`
	Name         string `db:"name"`
	PasswordHash string `db:"password_hash"`
}

// UserModel reads users.
type UserModel struct {
	conn sqlx.SqlConn
}

// NewUserModel opens the SQLite file at path and fills an empty one with the
// demo users.
func NewUserModel(path string) (*UserModel, error) {
	conn, err := sqlite.Open(path, setUp)
	if err != nil {
		return nil, err
	}
	return &UserModel{conn: conn}, nil
}

// FindByMobile returns [ErrNotFound] when nobody has the number.
func (m *UserModel) FindByMobile(ctx context.Context, number mobile.Number) (*User, error) {
	var u User
	err := m.conn.QueryRowCtx(ctx, &u, "SELECT id, name, password_hash FROM users WHERE mobile = ?", number)
	if errors.Is(err, sqlx.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("find a user by mobile: %w", err)
	}
	return &u, nil
}

func setUp(db *sql.DB) error {
	if _, err := db.Exec(schema); err != nil {
		return err
	}
	var count int
	if err := db.QueryRow("SELECT count(*) FROM users").Scan(&count); err != nil {
		return fmt.Errorf("count the users: %w", err)
	}
	if count > 0 {
		return nil
	}
	// The cheapest hash will do for a password that is published, and keeps the
	// load tests about tracing rather than about bcrypt.
	hash, err := bcrypt.GenerateFromPassword([]byte(demoPassword), bcrypt.MinCost)
	if err != nil {
		return fmt.Errorf("hash the demo password: %w", err)
	}
	for i := 1; i <= demoUsers; i++ {
		number := mobile.Number(fmt.Sprintf("1380000%04d", i))
		if _, err := db.Exec("INSERT OR IGNORE INTO users (id, name, mobile, password_hash) VALUES (?, ?, ?, ?)",
			i, fmt.Sprintf("demo user %d", i), number, string(hash)); err != nil {
			return fmt.Errorf("add demo user %d: %w", i, err)
		}
	}
	return nil
}
