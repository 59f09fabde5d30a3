package telemetry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/zeromicro/go-zero/core/logx"
)

// mobileNumber is a mainland China mobile number that stands as a word, with or
// without the country code: what the collector masks too.
var mobileNumber = regexp.MustCompile(`\b(86)?(1[3-9][0-9])[0-9]{4}([0-9]{4})\b`)

// mask hides the four digits in the middle of every mobile number, and replaces
// what is not UTF-8: OTLP refuses a whole batch for one such byte.
func mask(s string) string {
	return mobileNumber.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "$1$2****$3")
}

func maskFields(fields []logx.LogField) []logx.LogField {
	masked := make([]logx.LogField, len(fields))
	for i, field := range fields {
		masked[i] = logx.LogField{Key: mask(field.Key), Value: maskValue(field.Value)}
	}
	return masked
}

// maskValue turns whatever was logged into a bool, a number, a string or JSON
// text without a mobile number, as go-zero would have printed it.
func maskValue(v any) any {
	if sensitive, ok := v.(logx.Sensitive); ok {
		v = sensitive.MaskSensitive()
	}
	switch v := v.(type) {
	case string:
		return mask(v)
	case nil, bool, float32, float64:
		return v
	case int:
		return maskInteger(v)
	case int64:
		return maskInteger(v)
	case error, time.Duration:
		return mask(fmt.Sprint(v))
	case json.Marshaler:
		return maskJSON(v)
	case fmt.Stringer:
		return mask(fmt.Sprint(v))
	default:
		return maskJSON(v)
	}
}

func maskInteger[N int | int64](n N) any {
	s := fmt.Sprint(n)
	if masked := mask(s); masked != s {
		return masked
	}
	return n
}

// jsonText is a value as JSON; a console that writes JSON embeds it as such.
type jsonText string

func (t jsonText) MarshalJSON() ([]byte, error) { return []byte(t), nil }

func (t jsonText) String() string { return string(t) }

func maskJSON(v any) any {
	encoded, err := json.Marshal(v)
	if err != nil {
		return mask(fmt.Sprintf("%+v", v))
	}
	if encoded[0] == '"' {
		var s string
		_ = json.Unmarshal(encoded, &s)
		return mask(s)
	}
	masked := mask(string(encoded))
	if !json.Valid([]byte(masked)) { // the number was one in JSON as well
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
