package otelamqp_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// urlVariable is the environment variable with the AMQP address of a broker to try
// things on. It has the queues, and exchanges, of the tests afterwards if they fail.
const urlVariable = "TEST_RABBITMQ_URL"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(urlVariable) == "" {
		fmt.Fprintln(os.Stderr, urlVariable+" is not set, so what needs a broker is skipped: set it to the address of a RabbitMQ to try things on, such as amqp://guest:guest@127.0.0.1:5672/")
		skip := flag.Lookup("test.skip").Value
		_ = skip.Set(strings.TrimPrefix(skip.String()+"|^Example", "|"))
	}
	os.Exit(m.Run())
}

// testBroker is the address of the broker, without which the test is skipped.
func testBroker(tb testing.TB) string {
	tb.Helper()
	url := os.Getenv(urlVariable)
	if url == "" {
		tb.Skip(urlVariable + " is not set")
	}
	return url
}
