package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"throughline/internal/portforward"
	"throughline/internal/stack"
	"throughline/internal/verify"
)

// targetFlag describes --target of the commands that look at a stack.
const targetFlag = "how the stack runs: native, compose or kubernetes"

// namespace is where deploy/kubernetes puts the parts.
const namespace = "throughline"

// forwarded are the ports that the commands look at, by the variable that moves each natively.
var forwarded = map[string]portforward.Port{
	"LOGIN_API_PORT":           {Service: "login-api", Number: 8080},
	"AUDIT_MQ_PORT":            {Service: "audit-mq", Number: 8082},
	"RABBITMQ_PORT":            {Service: "rabbitmq", Number: 5672},
	"COLLECTOR_OTLP_GRPC_PORT": {Service: "otel-collector", Number: 4317},
	"COLLECTOR_OTLP_HTTP_PORT": {Service: "otel-collector", Number: 4318},
	"COLLECTOR_ZIPKIN_PORT":    {Service: "otel-collector", Number: 9411},
	"COLLECTOR_METRICS_PORT":   {Service: "otel-collector", Number: 8888},
	"JAEGER_QUERY_PORT":        {Service: "jaeger", Number: 16686},
	"TEMPO_PORT":               {Service: "tempo", Number: 3200},
	"LOKI_PORT":                {Service: "loki", Number: 3100},
	"PROMETHEUS_PORT":          {Service: "prometheus", Number: 9090},
}

// target returns where the parts of the native stack answer.
func target() (verify.Target, error) {
	s, err := stackOf("native")
	if err != nil {
		return verify.Target{}, err
	}
	return verify.TargetOf(s), nil
}

// targetOf returns where the parts of the stack answer until leave is called.
func targetOf(ctx context.Context, name string) (target verify.Target, leave func(), err error) {
	leave = func() {}
	var s *stack.Stack
	switch name {
	case "native", "compose":
		s, err = stackOf(name)
	case "kubernetes":
		var ports map[string]int
		if ports, leave, err = portforward.Start(ctx, namespace, forwarded); err != nil {
			return verify.Target{}, nil, err
		}
		s, err = stack.New("", func(variable string) string {
			if port, is := ports[variable]; is {
				return strconv.Itoa(port)
			}
			if strings.HasSuffix(variable, "_PASSWORD") || variable == "THROUGHLINE_ROOT" {
				return os.Getenv(variable)
			}
			return "" // of the other settings none is of the cluster
		})
	default:
		err = fmt.Errorf("--target %q: give native, compose or kubernetes", name)
	}
	if err != nil {
		leave()
		return verify.Target{}, nil, err
	}
	return verify.TargetOf(s), leave, nil
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
