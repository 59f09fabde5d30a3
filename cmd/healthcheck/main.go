// Command healthcheck asks whether what listens at each given address is ready,
// and fails with the reason when one is not. docker-compose.yml runs it inside
// the containers, most of whose images have nothing else that could ask.
//
//	healthcheck http://127.0.0.1:3200/ready grpc://127.0.0.1:8081 amqp://login-api:login-api@127.0.0.1:5672/
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"throughline/internal/probe"
)

func main() {
	for _, address := range os.Args[1:] {
		if err := check(address)(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func check(address string) probe.Probe {
	if target, isGRPC := strings.CutPrefix(address, "grpc://"); isGRPC {
		return probe.GRPC(target)
	}
	if strings.HasPrefix(address, "amqp://") {
		return probe.AMQP(address)
	}
	return probe.HTTP(address)
}
