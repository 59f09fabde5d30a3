package stack

import (
	"context"
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

// probe tells whether a part is ready; the error says why not.
type probe func(ctx context.Context) error

// probeTimeout bounds one question to a part that accepts but does not answer.
const probeTimeout = 2 * time.Second

var probeClient = &http.Client{
	Timeout:   probeTimeout,
	Transport: &http.Transport{DisableKeepAlives: true},
}

func httpProbe(url string) probe {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := probeClient.Do(request)
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

// grpcProbe asks the standard gRPC health service.
func grpcProbe(address string) probe {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
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

// amqpProbe opens a connection, which proves listener, credentials and virtual host.
func amqpProbe(url string) probe {
	return func(ctx context.Context) error {
		conn, err := amqp.DialConfig(url, amqp.Config{
			Dial: func(network, address string) (net.Conn, error) {
				dialer := net.Dialer{Timeout: probeTimeout}
				conn, err := dialer.DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return conn, conn.SetDeadline(time.Now().Add(probeTimeout))
			},
		})
		if err != nil {
			return err
		}
		return conn.Close()
	}
}
