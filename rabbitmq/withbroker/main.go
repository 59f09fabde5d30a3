// Command withbroker starts a RabbitMQ node of its own, runs a command that finds its
// address in TEST_RABBITMQ_URL, and stops the node.
//
//	go run ./rabbitmq/withbroker go test -C otelamqp ./...
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"throughline/rabbitmq/rabbitmqtest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "withbroker: give it a command to run, such as: go test -C otelamqp ./...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "withbroker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, argv []string) error {
	url, stopBroker, err := rabbitmqtest.Start(ctx)
	if err != nil {
		return fmt.Errorf("RabbitMQ: %w", err)
	}
	command := exec.CommandContext(ctx, argv[0], argv[1:]...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 10 * time.Second
	command.Env = append(os.Environ(), rabbitmqtest.URLVariable+"="+url)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	return errors.Join(command.Run(), stopBroker())
}
