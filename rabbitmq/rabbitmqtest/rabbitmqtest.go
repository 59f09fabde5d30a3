// Package rabbitmqtest gives the tests of a package a real RabbitMQ node.
package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"sync"
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
	start sync.Once
	stack *stack.Stack
}

// URL is the AMQP address of the running node. The first call starts it, so that
// tests that need no broker, fuzz workers above all, do not wait for one.
func (b *Broker) URL() string {
	b.start.Do(func() {
		s, err := stacktest.New(&stacktest.Environment{})
		if err == nil {
			b.stack = s
			err = s.Start(context.Background(), "rabbitmq")
		}
		if err != nil {
			panic(fmt.Sprintf("RabbitMQ for the tests: %v", err))
		}
	})
	return b.stack.Endpoints().RabbitMQ
}

// Run runs the tests and stops the node. It returns the exit status for os.Exit.
func (b *Broker) Run(m *testing.M) int {
	status := m.Run()
	if b.stack == nil {
		return status
	}
	defer os.RemoveAll(b.stack.RunDir())
	if err := b.stack.Stop(context.Background(), "rabbitmq"); err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ for the tests:", err)
		return 1
	}
	return status
}
