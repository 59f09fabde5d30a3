// Package limit bounds how often one address, and one account, can try to log in.
// What is counted, and why, is in docs/decisions/0006-limits-on-logins.md.
package limit

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"throughline/services/internal/mobile"
)

const (
	// failures are the wrong passwords of one account that are free; after them there
	// is one every interval.
	failures = 10
	interval = 5 * time.Second
	// strange is how long an address has to let an account be to count as one that has
	// not failed there.
	strange = 15 * time.Minute
	// remembered are the most recent addresses, accounts and failures; what is older
	// is forgotten, so that a flood takes no more memory.
	remembered = 1 << 14
)

// Limits are those of one process. They can be used from several goroutines.
type Limits struct {
	perSecond       rate.Limit
	trusted, exempt []netip.Prefix
	addresses       *lru.Cache[netip.Prefix, *rate.Limiter]
	accounts        *lru.Cache[mobile.Number, *rate.Limiter]
	failed          *lru.Cache[failure, time.Time] // when last
}

type failure struct {
	account mobile.Number
	address netip.Prefix
}

// New takes the logins a second of one address, of which ten times as many may come
// at once, and for which 0 is no limit; the callers whose X-Forwarded-For tells the
// address; and those that have no limit at all.
func New(perSecond int, trusted, exempt []string) (*Limits, error) {
	l := &Limits{perSecond: rate.Limit(perSecond)}
	if perSecond == 0 {
		l.perSecond = rate.Inf
	}
	var err error
	if l.trusted, err = networks(trusted); err != nil {
		return nil, err
	}
	if l.exempt, err = networks(exempt); err != nil {
		return nil, err
	}
	l.addresses, _ = lru.New[netip.Prefix, *rate.Limiter](remembered) // it fails for no size but 0
	l.accounts, _ = lru.New[mobile.Number, *rate.Limiter](remembered)
	l.failed, _ = lru.New[failure, time.Time](remembered)
	return l, nil
}

func networks(texts []string) ([]netip.Prefix, error) {
	var parsed []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if address, notOne := netip.ParseAddr(text); notOne == nil {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no address (10.0.0.7, ::1) and no network (10.0.0.0/8)", text)
		}
		parsed = append(parsed, network)
	}
	return parsed, nil
}

// Client is who asks: an IPv4 address, or the network of an IPv6 address, as one
// customer has many of those. The zero Client is nobody's, and exempt.
type Client struct{ network netip.Prefix }

// ClientOf returns who has sent the request, or who had the gateway send it.
func (l *Limits) ClientOf(r *http.Request) Client {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Client{}
	}
	address := peer.Addr().Unmap()
	if in(l.trusted, address) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if forwarded, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			address = forwarded.Unmap()
		}
	}
	if in(l.exempt, address) {
		return Client{}
	}
	bits := 64
	if address.Is4() {
		bits = 32
	}
	network, _ := address.Prefix(bits) // it has so many
	return Client{network}
}

func in(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(address) })
}

// Address counts a login of the client, and returns how long that has to wait first.
func (l *Limits) Address(c Client) time.Duration {
	if c == (Client{}) || l.perSecond == rate.Inf {
		return 0
	}
	wait, _ := take(bucket(l.addresses, c.network, l.perSecond, int(10*l.perSecond)))
	return wait
}

// Account returns how long the client has to wait before it may try a password of
// the account, or what it has to call with whether the password was wrong. Only
// those that were are counted. An address that has not failed lately may always try
// once: a stranger's flood does not keep the owner out.
func (l *Limits) Account(c Client, account mobile.Number) (tried func(wrong bool), wait time.Duration) {
	if c == (Client{}) {
		return func(bool) {}, 0
	}
	attempts, here := bucket(l.accounts, account, rate.Every(interval), failures), failure{account, c.network}
	wait, giveBack := take(attempts)
	if last, ok := l.failed.Get(here); wait > 0 && ok && time.Since(last) < strange {
		return nil, wait
	}
	return func(wrong bool) {
		if wrong {
			l.failed.Add(here, time.Now())
			return
		}
		giveBack()
		if attempts.Tokens() > failures-0.5 { // nothing is known against it, so it takes no room
			l.accounts.Remove(account)
		}
	}, 0
}

// take takes an attempt out of the bucket, or returns how long it would be until
// there is one again.
func take(b *rate.Limiter) (wait time.Duration, giveBack func()) {
	now := time.Now()
	attempt := b.ReserveN(now, 1)
	if wait = attempt.DelayFrom(now); wait > 0 {
		attempt.CancelAt(now)
		return wait, func() {}
	}
	return 0, func() { attempt.CancelAt(now) } // later it would count as used
}

func bucket[K comparable](buckets *lru.Cache[K, *rate.Limiter], key K, limit rate.Limit, burst int) *rate.Limiter {
	if b, ok := buckets.Get(key); ok {
		return b
	}
	b := rate.NewLimiter(limit, burst)
	if first, ok, _ := buckets.PeekOrAdd(key, b); ok {
		return first
	}
	return b
}
