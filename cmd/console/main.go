// Command console serves the page that shows the dashboards, the traces and their
// logs, until it is interrupted. console/README.md lists its variables.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"throughline/console"
)

func main() {
	log.SetPrefix("console: ")
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, address, err := configOf(os.Getenv)
	if err != nil {
		log.Fatal(err)
	}
	handler, err := console.Handler(config)
	if err == nil {
		err = console.Serve(ctx, address, handler)
	}
	config.Faults.End()
	if err != nil {
		log.Fatal(err)
	}
}

// configOf reads the environment. It returns the address to listen on, too.
func configOf(getenv func(string) string) (config console.Config, address string, err error) {
	config = console.Config{
		Prometheus: getenv("PROMETHEUS_URL"),
		Loki:       getenv("LOKI_URL"),
		Tempo:      getenv("TEMPO_URL"),
		Jaeger:     getenv("JAEGER_URL"),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		config.Version = info.Main.Version
	}
	if config.Links, err = addresses("CONSOLE_LINKS", getenv); err != nil {
		return config, "", err
	}
	if config.Services, err = addresses("CONSOLE_SERVICES", getenv); err != nil {
		return config, "", err
	}
	if config.Faults, err = faults(getenv); err != nil {
		return config, "", err
	}
	host := cmp.Or(getenv("BIND_HOST"), "127.0.0.1")
	config.AllowedHosts = words(getenv("CONSOLE_ALLOWED_HOSTS"))
	if !net.ParseIP(host).IsUnspecified() {
		config.AllowedHosts = append(config.AllowedHosts, host)
	}
	return config, net.JoinHostPort(host, cmp.Or(getenv("CONSOLE_PORT"), "3300")), nil
}

// faults are nil unless they are allowed.
func faults(getenv func(string) string) (*console.Faults, error) {
	switch value := getenv("CONSOLE_FAULTS"); value {
	case "":
		return nil, nil
	case "allow":
	default:
		return nil, fmt.Errorf("CONSOLE_FAULTS=%s: give allow, or unset it", value)
	}
	command := getenv("CONSOLE_FAULT_COMMAND")
	if command == "" {
		return nil, errors.New("CONSOLE_FAULTS=allow: CONSOLE_FAULT_COMMAND has to be the program throughline, which brings them about; make up sets it, and under Docker Compose there are no faults")
	}
	return console.NewFaults(command), nil
}

// addresses reads a list such as "jaeger=http://127.0.0.1:16686 rabbitmq=http://127.0.0.1:15672".
func addresses(variable string, getenv func(string) string) (map[string]string, error) {
	all := map[string]string{}
	for _, word := range words(getenv(variable)) {
		name, address, ok := strings.Cut(word, "=")
		if !ok || name == "" || !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
			return nil, fmt.Errorf("%s: %q: give name=http://host:port, with spaces between them", variable, word)
		}
		all[name] = address
	}
	return all, nil
}

// words splits at spaces and commas.
func words(text string) []string { return strings.Fields(strings.ReplaceAll(text, ",", " ")) }
