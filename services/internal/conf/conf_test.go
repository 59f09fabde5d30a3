package conf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	require.NoError(t, os.WriteFile(path, []byte("Host: ${CONF_TEST_HOST:-127.0.0.1}\nPort: ${CONF_TEST_PORT:-8080}\n"), 0o600))
	var c struct {
		Host string
		Port int
	}
	t.Setenv("CONF_TEST_PORT", "9090")
	require.NoError(t, Load(path, &c))
	assert.Equal(t, "127.0.0.1", c.Host)
	assert.Equal(t, 9090, c.Port)

	t.Setenv("CONF_TEST_PORT", "http")
	assert.ErrorContains(t, Load(path, &c), path)
	assert.ErrorContains(t, Load(path+".missing", &c), "-f")
}
