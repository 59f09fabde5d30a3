package evaluate

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAPartOverItsLimitIsNamed(t *testing.T) {
	parts, err := limitedParts("../..")
	require.NoError(t, err)
	require.Len(t, parts, 4)
	assert.NoError(t, overLimit(parts))
	assert.Equal(t, "login-api", parts[0].Part)
	assert.EqualValues(t, 160<<20, parts[0].LimitBytes, "mem_limit of docker-compose.yml")
	parts[0].PeakBytes = 161 << 20
	assert.ErrorContains(t, overLimit(parts), "login-api took 161MiB of memory; its limit under Docker Compose is 160MiB")
}
