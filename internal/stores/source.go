package stores

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// source makes the traces that a store is filled with. The same number gives the
// same trace, so that what was written is known without being kept.
type source interface {
	trace(number uint32) trace
	spanIDOf(t *trace, index int) pcommon.SpanID
	// fillResource writes the resource of a key that facts name.
	fillResource(t *trace, resource pcommon.Resource, key int)
	// fillSpan writes a span of a trace that begins at the time.
	fillSpan(t *trace, span ptrace.Span, index int, began time.Time)
	// attributes names one whose values are rare and one whose values are common.
	attributes() (rare, common string)
	// limit is how many spans there are before traces repeat; 0 when they do not.
	limit() int
}

// trace is one trace before it is written.
type trace struct {
	number uint32
	id     pcommon.TraceID
	facts  []facts // by span
	made   any     // what the source knows of it
}

// facts are what the questions need to know of a span.
type facts struct {
	resource           int
	service, operation string
	end, duration      time.Duration // end is from the start of the trace
	failed, root       bool
	rare, common       string // values of attributes; "" where there is none
}
