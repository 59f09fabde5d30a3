package types

import (
	"net/http"
	"time"
)

// The codes of an Error.
const (
	codeInvalidArgument   = "invalid_argument"
	codeTooLarge          = "too_large"
	codeUnauthenticated   = "unauthenticated"
	codeResourceExhausted = "resource_exhausted"
	codeUnavailable       = "unavailable"
	codeInternal          = "internal"
)

// ErrorCodes lists every code that an Error may have.
var ErrorCodes = []string{codeInvalidArgument, codeTooLarge, codeUnauthenticated, codeResourceExhausted, codeUnavailable, codeInternal}

// Error is what a failed call answers with.
type Error struct {
	Status     int           `json:"-"`
	RetryAfter time.Duration `json:"-"` // 0 where that is not known
	Code       string        `json:"code"`
	Message    string        `json:"message"`
	// Field names the field that was wrong, if one was.
	Field   string `json:"field,omitempty"`
	TraceID string `json:"traceId,omitempty"`
}

func (e *Error) Error() string { return e.Message }

// InvalidField is 400: the field is missing or malformed.
func InvalidField(field, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: codeInvalidArgument, Field: field, Message: field + " " + message}
}

// InvalidBody is 400: the body as a whole is not what it should be.
func InvalidBody(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: codeInvalidArgument, Message: message}
}

// TooLarge is 413.
func TooLarge(message string) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Code: codeTooLarge, Message: message}
}

// BadCredentials is 401. It is the same for an unknown mobile number and for a
// wrong password, so that nobody can probe for numbers.
func BadCredentials() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: codeUnauthenticated, Message: "mobile or password is wrong"}
}

// BadToken is 401: the token is missing, expired, or not one of ours.
func BadToken() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: codeUnauthenticated, Message: "log in, and send the token as Authorization: Bearer <accessToken>"}
}

// TooMany is 429: there were too many, of what the message names.
func TooMany(message string, wait time.Duration) *Error {
	return &Error{Status: http.StatusTooManyRequests, RetryAfter: wait, Code: codeResourceExhausted, Message: message}
}

// Unavailable is 503: try again later.
func Unavailable(message string) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: message}
}

// Internal is 500.
func Internal() *Error {
	return &Error{Status: http.StatusInternalServerError, Code: codeInternal, Message: "the login failed on our side; the trace id leads to the reason"}
}
