// Package boot is the frame of every service's main: flags, configuration,
// telemetry, exit status.
package boot

import (
	"context"
	"flag"
	"log"
	"net"
	"time"

	"throughline/services/internal/conf"
	"throughline/telemetry"
)

// flushTimeout bounds how long a stopping service waits for the collector, which may
// just be starting again.
const flushTimeout = 10 * time.Second

// IdleTimeout is how long a server keeps a connection that nothing is asked on:
// longer than its clients do, or a request may meet the end of its connection.
// go-zero's default is 0.8 of the server's Timeout.
const IdleTimeout = 75 * time.Second

// Config is a go-zero configuration, that is, a struct that embeds
// service.ServiceConf, as rest.RestConf and zrpc.RpcServerConf do.
type Config interface{ SetUp() error }

// Main reads the configuration that the flag -f names, sets telemetry up, runs
// serve until it returns, which go-zero's servers do on SIGTERM, and sends what
// telemetry has left.
func Main[C Config](service string, serve func(C) error) {
	log.SetPrefix(service + ": ")
	log.SetFlags(0)
	configFile := flag.String("f", "services/"+service+"/etc/"+service+".yaml", "the configuration file")
	check := flag.Bool("check", false, "look at the configuration, and end")
	flag.Parse()

	var c C
	if err := conf.Load(*configFile, &c); err != nil {
		log.Fatal(err)
	}
	if *check {
		return
	}
	if err := c.SetUp(); err != nil { // go-zero's logging, which telemetry extends
		log.Fatal(err)
	}
	shutdown, err := telemetry.Setup(context.Background(), service)
	if err != nil {
		log.Fatal(err)
	}
	err = serveOrFail(func() error { return serve(c) })

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
func serveOrFail(serve func() error) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *net.OpError:
			err = e
		default:
			panic(e)
		}
	}()
	return serve()
}
