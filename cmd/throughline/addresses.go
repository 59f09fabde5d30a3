package main

import (
	"fmt"
	"os"

	"throughline/internal/stack"
	"throughline/internal/verify"
)

// target returns where the parts of the stack answer.
func target() (verify.Target, error) { return targetOf("native") }

func targetOf(name string) (verify.Target, error) {
	s, err := stackOf(name)
	if err != nil {
		return verify.Target{}, err
	}
	return verify.TargetOf(s), nil
}

// stackOf returns the stack whose parts run natively or under Docker Compose, which
// publishes each on the port of the same variable.
func stackOf(name string) (*stack.Stack, error) {
	getenv := os.Getenv
	switch name {
	case "native":
	case "compose":
		getenv = func(variable string) string {
			if variable == "RABBITMQ_URL" || variable == "RABBITMQ_NODES" { // Compose runs a broker of its own
				return ""
			}
			return os.Getenv(variable)
		}
	default:
		return nil, fmt.Errorf("--target %q: give native or compose", name)
	}
	return stack.New("", getenv)
}
