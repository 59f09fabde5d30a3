// Package boot is the frame of every service's main: flags, telemetry, exit status.
package boot

import (
	"context"
	"flag"
	"log"
	"net"
	"time"

	"throughline/telemetry"
)

// flushTimeout bounds how long a stopping service waits for the collector.
const flushTimeout = 5 * time.Second

// Main reads the flag -f, sets telemetry up, runs serve until it returns, which
// go-zero's servers do on SIGTERM, and sends the spans that are left.
func Main(service string, serve func(configFile string) error) {
	log.SetPrefix(service + ": ")
	log.SetFlags(0)
	configFile := flag.String("f", "services/"+service+"/etc/"+service+".yaml", "the configuration file")
	flag.Parse()

	shutdown, err := telemetry.Setup(context.Background(), service)
	if err != nil {
		log.Fatal(err)
	}
	err = serveOrFail(serve, *configFile)

	ctx, cancel := context.WithTimeout(context.Background(), flushTimeout)
	defer cancel()
	if err := shutdown(ctx); err != nil {
		log.Print(err)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// serveOrFail turns the panic with which go-zero reports that it cannot listen
// into an error. Any other panic goes on.
func serveOrFail(serve func(string) error, configFile string) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *net.OpError:
			err = e
		default:
			panic(e)
		}
	}()
	return serve(configFile)
}
