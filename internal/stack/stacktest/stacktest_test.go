package stacktest

import (
	"fmt"
	"os"
	"testing"

	"github.com/shirou/gopsutil/v4/net"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// So many that the same port is drawn more than once.
func TestPortsDifferAndAreLeftFree(t *testing.T) {
	e := &Environment{}
	seen := map[string]bool{}
	for i := range 2000 {
		port := e.Getenv(fmt.Sprintf("TEST_%d_PORT", i))
		assert.False(t, seen[port], "port %s", port)
		seen[port] = true
	}
	sockets, err := net.ConnectionsPid("tcp", int32(os.Getpid()))
	require.NoError(t, err)
	for _, socket := range sockets {
		assert.NotEqual(t, "LISTEN", socket.Status, "this process still holds port %d", socket.Laddr.Port)
	}
}
