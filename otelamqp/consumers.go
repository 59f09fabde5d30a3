package otelamqp

import (
	"crypto/rand"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// subscription is how the application gets the messages of a queue.
type subscription struct {
	queue    string
	autoAck  bool
	canceled bool
}

func (c *Channel) subscription(d *amqp.Delivery) (_ subscription, known bool) {
	if own, ok := d.Acknowledger.(*settlement); ok {
		return own.subscription, true
	}
	return c.consumers.get(d.ConsumerTag)
}

// maxCanceled is how many canceled consumers are remembered for the sake of
// deliveries that the application has not taken yet.
const maxCanceled = 64

// consumers maps consumer tags to subscriptions.
type consumers struct {
	mu       sync.RWMutex
	byTag    map[string]subscription
	canceled []string // oldest first
}

func (c *consumers) set(tag string, s subscription) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byTag == nil {
		c.byTag = map[string]subscription{}
	}
	if len(c.byTag) >= maxKept { // the broker cancels, too, and tells nobody here
		for some := range c.byTag {
			delete(c.byTag, some)
			break
		}
	}
	c.byTag[tag] = s
}

func (c *consumers) get(tag string) (s subscription, known bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, known = c.byTag[tag]
	return s, known
}

func (c *consumers) cancel(tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, known := c.byTag[tag]
	if !known || s.canceled {
		return
	}
	s.canceled = true
	c.byTag[tag] = s
	c.canceled = append(c.canceled, tag)
	if len(c.canceled) > maxCanceled {
		oldest := c.canceled[0]
		c.canceled = c.canceled[1:]
		if c.byTag[oldest].canceled { // and not in use again
			delete(c.byTag, oldest)
		}
	}
}

// newConsumerTag names a consumer that the application left unnamed, as the
// wrapped channel would, so that its queue is known.
func newConsumerTag() string { return "ctag-" + rand.Text() }
