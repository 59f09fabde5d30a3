package events

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecodeLoggedIn(t *testing.T) {
	login, err := DecodeLoggedIn([]byte(`{"userId": 7, "loginAt": "2026-01-02T03:04:05.6Z"}`))
	require.NoError(t, err)
	assert.Equal(t, LoggedIn{UserID: 7, LoginAt: time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)}, login)
}

func TestDecodeLoggedInRefusesHalfAMessage(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "[]", `{"userId": 7}`, `{"loginAt": "2026-01-02T03:04:05Z"}`, `{"userId": "7", "loginAt": "2026-01-02T03:04:05Z"}`, `{"userId": 7, "loginAt": "yesterday"}`} {
		_, err := DecodeLoggedIn([]byte(body))
		assert.ErrorContains(t, err, "decode user.logged_in", "%q", body)
	}
}

func TestRetryDelaysGrow(t *testing.T) {
	require.Len(t, RetryDelays, 5)
	for i, delay := range RetryDelays[1:] {
		assert.Greater(t, delay, RetryDelays[i])
	}
	assert.Equal(t, "user.events.audit.retry.500ms", RetryQueue(RetryDelays[0]))
}
