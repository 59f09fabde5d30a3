package telemetry

import (
	"fmt"
	"os"
	"strings"

	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
)

const defaultPropagators = "tracecontext,baggage"

// newPropagator reads OTEL_PROPAGATORS and, unlike the contrib package's own
// reading of it, refuses a name that it does not know: a misspelt propagator
// would break every trace at this service without a word.
func newPropagator() (propagation.TextMapPropagator, error) {
	value := os.Getenv("OTEL_PROPAGATORS")
	if value == "" {
		value = defaultPropagators
	}
	var names []string
	for name := range strings.SplitSeq(value, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	propagator, err := autoprop.TextMapPropagator(names...)
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTEL_PROPAGATORS=%q: %w; use a list of tracecontext, baggage, b3, b3multi, jaeger, xray, ottrace, none", value, err)
	}
	return propagator, nil
}
