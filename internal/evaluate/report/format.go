package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"throughline/internal/evaluate/result"
)

// unknown stands for a figure that could not be had.
const unknown = "–"

// precision is how many significant digits a reader needs to compare two parts.
const precision = 3

// exact is enough of them for any count.
const exact = 18

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// significant writes v with that many significant digits, never in exponents,
// and with commas between thousands.
func significant(v float64, digits int) string {
	switch {
	case !finite(v):
		return unknown
	case v == 0:
		return "0"
	}
	decimals := digits - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	if decimals < 0 {
		step := math.Pow10(-decimals)
		v, decimals = math.Round(v/step)*step, 0
	}
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	whole, fraction, _ := strings.Cut(s, ".")
	for at := len(whole) - 3; at > 0 && whole[at-1] != '-'; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

func number(v float64) string { return significant(v, precision) }

// count writes a whole number.
func count[N int | int64](n N) string { return significant(float64(n), exact) }

// countAny is count for templates, which know no type parameters.
func countAny(v any) (string, error) {
	switch n := v.(type) {
	case int:
		return count(n), nil
	case int64:
		return count(n), nil
	}
	return "", fmt.Errorf("count of a %T", v)
}

func seconds(v float64) string      { return duration(v, precision) }
func cpu(v float64) string          { return number(v) + " s" }
func milliseconds(v float64) string { return duration(v/1000, precision) }

// duration writes v seconds.
func duration(v float64, digits int) string {
	switch abs := math.Abs(v); {
	case !finite(v):
		return unknown
	case abs == 0:
		return "0 s"
	case abs < 0.9995:
		return significant(v*1000, digits) + " ms"
	case abs < 120:
		return significant(v, digits) + " s"
	}
	whole := math.Round(v)
	if rest := math.Mod(whole, 60); rest != 0 {
		return fmt.Sprintf("%.0f min %.0f s", math.Trunc(whole/60), math.Abs(rest))
	}
	return fmt.Sprintf("%.0f min", whole/60)
}

// size writes a number of bytes, in powers of 1000.
func size(v float64) string {
	if !finite(v) {
		return unknown
	}
	units := []string{"B", "kB", "MB", "GB", "TB"}
	for math.Abs(v) >= 999.5 && len(units) > 1 {
		v, units = v/1000, units[1:]
	}
	return significant(v, precision) + " " + units[0]
}

// percent writes a share. It rounds down, so that 100 % is all of them.
func percent(share float64) string {
	if !finite(share) {
		return unknown
	}
	return strconv.FormatFloat(math.Floor(share*1e4+1e-6)/100, 'f', -1, 64) + " %"
}

// quantity writes v in the unit of an objective.
func quantity(v float64, unit string, digits int) string {
	switch {
	case unit == "s" && finite(v):
		return duration(v, digits)
	case unit == "share":
		return percent(v)
	case unit == "ratio":
		return significant(v, digits)
	}
	if v == math.Trunc(v) {
		digits = exact
	}
	return significant(v, digits) + " " + unit
}

// Measured writes the value of an objective, to so many digits that it does not
// look like the target when it is not.
func Measured(o result.Objective) string {
	if verdict := o.Verdict(); verdict == "not measured" || verdict == "not applicable" {
		return verdict
	}
	value, target := "", quantity(o.Target, o.Unit, precision)
	for digits := precision; digits < 12; digits++ {
		value = quantity(*o.Value, o.Unit, digits)
		if *o.Value == o.Target || value != target {
			break
		}
	}
	return value
}

// Target writes what an objective wants.
func Target(o result.Objective) string {
	limit := quantity(o.Target, o.Unit, precision)
	switch {
	case o.AtLeast && o.Unit == "share" && o.Target == 1: // there is no more
		return limit
	case o.AtLeast:
		return "at least " + limit
	case o.Target == 0:
		return "0"
	}
	return "at most " + limit
}

func verdict(o result.Objective) string { return o.Verdict() }

func moment(t time.Time) string {
	if t.IsZero() {
		return unknown
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}
