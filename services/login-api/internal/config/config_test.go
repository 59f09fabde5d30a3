package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/services/internal/conf"
)

// go-zero reads a variable once in a process: no other test here can give another.
func TestAccessSecretIsTakenAsItIs(t *testing.T) {
	secret := "#" + strings.Repeat("s", minSecret) + " # no comment, $HOME"
	t.Setenv("LOGIN_API_ACCESS_SECRET", secret)
	var c Config
	require.NoError(t, conf.Load("../../etc/login-api.yaml", &c))
	assert.Equal(t, secret, c.Auth.AccessSecret)
}

func TestAccessSecretThatIsTooShortIsRefusedAndNotRepeated(t *testing.T) {
	for _, secret := range []string{"#short", "short", strings.Repeat("s", minSecret-1)} {
		var c Config
		c.Auth.AccessSecret = secret
		err := c.Validate()
		require.ErrorContains(t, err, "LOGIN_API_ACCESS_SECRET")
		assert.NotContains(t, err.Error(), secret)
	}
	assert.NoError(t, Config{}.Validate(), "a random one")
}
