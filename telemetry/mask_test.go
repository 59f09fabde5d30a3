package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeromicro/go-zero/core/logx"
)

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		"13800000001":                         "138****0001",
		"user 13800000001, 19912345678.":      "user 138****0001, 199****5678.",
		"+8613800000001":                      "+86138****0001",
		"008613800000001":                     "0086138****0001",
		"user_13800000001":                    "user_138****0001",
		"13800000001_login":                   "138****0001_login",
		"x13800000001":                        "x13800000001",
		"0013800000001":                       "0013800000001",
		`{"mobile":"13800000001"}`:            `{"mobile":"138****0001"}`,
		"a\xffb":                              "a\uFFFDb",
		"12800000001 1380000000 138000000011": "12800000001 1380000000 138000000011",
		"1700000000000 0af13800000001e4":      "1700000000000 0af13800000001e4",
		"13.8ms":                              "13.8ms",
	} {
		assert.Equal(t, want, mobileNumbers.mask(in))
	}
}

func TestMaskTextCutsNoNumberInTwo(t *testing.T) {
	for at := range 40 {
		text := strings.Repeat("-", at) + "13800000001" + strings.Repeat("-", 10_000)
		masked := mobileNumbers.text(text, 30)
		assert.LessOrEqual(t, len(masked), 30)
		assert.NotRegexp(t, "1380", masked, "a number at %d", at)
	}
}

type secret string

func (s secret) MaskSensitive() any { return "masked" }

type broken struct{}

func (*broken) Error() string { panic("no text") }

func TestMaskValueLeavesNoMobileNumber(t *testing.T) {
	type user struct {
		Mobile any `json:"mobile"`
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, tc := range []struct {
		in      any
		console string // as JSON
	}{
		{"13800000001", `"138****0001"`},
		{13800000001, `"138****0001"`},
		{int64(13800000001), `"138****0001"`},
		{uint64(13800000001), `"138****0001"`},
		{errors.New("no 13800000001"), `"no 138****0001"`},
		{user{"13800000001"}, `{"mobile":"138****0001"}`},
		{map[string]any{"m": []string{"13800000001"}}, `{"m":["138****0001"]}`},
		{user{13800000001}, `"{\"mobile\":138****0001}"`},
		{json.RawMessage(`["13800000001"]`), `["138****0001"]`},
		{secret("13800000001"), `"masked"`},
		{make(chan int), ""},
		{(*broken)(nil), `"\u003cnil\u003e"`},
		{7, "7"}, {int64(7), "7"}, {1.5, "1.5"}, {true, "true"}, {nil, "null"},
		{1500 * time.Millisecond, `"1.5s"`},
		{13800000001 * time.Nanosecond, `"13.800000001s"`},
		{now, `"2026-01-02T03:04:05.000000006Z"`},
	} {
		masked := mobileNumbers.value(tc.in, maxText)
		console, err := json.Marshal(masked)
		require.NoError(t, err)
		if tc.console != "" {
			assert.Equal(t, tc.console, string(console), "%T", tc.in)
		}
		for _, printed := range []string{string(console), text(masked), fmt.Sprintf("%+v", masked)} {
			assert.NotContains(t, printed, "13800000001")
		}
	}
}

func BenchmarkMaskLine(b *testing.B) {
	line := strings.Repeat("user 7 logged in; ", 6)
	for b.Loop() {
		_ = mobileNumbers.fields([]logx.LogField{{Key: "content", Value: line}})
	}
}
