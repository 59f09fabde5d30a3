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
	return targetOf(s), nil
}

func targetOf(s *stack.Stack) verify.Target {
	e := s.Endpoints()
	return verify.Target{
		LoginURL:    e.LoginAPI,
		AuditURL:    e.AuditMQ,
		JaegerURL:   e.Jaeger,
		TempoURL:    e.Tempo,
		RabbitMQURL: e.RabbitMQ,
		OTLPGRPC:    e.OTLPGRPC,
		OTLPHTTP:    e.OTLPHTTP,
		ZipkinURL:   e.Zipkin,
	}
}
