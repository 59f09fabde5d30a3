package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"throughline/internal/backend"
	"throughline/internal/demo"
)

// mobilePattern is a mobile number of mainland China, alone or behind its
// country code. Neither digits, letters nor a point may touch it, so that ids
// and fractions are none.
var mobilePattern = regexp.MustCompile(`(?:^|[^0-9A-Za-z.])(?:\+?86[- ]?)?1[3-9][0-9]{9}(?:$|[^0-9A-Za-z])`)

// checkNoMobileNumber searches every text of every span of all traces that the
// other checks made. The go-zero probes were called with a mobile number in
// the query, which go-zero records, so that the collector's mask is tested too.
func (r *run) checkNoMobileNumber(context.Context) Check {
	traces := slices.Clone(r.probes)
	for _, login := range r.logins {
		traces = append(traces, login.traces...)
	}
	var found []string
	spans := 0
	for _, trace := range traces {
		for _, span := range trace.Spans {
			spans++
			for _, place := range placesWithMobile(span) {
				found = append(found, fmt.Sprintf("trace %s: %s has a mobile number in its %s", span.TraceID, span.Describe(), place))
			}
		}
	}
	if len(r.logins) == 0 {
		return failed("%v", errNoTrace)
	}
	check := Check{OK: len(found) == 0, Value: float64(len(found)), Unit: "places"}
	check.Detail = fmt.Sprintf("none in %d spans of %d traces as the stores hold them", spans, len(traces))
	if !check.OK {
		check.Detail = fmt.Sprintf("%d places in %d spans: %s; mask it where the span is made, or in otel-collector/config.yaml", len(found), spans, firstOf(found))
	}
	return check
}

// placesWithMobile names the fields of a span that hold a mobile number. It
// does not repeat the number.
func placesWithMobile(span backend.Span) []string {
	var places []string
	look := func(place, text string) {
		if hasMobile(text) {
			places = append(places, place)
		}
	}
	attributes := func(place string, attributes backend.Attributes) {
		for _, key := range slices.Sorted(maps.Keys(attributes)) {
			look(place+" key", key)
			look(place+" "+key, text(attributes[key]))
		}
	}
	look("name", span.Name)
	look("status message", span.StatusMessage)
	attributes("attribute", span.Attributes)
	attributes("resource attribute", span.Resource)
	look("scope", span.Scope.Name+" "+span.Scope.Version)
	attributes("scope attribute", span.Scope.Attributes)
	for _, event := range span.Events {
		look("event name", event.Name)
		attributes("attribute of event "+event.Name, event.Attributes)
	}
	for _, link := range span.Links {
		attributes("link attribute", link.Attributes)
	}
	return places
}

// text writes a value so that whatever digits it holds can be searched.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(encoded)
}

// hasMobile finds the demo users' numbers wherever they stand, and any other
// where it stands alone.
func hasMobile(text string) bool {
	for _, user := range demo.Users {
		if strings.Contains(text, user.Mobile) {
			return true
		}
	}
	return mobilePattern.MatchString(text)
}
