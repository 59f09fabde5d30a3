package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/services/internal/conf"
)

const file = "../../etc/audit-mq.yaml"

func TestFaultsAreOffUnlessTheyAreAskedFor(t *testing.T) {
	var c Config
	require.NoError(t, conf.Load(file, &c))
	assert.Equal(t, Faults{}, c.Faults)

	t.Setenv("AUDIT_MQ_DELAY", "250ms")
	t.Setenv("AUDIT_MQ_FAILURE_RATIO", "0.5")
	c = Config{}
	require.NoError(t, conf.Load(file, &c))
	assert.Equal(t, Faults{Delay: 250 * time.Millisecond, FailureRatio: 0.5}, c.Faults)
}

func TestSettingsOutOfRangeAreRefused(t *testing.T) {
	for variable, values := range map[string][]string{
		"AUDIT_MQ_DELAY":         {"-1s", "3001ms"},
		"AUDIT_MQ_FAILURE_RATIO": {"-0.1", "1.1"},
		"AUDIT_RETENTION":        {"0s", "59m", "-1h"},
	} {
		for _, value := range values {
			t.Run(variable+"="+value, func(t *testing.T) {
				t.Setenv(variable, value)
				assert.ErrorContains(t, conf.Load(file, &Config{}), variable)
			})
		}
	}
}
