// Package rabbitmq reaches a broker at one of several addresses.
package rabbitmq

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const dialTimeout = 5 * time.Second

// between is what separates two addresses. A comma alone may be part of a password.
var between = regexp.MustCompile(`[,\s]+(amqps?://)`)

// Addresses are those that RABBITMQ_URL lists, with commas between them.
func Addresses(list string) []string {
	return strings.Split(between.ReplaceAllString(strings.TrimSpace(list), "\n$1"), "\n")
}

// Redacted is the list without passwords.
func Redacted(list string) string {
	addresses := Addresses(list)
	for i, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return "an address that is no URL"
		}
		addresses[i] = u.Redacted()
	}
	return strings.Join(addresses, ",")
}

// Open opens a channel with publisher confirms at the first of the addresses that
// answers. The caller closes the connection.
func Open(list string) (*amqp.Connection, *amqp.Channel, error) {
	var errs []error
	for _, address := range Addresses(list) {
		conn, err := amqp.DialConfig(address, amqp.Config{Dial: amqp.DefaultDial(dialTimeout)})
		if err != nil {
			errs = append(errs, fmt.Errorf("RabbitMQ at %s: %w; see whether it runs with `throughline status`, or give RABBITMQ_URL", Redacted(address), err))
			continue
		}
		ch, err := conn.Channel()
		if err == nil {
			err = ch.Confirm(false)
		}
		if err == nil {
			return conn, ch, nil
		}
		errs = append(errs, fmt.Errorf("RabbitMQ at %s: open a channel: %w; look into the broker's log", Redacted(address), err))
		_ = conn.Close()
	}
	return nil, nil, errors.Join(errs...)
}
