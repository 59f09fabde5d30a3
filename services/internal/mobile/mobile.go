// Package mobile keeps mobile numbers out of logs and spans.
package mobile

import (
	"database/sql/driver"
	"errors"
	"regexp"
)

// Number is a mainland China mobile number of 11 digits. Printed, logged or
// traced it shows as 138****0001; only a database gets it whole.
type Number string

// ErrInvalid says what a valid number looks like, without repeating the input.
var ErrInvalid = errors.New("must be a mobile number: 11 digits that begin with 13 to 19")

var pattern = regexp.MustCompile(`^1[3-9][0-9]{9}$`)

// Parse checks a number.
func Parse(s string) (Number, error) {
	if !pattern.MatchString(s) {
		return "", ErrInvalid
	}
	return Number(s), nil
}

// String masks the four digits in the middle.
func (n Number) String() string {
	if len(n) != 11 {
		return "****"
	}
	return string(n[:3]) + "****" + string(n[7:])
}

// GoString masks %#v too.
func (n Number) GoString() string { return n.String() }

// MarshalText masks JSON and YAML.
func (n Number) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// Value implements driver.Valuer with the whole number. go-zero's sqlx prints
// the arguments of slow and failed statements, and prints this type by String.
func (n Number) Value() (driver.Value, error) { return string(n), nil }
