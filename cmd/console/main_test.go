package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheEnvironmentIsRead(t *testing.T) {
	variables := map[string]string{
		"PROMETHEUS_URL": "http://prometheus:9090", "BIND_HOST": "0.0.0.0", "CONSOLE_PORT": "3301",
		"CONSOLE_LINKS":         "jaeger=http://127.0.0.1:16686 tempo=http://127.0.0.1:3200",
		"CONSOLE_ALLOWED_HOSTS": "one.example, two.example",
	}
	config, address, err := configOf(func(name string) string { return variables[name] })
	require.NoError(t, err)
	assert.Equal(t, "0.0.0.0:3301", address)
	assert.Equal(t, "http://prometheus:9090", config.Prometheus)
	assert.Equal(t, map[string]string{"jaeger": "http://127.0.0.1:16686", "tempo": "http://127.0.0.1:3200"}, config.Links)
	assert.Equal(t, []string{"one.example", "two.example"}, config.AllowedHosts)

	variables = map[string]string{"BIND_HOST": "192.0.2.7"}
	config, address, err = configOf(func(name string) string { return variables[name] })
	require.NoError(t, err)
	assert.Equal(t, "192.0.2.7:3300", address)
	assert.Equal(t, []string{"192.0.2.7"}, config.AllowedHosts)
}

func TestALinkThatIsNoneIsNamed(t *testing.T) {
	for _, word := range []string{"jaeger", "=http://127.0.0.1:1", "jaeger=127.0.0.1:16686", "jaeger=javascript:alert(1)"} {
		_, _, err := configOf(func(name string) string {
			if name == "CONSOLE_LINKS" {
				return "tempo=http://127.0.0.1:3200 " + word
			}
			return ""
		})
		require.ErrorContains(t, err, `CONSOLE_LINKS: "`+word+`": give name=http://host:port`)
	}
}

func TestFaultsTakeAWordAndACommand(t *testing.T) {
	for _, one := range []struct{ faults, command, complaint string }{
		{"", "/bin/throughline", ""},
		{"allow", "/bin/throughline", ""},
		{"allow", "", "CONSOLE_FAULT_COMMAND"},
		{"yes", "/bin/throughline", "CONSOLE_FAULTS=yes: give allow"},
	} {
		config, _, err := configOf(func(name string) string {
			return map[string]string{"CONSOLE_FAULTS": one.faults, "CONSOLE_FAULT_COMMAND": one.command}[name]
		})
		if one.complaint != "" {
			assert.ErrorContains(t, err, one.complaint)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, one.faults == "allow", config.Faults != nil)
	}
}
