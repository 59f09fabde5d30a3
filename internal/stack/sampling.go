package stack

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"throughline/internal/probe"
)

// firstTier is the collector, with one tier or with two.
const firstTier = "otel-collector"

// noPipelines comes between two files: one laid over another can change its
// pipelines, and remove none.
const noPipelines = "yaml:service::pipelines: null"

// samplers are the parts of the second tier.
var samplers = []string{"sampler-1", "sampler-2"}

// collector describes the binary that serves both tiers, or the smaller one
// without the two components that only they need.
func (s *Stack) collector(env *environment) binary {
	if s.sampling {
		return s.upstream(env, "otel-collector-sampling", "otel-collector/otelcol-sampling", ".", "otelcol-sampling", "COLLECTOR", 8*time.Minute)
	}
	return s.upstream(env, "otel-collector", "otel-collector/otelcol", ".", "otelcol", "COLLECTOR", 4*time.Minute)
}

// twoTiers makes the collector the first tier and adds the second.
func (s *Stack) twoTiers(env *environment, parts []*part, collector binary) []*part {
	at := slices.IndexFunc(parts, func(p *part) bool { return p.name == firstTier })
	first := parts[at]
	first.args = append(first.args, "--config", noPipelines, "--config", "otel-collector/load-balancing.yaml")
	first.files = append(first.files, "otel-collector/load-balancing.yaml")
	first.needs = append(first.needs, samplers...)
	var second []*part
	for _, name := range samplers {
		variable := variableOf(name)
		first.env = append(first.env, variable+"_OTLP_ENDPOINT="+s.at(variable+"_OTLP_GRPC_PORT"))
		second = append(second, s.sampler(env, name, collector))
	}
	return slices.Insert(parts, at+1, second...)
}

// variableOf is how the names of a part's variables begin: SAMPLER_1 of sampler-1.
func variableOf(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func (s *Stack) sampler(env *environment, name string, collector binary) *part {
	variable := variableOf(name)
	as := func(port string) string {
		return fmt.Sprintf("COLLECTOR%s=%d", port, s.ports[variable+port])
	}
	return &part{
		name:    name,
		version: collector.version,
		needs:   []string{"tempo", "jaeger", "prometheus"},
		binary:  collector.binary,
		made:    collector.build,
		args: []string{
			"--config", "otel-collector/config.yaml",
			"--config", noPipelines,
			"--config", "otel-collector/tail-sampling.yaml",
		},
		ports: []string{variable + "_OTLP_GRPC_PORT", variable + "_HEALTH_PORT", variable + "_METRICS_PORT"},
		env: append([]string{
			collectorGC, collectorMemory,
			"HOSTNAME=" + name,
			as("_OTLP_GRPC_PORT"), as("_HEALTH_PORT"), as("_METRICS_PORT"),
			"JAEGER_OTLP_ENDPOINT=" + s.at("JAEGER_OTLP_HTTP_PORT"),
			"TEMPO_OTLP_ENDPOINT=" + s.at("TEMPO_OTLP_HTTP_PORT"),
			"PROMETHEUS_OTLP_ENDPOINT=" + s.at("PROMETHEUS_PORT"),
			"COLLECTOR_QUEUE_DIR=" + s.dataDir(name),
		}, env.given("TENANT", "TAIL_SAMPLING_WAIT", "TAIL_SAMPLING_SLOW_MS", "TAIL_SAMPLING_PERCENT")...),
		files:   []string{"otel-collector/config.yaml", "otel-collector/tail-sampling.yaml"},
		address: s.at(variable+"_OTLP_GRPC_PORT") + " (OTLP)",
		ready:   probe.HTTP("http://" + s.at(variable+"_HEALTH_PORT") + "/"),
		grace:   20 * time.Second,
	}
}
