package main

import (
	"fmt"
	"os"

	"throughline/internal/stack"
	"throughline/internal/verify"
)

// target returns where the parts of the stack answer.
func target() (verify.Target, error) { return targetOf("native") }

// targetOf returns where the parts answer that run natively or under Docker
// Compose. Compose publishes each on the port of the same variable.
func targetOf(name string) (verify.Target, error) {
	getenv := os.Getenv
	switch name {
	case "native":
	case "compose":
		getenv = func(variable string) string {
			if variable == "RABBITMQ_URL" { // Compose runs a broker of its own
				return ""
			}
			return os.Getenv(variable)
		}
	default:
		return verify.Target{}, fmt.Errorf("--target %q: give native or compose", name)
	}
	s, err := stack.New("", getenv)
	if err != nil {
		return verify.Target{}, err
	}
	return verify.TargetOf(s), nil
}
