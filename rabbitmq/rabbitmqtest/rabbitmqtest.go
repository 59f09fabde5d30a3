// Package rabbitmqtest gives the tests of a package a real RabbitMQ node.
package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
)

// Broker is a private node that lives as long as the tests of one package:
//
//	var broker rabbitmqtest.Broker
//
//	func TestMain(m *testing.M) { os.Exit(broker.Run(m)) }
type Broker struct {
	stack *stack.Stack
}

// URL is the AMQP address of the running node.
func (b *Broker) URL() string { return b.stack.Endpoints().RabbitMQ }

// Run starts the node, runs the tests and stops the node. It returns the exit
// status for os.Exit.
func (b *Broker) Run(m *testing.M) int {
	ctx := context.Background()
	s, err := stacktest.New(&stacktest.Environment{})
	if err == nil {
		defer os.RemoveAll(s.RunDir())
		b.stack = s
		err = s.Start(ctx, "rabbitmq")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ for the tests:", err)
		return 1
	}
	status := m.Run()
	if err := s.Stop(ctx, "rabbitmq"); err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ for the tests:", err)
		return 1
	}
	return status
}
