package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/zeromicro/go-zero/core/logx"
)

func TestTheSameErrorIsPrintedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var console bytes.Buffer
		handler := newErrorHandler(logx.NewWriter(&console), mobileNumbers)
		for range 59 {
			handler.Handle(errors.New("logs: code = Unimplemented"))
			handler.Handle(errors.New("metrics: code = Unimplemented"))
			time.Sleep(time.Second)
		}
		assert.Equal(t, 2, strings.Count(console.String(), "opentelemetry: "))
		time.Sleep(time.Second)
		handler.Handle(errors.New("logs: code = Unimplemented"))
		assert.Equal(t, 3, strings.Count(console.String(), "opentelemetry: "))
	})
}

func TestErrorsThatAllDifferAreBounded(t *testing.T) {
	var console bytes.Buffer
	handler := newErrorHandler(logx.NewWriter(&console), mobileNumbers)
	for i := range 10 * maxErrors {
		handler.Handle(fmt.Errorf("port %d: 13800000001", i))
	}
	assert.Equal(t, maxErrors, strings.Count(console.String(), "opentelemetry: "))
	assert.NotContains(t, console.String(), "13800000001")
}
