package main

import (
	"os"

	"throughline/internal/stack"
	"throughline/internal/verify"
)

// target returns where the parts of the stack answer.
func target() (verify.Target, error) {
	s, err := stack.New("", os.Getenv)
	if err != nil {
		return verify.Target{}, err
	}
	return verify.TargetOf(s), nil
}
