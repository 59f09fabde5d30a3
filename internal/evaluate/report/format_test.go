package report

import (
	"math"
	"testing"

	"throughline/internal/evaluate/result"
)

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{number(0), "0"}, {number(0.6123), "0.612"}, {number(58_824), "58,800"}, {number(-1234567), "-1,230,000"},
		{number(0.00012345), "0.000123"}, {number(math.NaN()), unknown}, {number(math.Inf(1)), unknown}, {number(99.96), "100"},
		{count(24_001), "24,001"}, {count(int64(-7)), "-7"}, {count(1_234_567), "1,234,567"},
		{seconds(0), "0 s"}, {seconds(0.0123), "12.3 ms"}, {seconds(1.234), "1.23 s"}, {seconds(0.9996), "1 s"},
		{seconds(75), "75 s"}, {seconds(312), "5 min 12 s"}, {seconds(300), "5 min"}, {seconds(179.7), "3 min"}, {seconds(math.Inf(-1)), unknown},
		{milliseconds(1234), "1.23 s"},
		{size(999), "999 B"}, {size(34_123_456), "34.1 MB"}, {size(999_950), "1 MB"}, {size(8.3e9), "8.3 GB"}, {size(math.NaN()), unknown},
		{percent(1), "100 %"}, {percent(0.99999), "99.99 %"}, {percent(0.1), "10 %"}, {percent(0.57), "57 %"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestTargets(t *testing.T) {
	for _, test := range []struct {
		objective result.Objective
		want      string
	}{
		{result.Objective{Unit: "share", Target: 1, AtLeast: true}, "100 %"}, // there is no more
		{result.Objective{Unit: "share", Target: 0.95, AtLeast: true}, "at least 95 %"},
		{result.Objective{Unit: "ratio", Target: 0.6, AtLeast: true}, "at least 0.6"},
		{result.Objective{Unit: "spans"}, "0"},
		{result.Objective{Unit: "s", Target: 2}, "at most 2 s"},
	} {
		if got := Target(test.objective); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestMissedFiguresDoNotLookLikeTheirTarget(t *testing.T) {
	for _, test := range []struct {
		objective result.Objective
		want      string
	}{
		{result.Objective{Value: ptr(0.59996), Unit: "ratio", Target: 0.6, AtLeast: true}, "0.59996"},
		{result.Objective{Value: ptr(2.0004), Unit: "s", Target: 2}, "2.0004 s"},
		{result.Objective{Value: ptr(0.999999), Unit: "share", Target: 1, AtLeast: true}, "99.99 %"},
		{result.Objective{Value: ptr(12345.0), Unit: "spans"}, "12,345 spans"},
		{result.Objective{Value: ptr(2.0), Unit: "s", Target: 2}, "2 s"},
	} {
		if got := Measured(test.objective); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
