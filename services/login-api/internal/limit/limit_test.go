package limit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/services/internal/mobile"
)

const account = mobile.Number("13800000001")

func newLimits(t *testing.T, perSecond int) *Limits {
	t.Helper()
	l, err := New(perSecond, []string{"10.0.0.7", "fd00::/8"}, []string{"127.0.0.0/8"})
	require.NoError(t, err)
	return l
}

func from(peer string, forwarded ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/login", nil)
	r.RemoteAddr = peer
	r.Header["X-Forwarded-For"] = forwarded
	return r
}

func TestAddressIsThePeersOrWhatATrustedCallerForwards(t *testing.T) {
	l := newLimits(t, 1)
	for _, test := range []struct {
		request *http.Request
		network string
	}{
		{from("192.0.2.1:1"), "192.0.2.1/32"},
		{from("192.0.2.1:1", "198.51.100.1"), "192.0.2.1/32"},
		{from("[::ffff:192.0.2.1]:1"), "192.0.2.1/32"},
		{from("[2001:db8::1]:1"), "2001:db8::/64"},
		{from("10.0.0.7:1", "198.51.100.1"), "198.51.100.1/32"},
		{from("10.0.0.7:1", "127.0.0.1, 198.51.100.1"), "198.51.100.1/32"},
		{from("10.0.0.7:1", "127.0.0.1", "198.51.100.1"), "198.51.100.1/32"},
		{from("[fd00::1]:1", "2001:db8:0:1::5"), "2001:db8:0:1::/64"},
		{from("10.0.0.7:1"), "10.0.0.7/32"},
		{from("10.0.0.7:1", "nonsense"), "10.0.0.7/32"},
	} {
		assert.Equal(t, test.network, l.ClientOf(test.request).network.String(), "%s %v", test.request.RemoteAddr, test.request.Header)
	}
	for _, exempt := range []*http.Request{from("127.0.0.1:1"), from("10.0.0.7:1", "127.0.0.2"), from("")} {
		assert.Zero(t, l.ClientOf(exempt), exempt.RemoteAddr)
	}
}

func TestAddressHasTenTimesItsRateAtOnce(t *testing.T) {
	l := newLimits(t, 2)
	one, other := l.ClientOf(from("192.0.2.1:1")), l.ClientOf(from("192.0.2.2:1"))
	for range 20 {
		require.Zero(t, l.Address(one))
	}
	wait := l.Address(one)
	assert.Positive(t, wait)
	assert.LessOrEqual(t, wait, 500*time.Millisecond)
	assert.Zero(t, l.Address(other))
	for range 100 {
		require.Zero(t, l.Address(Client{}))
		require.Zero(t, newLimits(t, 0).Address(one), "without a limit")
	}
}

// fail tries wrong passwords until one is refused, and returns how many were not.
func fail(t *testing.T, l *Limits, c Client) (tried int, wait time.Duration) {
	t.Helper()
	for ; tried < 100; tried++ {
		done, wait := l.Account(c, account)
		if wait > 0 {
			return tried, wait
		}
		done(true)
	}
	return tried, 0
}

func TestWrongPasswordsOfAnAccountAreCountedAndRightOnesAreNot(t *testing.T) {
	l := newLimits(t, 0)
	c := l.ClientOf(from("192.0.2.1:1"))
	for range 1000 {
		done, wait := l.Account(c, account)
		require.Zero(t, wait)
		done(false)
	}
	assert.Zero(t, l.accounts.Len(), "nothing is kept of them")

	tried, wait := fail(t, l, c)
	assert.Equal(t, failures, tried)
	assert.Positive(t, wait)
	assert.LessOrEqual(t, wait, interval)
	_, wait = l.Account(c, mobile.Number("13800000002"))
	assert.Zero(t, wait, "another account")

	tried, _ = fail(t, l, Client{})
	assert.Equal(t, 100, tried, "whoever is exempt")
}

func TestFloodOfOthersKeepsTheOwnerNotOut(t *testing.T) {
	l := newLimits(t, 0)
	for i := range 50 {
		tried, _ := fail(t, l, l.ClientOf(from(fmt.Sprintf("192.0.2.%d:1", i))))
		assert.LessOrEqual(t, tried, failures+1)
		if i > 0 {
			assert.Equal(t, 1, tried, "each address once")
		}
	}
	owner := l.ClientOf(from("198.51.100.1:1"))
	for range 20 {
		done, wait := l.Account(owner, account)
		require.Zero(t, wait)
		done(false)
	}
}

func TestAttemptsAtTheSameTimeAreCounted(t *testing.T) {
	l := newLimits(t, 0)
	c := l.ClientOf(from("192.0.2.1:1"))
	done, _ := l.Account(c, account)
	done(true) // no longer a stranger
	var let atomic.Int64
	var wait, all sync.WaitGroup
	wait.Add(100)
	for range 100 {
		all.Go(func() {
			done, refused := l.Account(c, account)
			wait.Done()
			wait.Wait() // until all have asked
			if refused == 0 {
				let.Add(1)
				done(true)
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, failures-1, let.Load())
}

func TestFloodTakesBoundedMemory(t *testing.T) {
	l := newLimits(t, 1)
	for i := range 2 * remembered {
		c := l.ClientOf(from(fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>16, i&0xffff)))
		l.Address(c)
		done, wait := l.Account(c, mobile.Number(fmt.Sprint(13800000000+i)))
		require.Zero(t, wait)
		done(true)
	}
	assert.LessOrEqual(t, l.addresses.Len(), remembered)
	assert.LessOrEqual(t, l.accounts.Len(), remembered)
	assert.LessOrEqual(t, l.failed.Len(), remembered)
}

func TestNetworkThatIsNoneIsNamed(t *testing.T) {
	_, err := New(1, nil, []string{"10.0.0.0/8", "10.0.0.0/99"})
	require.ErrorContains(t, err, `"10.0.0.0/99"`)
	_, err = New(1, []string{"gateway"}, nil)
	require.ErrorContains(t, err, `"gateway"`)
}
