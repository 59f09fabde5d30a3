package main

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Inside, Compose and Kubernetes have the same ports.
func TestForwardedPortsAreThoseThatComposePublishes(t *testing.T) {
	compose, err := os.ReadFile("../../docker-compose.yml")
	require.NoError(t, err)
	published := map[string]string{}
	for _, match := range regexp.MustCompile(`\$\{(\w+_PORT):-\d+\}:(\d+)"`).FindAllStringSubmatch(string(compose), -1) {
		published[match[1]] = match[2]
	}
	for variable, port := range forwarded {
		assert.Equal(t, published[variable], fmt.Sprint(port.Number), variable)
	}
}
