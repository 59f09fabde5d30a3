package benchmarks

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// memoryBroker is the far end of an AMQP connection that has neither a network
// nor a broker: it answers the handshake, confirms publishes where it is asked
// to, and forgets all else. So the whole of amqp091-go runs, and nothing but it
// and its caller is measured.
type memoryBroker struct {
	mu        sync.Mutex
	changed   *sync.Cond
	answers   bytes.Buffer // what the client has not read yet
	closed    bool
	confirms  bool
	published uint64
}

// openMemoryChannel opens a channel on a memoryBroker.
func openMemoryChannel(tb testing.TB) *amqp.Channel {
	tb.Helper()
	peer := &memoryBroker{}
	peer.changed = sync.NewCond(&peer.mu)
	conn, err := amqp.Open(peer, amqp.Config{SASL: []amqp.Authentication{&amqp.PlainAuth{}}, Vhost: "/"})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

func (b *memoryBroker) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.answers.Len() == 0 && !b.closed {
		b.changed.Wait()
	}
	if b.closed {
		return 0, io.EOF
	}
	return b.answers.Read(p)
}

func (b *memoryBroker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changed.Signal()
	return nil
}

// Frames have a header of type, channel and size, and end with one byte.
const (
	methodFrame = 1
	headerSize  = 1 + 2 + 4
	frameEnd    = 0xCE
)

// Write takes whole frames: the client flushes once for each message, and a
// message of a benchmark fits into its buffer.
func (b *memoryBroker) Write(frames []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes.HasPrefix(frames, []byte("AMQP")) { // version 0-9, no properties, the mechanism and locale that there must be
		b.answer(0, connectionStart, "\x00\x09", "\x00\x00\x00\x00", "\x00\x00\x00\x05PLAIN", "\x00\x00\x00\x05en_US")
		return len(frames), nil
	}
	for rest := frames; len(rest) > 0; {
		size := headerSize + int(binary.BigEndian.Uint32(rest[3:])) + 1
		if rest[0] == methodFrame {
			b.receive(binary.BigEndian.Uint16(rest[1:]), methodID(binary.BigEndian.Uint32(rest[headerSize:])))
		}
		rest = rest[size:]
	}
	return len(frames), nil
}

// methodID is the id of an AMQP class and the id of a method in it.
type methodID uint32

const (
	connectionStart   methodID = 10<<16 | 10
	connectionStartOk methodID = 10<<16 | 11
	connectionTune    methodID = 10<<16 | 30
	connectionOpen    methodID = 10<<16 | 40
	connectionOpenOk  methodID = 10<<16 | 41
	connectionClose   methodID = 10<<16 | 50
	connectionCloseOk methodID = 10<<16 | 51
	channelOpen       methodID = 20<<16 | 10
	channelOpenOk     methodID = 20<<16 | 11
	basicPublish      methodID = 60<<16 | 40
	basicAck          methodID = 60<<16 | 80
	confirmSelect     methodID = 85<<16 | 10
	confirmSelectOk   methodID = 85<<16 | 11
)

func (b *memoryBroker) receive(channel uint16, received methodID) {
	switch received {
	case connectionStartOk: // no limit of channels, none of frames, no heartbeat
		b.answer(channel, connectionTune, "\x00\x00", "\x00\x00\x00\x00", "\x00\x00")
	case connectionOpen:
		b.answer(channel, connectionOpenOk, "\x00")
	case connectionClose:
		b.answer(channel, connectionCloseOk)
	case channelOpen:
		b.answer(channel, channelOpenOk, "\x00\x00\x00\x00")
	case confirmSelect:
		b.confirms = true
		b.answer(channel, confirmSelectOk)
	case basicPublish:
		if b.confirms {
			b.published++
			b.answer(channel, basicAck, string(binary.BigEndian.AppendUint64(nil, b.published)), "\x00")
		}
	}
}

// answer queues a method frame with its arguments, which are encoded.
func (b *memoryBroker) answer(channel uint16, m methodID, arguments ...string) {
	size := 4
	for _, argument := range arguments {
		size += len(argument)
	}
	frame := append(b.answers.AvailableBuffer(), methodFrame)
	frame = binary.BigEndian.AppendUint16(frame, channel)
	frame = binary.BigEndian.AppendUint32(frame, uint32(size))
	frame = binary.BigEndian.AppendUint32(frame, uint32(m))
	for _, argument := range arguments {
		frame = append(frame, argument...)
	}
	b.answers.Write(append(frame, frameEnd))
	b.changed.Signal()
}
