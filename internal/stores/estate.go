package stores

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// The estate: tens of services and hundreds of operations, of which few are
// popular; traces of 1 to 1,000 spans; attributes of two values to unique ones; one
// span in a hundred failed; long tails.
const (
	serviceCount    = 40
	entryServices   = 8 // where traces begin
	operationsEach  = 10
	instancesEach   = 3
	largestTrace    = 1000 // spans
	medianRoot      = 80 * time.Millisecond
	longestRoot     = 10 * time.Second
	failedShare     = 0.01
	tenantCount     = 500
	customerCount   = 50_000
	sizeExponent    = 1.2 // of the Pareto distribution of sizes
	smallestTrace   = 2.0
	durationSpread  = 1.1 // sigma of the logarithm
	likelyToMove    = 0.4 // share of spans that are in another service than their parent
	parentsInReach  = 6   // a span's parent is among so many before it
	attributeRegion = "app.region"
	attributeUnique = "app.request.id"
)

var regions = []string{"eu-1", "us-1"}

// estate makes traces of a seed: the same number gives the same trace but for the
// time, so that what was written need not be kept to be known.
type estate struct {
	seed uint64

	popularity   *zipf // of services
	entries      *zipf // of services that traces begin in
	operations   *zipf // within a service
	tenants      *zipf
	serviceNames []string
}

func newEstate(seed uint64) *estate {
	e := &estate{
		seed: seed, popularity: newZipf(serviceCount, 1), entries: newZipf(entryServices, 1),
		operations: newZipf(operationsEach, 1), tenants: newZipf(tenantCount, 1),
	}
	areas := []string{"order", "payment", "stock", "account", "search", "price", "delivery", "media"}
	roles := []string{"api", "worker", "store", "gateway", "cache"}
	for i := range serviceCount {
		e.serviceNames = append(e.serviceNames, areas[i%len(areas)]+"-"+roles[i/len(areas)])
	}
	return e
}

// blueprint is a trace before it gets a time and an encoding.
type blueprint struct {
	number uint32
	region string
	spans  []spanPlan
}

type spanPlan struct {
	service   int
	operation int
	instance  int
	parent    int // index; -1 for the root
	kind      ptrace.SpanKind
	start     time.Duration // from the start of the trace
	duration  time.Duration
	failed    bool
	tenant    int
	customer  int
	bytes     int64
}

// end is from the start of the trace.
func (s spanPlan) end() time.Duration { return s.start + s.duration }

func (e *estate) operationName(service, operation int) string {
	verbs := []string{"GET", "POST", "PUT", "get", "list", "update", "SELECT", "publish", "process", "render"}
	return fmt.Sprintf("%s %s/%d", verbs[operation%len(verbs)], e.serviceNames[service], operation)
}

// plan makes the trace of a number.
func (e *estate) plan(number uint32) blueprint {
	r := rand.New(rand.NewPCG(e.seed, uint64(number)))
	size := int(min(largestTrace, math.Max(1, smallestTrace/math.Pow(1-r.Float64(), 1/sizeExponent)-1)))
	root := time.Duration(float64(medianRoot) * math.Exp(durationSpread*r.NormFloat64()))
	tenant, customer := e.tenants.draw(r), r.IntN(customerCount)
	b := blueprint{number: number, region: regions[r.IntN(len(regions))], spans: make([]spanPlan, 0, size)}
	for i := range size {
		s := spanPlan{
			parent: -1, operation: e.operations.draw(r), instance: r.IntN(instancesEach),
			failed: r.Float64() < failedShare, tenant: tenant, customer: customer, bytes: int64(100 * math.Exp(2*r.NormFloat64())),
		}
		if i == 0 {
			s.service, s.kind = e.entries.draw(r), ptrace.SpanKindServer
			s.duration = max(time.Millisecond, min(longestRoot, root))
		} else {
			s.parent = max(0, i-1-r.IntN(parentsInReach))
			parent := b.spans[s.parent]
			s.service, s.kind = parent.service, ptrace.SpanKindInternal
			if r.Float64() < likelyToMove {
				s.service, s.kind = e.popularity.draw(r), ptrace.SpanKindServer
			} else if r.IntN(2) == 0 {
				s.kind = ptrace.SpanKindClient
			}
			// A child is well shorter than its parent, and the root's alone can be long.
			s.start = parent.start + time.Duration(r.Float64()*float64(parent.duration)*0.4)
			s.duration = max(time.Microsecond, time.Duration((0.05+0.5*r.Float64())*float64(parent.end()-s.start)))
		}
		b.spans = append(b.spans, s)
	}
	return b
}

// traceID holds the number, behind 8 bytes by which stores can spread traces.
func (e *estate) traceID(number uint32) (id pcommon.TraceID) {
	binary.BigEndian.PutUint64(id[:8], mix(e.seed^uint64(number))|1<<63) // no leading zeros, which stores leave out
	binary.BigEndian.PutUint64(id[8:], mix(e.seed)^uint64(number))
	return id
}

func (e *estate) spanID(number uint32, index int) (id pcommon.SpanID) {
	binary.BigEndian.PutUint64(id[:], mix(e.seed+uint64(number)<<20+uint64(index))|1<<63)
	return id
}

func (e *estate) uniqueValue(number uint32) string {
	return fmt.Sprintf("%016x", mix(e.seed+3*uint64(number)))
}

// mix spreads the bits of x (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// trace implements source.
func (e *estate) trace(number uint32) trace {
	b := e.plan(number)
	t := trace{number: number, id: e.traceID(number), facts: make([]facts, len(b.spans)), made: &b}
	for i, s := range b.spans {
		f := facts{
			resource: s.service*instancesEach + s.instance, service: e.serviceNames[s.service], operation: e.operationName(s.service, s.operation),
			end: s.end(), duration: s.duration, failed: s.failed, common: b.region,
		}
		if i == 0 {
			f.root, f.rare = true, e.uniqueValue(number)
		}
		t.facts[i] = f
	}
	return t
}

func (e *estate) spanIDOf(t *trace, index int) pcommon.SpanID { return e.spanID(t.number, index) }

func (e *estate) attributes() (rare, common string) { return attributeUnique, attributeRegion }

func (e *estate) limit() int { return 0 }

func (e *estate) fillResource(_ *trace, resource pcommon.Resource, key int) {
	a := resource.Attributes()
	service, instance := key/instancesEach, key%instancesEach
	name := e.serviceNames[service]
	a.PutStr("service.name", name)
	a.PutStr("service.version", fmt.Sprintf("1.%d.0", service%7))
	a.PutStr("service.instance.id", fmt.Sprintf("%s-%d", name, instance))
	a.PutStr("deployment.environment.name", "production")
	a.PutStr("host.name", fmt.Sprintf("node-%d", (service+instance)%12))
	a.PutStr("telemetry.sdk.language", "go")
	a.PutStr("telemetry.sdk.name", "opentelemetry")
}

func (e *estate) fillSpan(t *trace, span ptrace.Span, index int, began time.Time) {
	b := t.made.(*blueprint)
	s := b.spans[index]
	span.SetTraceID(e.traceID(b.number))
	span.SetSpanID(e.spanID(b.number, index))
	if s.parent >= 0 {
		span.SetParentSpanID(e.spanID(b.number, s.parent))
	}
	span.SetName(e.operationName(s.service, s.operation))
	span.SetKind(s.kind)
	span.SetStartTimestamp(pcommon.NewTimestampFromTime(began.Add(s.start)))
	span.SetEndTimestamp(pcommon.NewTimestampFromTime(began.Add(s.end())))
	a := span.Attributes()
	a.PutStr(attributeRegion, b.region)
	a.PutStr("app.tenant", fmt.Sprintf("tenant-%d", s.tenant))
	a.PutInt("app.customer.id", int64(s.customer))
	a.PutInt("app.payload.bytes", s.bytes)
	a.PutStr("http.request.method", []string{"GET", "POST", "PUT"}[s.operation%3])
	a.PutStr("url.path", "/"+span.Name())
	status := int64(200)
	if s.failed {
		status = 500
		span.Status().SetCode(ptrace.StatusCodeError)
		span.Status().SetMessage("upstream refused the connection")
	}
	a.PutInt("http.response.status_code", status)
	if index == 0 {
		a.PutStr(attributeUnique, e.uniqueValue(b.number))
	}
}

// zipf draws numbers of which the n-th is as likely as 1/(n+1)^s.
type zipf struct{ cumulative []float64 }

func newZipf(n int, s float64) *zipf {
	z := &zipf{}
	sum := 0.0
	for i := range n {
		sum += 1 / math.Pow(float64(i+1), s)
		z.cumulative = append(z.cumulative, sum)
	}
	return z
}

func (z *zipf) draw(r *rand.Rand) int {
	at := r.Float64() * z.cumulative[len(z.cumulative)-1]
	low, high := 0, len(z.cumulative)-1
	for low < high {
		if middle := (low + high) / 2; z.cumulative[middle] < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}
