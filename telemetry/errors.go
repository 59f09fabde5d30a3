package telemetry

import (
	"sync"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
)

const (
	// errorInterval is how often the same error of OpenTelemetry is printed.
	errorInterval = time.Minute
	// maxErrors bounds how many different ones are printed in that time.
	maxErrors = 64
)

// errorHandler prints the errors of OpenTelemetry itself, such as a collector
// that refuses a signal. It writes to the console only: an error of the log
// exporter that became a log record would beget the next one.
type errorHandler struct {
	console logx.Writer
	masker  masker
	mu      sync.Mutex
	printed map[string]time.Time
}

func newErrorHandler(console logx.Writer, m masker) otel.ErrorHandler {
	return &errorHandler{console: console, masker: m, printed: map[string]time.Time{}}
}

// Handle implements [otel.ErrorHandler].
func (h *errorHandler) Handle(err error) {
	if text := h.masker.text(err.Error(), maxText); h.due(text) {
		h.console.Error("opentelemetry: " + text)
	}
}

func (h *errorHandler) due(text string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	for text, at := range h.printed {
		if now.Sub(at) >= errorInterval {
			delete(h.printed, text)
		}
	}
	if _, recent := h.printed[text]; recent || len(h.printed) >= maxErrors {
		return false
	}
	h.printed[text] = now
	return true
}
