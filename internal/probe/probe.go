// Package probe tells whether a part is ready to work.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// Probe asks once and returns nil when the part is ready, else why it is not.
type Probe func(ctx context.Context) error

// Timeout bounds one question to a part that accepts but does not answer.
const Timeout = 2 * time.Second

var client = &http.Client{
	Timeout:   Timeout,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// HTTP gets the URL and expects 200.
func HTTP(url string) Probe {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(io.LimitReader(response.Body, 200))
			return fmt.Errorf("GET %s: %s: %s", url, response.Status, body)
		}
		return nil
	}
}

// GRPC asks the standard gRPC health service at the address, host:port.
func GRPC(address string) Probe {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, Timeout)
		defer cancel()
		conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return err
		}
		defer conn.Close()
		answer, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			return err
		}
		if answer.Status != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("gRPC health of %s: %s", address, answer.Status)
		}
		return nil
	}
}

// AMQP opens a connection to one of the addresses, which proves listener, credentials
// and virtual host.
func AMQP(addresses ...string) Probe {
	return func(ctx context.Context) error {
		dial := func(network, address string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: Timeout}
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn, conn.SetDeadline(time.Now().Add(Timeout))
		}
		var errs []error
		for _, address := range addresses {
			conn, err := amqp.DialConfig(address, amqp.Config{Dial: dial})
			if err == nil {
				return conn.Close()
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
}
