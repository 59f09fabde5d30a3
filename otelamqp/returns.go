package otelamqp

import amqp "github.com/rabbitmq/amqp091-go"

// returns knows which mandatory messages came back as unroutable.
//
// The broker sends basic.return before the confirmation of the same message,
// and the client hands both on from one goroutine. Because the channel of
// returns is unbuffered and one goroutine both stores returns and answers
// questions, a question asked after the confirmation always finds the return:
// there is nothing to wait for and no race.
type returns struct {
	asks chan returnAsk
	done chan struct{}
}

type returnAsk struct {
	messageID string
	answer    chan bool
}

// maxReturned bounds the memory for returns that nobody asks for (those of
// publishes without a confirmation, or without waiting for it).
const maxReturned = 1024

func watchReturns(ch *amqp.Channel) *returns {
	r := &returns{asks: make(chan returnAsk), done: make(chan struct{})}
	go r.run(ch.NotifyReturn(make(chan amqp.Return)))
	return r
}

func (r *returns) run(incoming <-chan amqp.Return) {
	defer close(r.done)
	returned := map[string]struct{}{}
	for {
		select {
		case ret, open := <-incoming:
			if !open {
				return
			}
			if len(returned) >= maxReturned {
				clear(returned)
			}
			returned[ret.MessageId] = struct{}{}
		case ask := <-r.asks:
			_, found := returned[ask.messageID]
			delete(returned, ask.messageID)
			ask.answer <- found
		}
	}
}

// take tells whether the message came back, and forgets it. It must be called
// after the confirmation of that message.
func (r *returns) take(messageID string) bool {
	if messageID == "" {
		return false
	}
	ask := returnAsk{messageID: messageID, answer: make(chan bool, 1)}
	select {
	case r.asks <- ask:
		return <-ask.answer
	case <-r.done:
		return false
	}
}
