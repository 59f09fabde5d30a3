package telemetry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
)

// masker hides what nobody shall read.
type masker struct {
	pattern     *regexp.Regexp // nil: hides nothing
	replacement string
}

// mobileNumbers hides the four digits in the middle of a mainland China mobile number
// that stands as a word or between underscores, with or without the country code: what
// the collector masks too.
var mobileNumbers = masker{regexp.MustCompile(`((?:\b|_)(?:(?:00)?86)?1[3-9][0-9])[0-9]{4}([0-9]{4}(?:\b|_))`), "$1****$2"}

// mask also replaces what is not UTF-8: OTLP refuses a whole batch for one such byte.
func (m masker) mask(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if m.pattern == nil {
		return s
	}
	return m.pattern.ReplaceAllString(s, m.replacement)
}

// text masks the first limit bytes of s. The rest is not looked at, but for what a
// match at the limit may reach into.
func (m masker) text(s string, limit int) string {
	const match = 64
	return cut(m.mask(cut(s, limit+match)), limit)
}

func (m masker) fields(fields []logx.LogField) []logx.LogField {
	masked := make([]logx.LogField, len(fields))
	for i, field := range fields {
		masked[i] = logx.LogField{Key: m.text(field.Key, maxText), Value: m.value(field.Value, maxText)}
	}
	return masked
}

// value turns whatever was logged into a bool, a number, a string or JSON
// text without what is to be hidden, as go-zero would have printed it, but for what is
// beyond limit bytes.
func (m masker) value(v any, limit int) any {
	if sensitive, ok := v.(logx.Sensitive); ok {
		v = sensitive.MaskSensitive()
	}
	switch v := v.(type) {
	case string:
		return m.text(v, limit)
	case nil, bool, float32, float64:
		return v
	case int:
		return maskInteger(m, v)
	case int64:
		return maskInteger(m, v)
	case error, time.Duration:
		return m.text(fmt.Sprint(v), limit)
	case json.Marshaler:
		return m.json(v, limit)
	case fmt.Stringer:
		return m.text(fmt.Sprint(v), limit)
	default:
		return m.json(v, limit)
	}
}

func maskInteger[N int | int64](m masker, n N) any {
	s := fmt.Sprint(n)
	if masked := m.mask(s); masked != s {
		return masked
	}
	return n
}

// jsonText is a value as JSON; a console that writes JSON embeds it as such.
type jsonText string

func (t jsonText) MarshalJSON() ([]byte, error) { return []byte(t), nil }

func (t jsonText) String() string { return string(t) }

func (m masker) json(v any, limit int) any {
	encoded, err := json.Marshal(v)
	if err != nil {
		return m.text(fmt.Sprintf("%+v", v), limit)
	}
	if encoded[0] == '"' {
		var s string
		_ = json.Unmarshal(encoded, &s)
		return m.text(s, limit)
	}
	masked := m.text(string(encoded), limit)
	if !json.Valid([]byte(masked)) { // it was cut, or the number was one in JSON as well
		return masked
	}
	return jsonText(masked)
}

// text is a masked value as text.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}
