// Package rabbitmqtest gives the tests of a package a real RabbitMQ node.
package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"throughline/internal/stack/stacktest"
)

// URLVariable is the environment variable with the AMQP address of a broker that
// the tests shall use instead of a node of their own.
const URLVariable = "TEST_RABBITMQ_URL"

// Broker is a private node that lives as long as the tests of one package:
//
//	var broker rabbitmqtest.Broker
//
//	func TestMain(m *testing.M) { os.Exit(broker.Run(m)) }
type Broker struct {
	start sync.Once
	url   string
	stop  func() error // nil for a broker that is not ours
}

// URL is the AMQP address of the running node. The first call starts it, so that
// tests that need no broker, fuzz workers above all, do not wait for one.
func (b *Broker) URL() string {
	b.start.Do(func() {
		if b.url = os.Getenv(URLVariable); b.url != "" {
			return
		}
		var err error
		if b.url, b.stop, err = Start(context.Background()); err != nil {
			panic(fmt.Sprintf("RabbitMQ for the tests: %v", err))
		}
	})
	return b.url
}

// Run runs the tests and stops the node. It returns the exit status for os.Exit.
func (b *Broker) Run(m *testing.M) int {
	status := m.Run()
	if b.stop == nil {
		return status
	}
	if err := b.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "RabbitMQ for the tests:", err)
		return 1
	}
	return status
}

// Start starts a node, which runs until stop is called. When ctx ends before the
// node is up, nothing of it is left.
func Start(ctx context.Context) (url string, stop func() error, err error) {
	s, err := stacktest.New(&stacktest.Environment{})
	if err != nil {
		return "", nil, err
	}
	if err := s.Start(ctx, "rabbitmq"); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(s.RunDir()))
	}
	return s.Endpoints().RabbitMQ, func() error {
		return errors.Join(s.Stop(context.Background(), "rabbitmq"), os.RemoveAll(s.RunDir()))
	}, nil
}
