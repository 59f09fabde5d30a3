package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrUnsupported means that the API of a store has no such question, or that the
// store, as it is set, cannot answer it.
var ErrUnsupported = errors.New("it has no answer to such a question")

// TraceInventory is a store of traces that tells what it holds.
type TraceInventory interface {
	TraceSearcher
	// SpanIDs returns the ids of the spans of a trace, as often as the store holds
	// each. The error is ErrNotFound when there is no such trace.
	SpanIDs(ctx context.Context, id string) ([]string, error)
	// Services returns the names of all services.
	Services(ctx context.Context) ([]string, error)
	// AttributeNames returns the names of the attributes of spans, or ErrUnsupported.
	AttributeNames(ctx context.Context) ([]string, error)
	// SpansByService counts the spans of a window, or returns ErrUnsupported.
	SpansByService(ctx context.Context, w Window) (map[string]int, error)
}

// SpanIDs implements TraceInventory by the HTTP API of Jaeger's web page, which
// other stores speak, too.
func (j *Jaeger) SpanIDs(ctx context.Context, id string) ([]string, error) {
	var answer struct {
		Data []struct {
			Spans []struct{ SpanID string }
		}
	}
	if err := j.getJSON(ctx, "/api/traces/"+id+"?raw=true", &answer); err != nil {
		return nil, fmt.Errorf("trace %s: %w", id, err)
	}
	var ids []string
	for _, trace := range answer.Data {
		for _, span := range trace.Spans {
			ids = append(ids, fmt.Sprintf("%016s", span.SpanID))
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("trace %s: %w", id, ErrNotFound)
	}
	return ids, nil
}

// Services implements TraceInventory.
func (j *Jaeger) Services(ctx context.Context) ([]string, error) {
	var answer struct{ Data []string }
	err := j.getJSON(ctx, "/api/services", &answer)
	return answer.Data, err
}

// AttributeNames implements TraceInventory: Jaeger lists none.
func (j *Jaeger) AttributeNames(context.Context) ([]string, error) { return nil, ErrUnsupported }

// SpansByService implements TraceInventory: Jaeger's query API counts nothing.
func (j *Jaeger) SpansByService(context.Context, Window) (map[string]int, error) {
	return nil, ErrUnsupported
}

// SpanIDs implements TraceInventory.
func (t *Tempo) SpanIDs(ctx context.Context, id string) ([]string, error) {
	trace, err := t.Trace(ctx, id)
	var ids []string
	for _, span := range trace.Spans {
		ids = append(ids, span.SpanID)
	}
	return ids, err
}

// Services implements TraceInventory.
func (t *Tempo) Services(ctx context.Context) ([]string, error) {
	var answer struct{ TagValues []struct{ Value string } }
	err := t.getJSON(ctx, "/api/v2/search/tag/resource.service.name/values", &answer)
	var names []string
	for _, value := range answer.TagValues {
		names = append(names, value.Value)
	}
	return names, err
}

// AttributeNames implements TraceInventory.
func (t *Tempo) AttributeNames(ctx context.Context) ([]string, error) {
	var answer struct{ Scopes []struct{ Tags []string } }
	err := t.getJSON(ctx, "/api/v2/search/tags?scope=span", &answer)
	var names []string
	for _, scope := range answer.Scopes {
		names = append(names, scope.Tags...)
	}
	return names, err
}

// SpansByService implements TraceInventory by TraceQL metrics.
func (t *Tempo) SpansByService(ctx context.Context, w Window) (map[string]int, error) {
	const query = "{ } | count_over_time() by (resource.service.name)"
	step := max(time.Second, w.End.Sub(w.Start)/100)
	parameters := url.Values{
		"q":     {query},
		"start": {strconv.FormatInt(w.Start.Unix(), 10)},
		"end":   {strconv.FormatInt(w.End.Unix()+1, 10)},
		"step":  {strconv.Itoa(int(step.Seconds())) + "s"},
	}
	var answer struct {
		Series []struct {
			Labels []struct {
				Value struct{ StringValue string }
			}
			Samples []struct{ Value float64 }
		}
	}
	if err := t.getJSON(ctx, "/api/metrics/query_range?"+parameters.Encode(), &answer); err != nil {
		if strings.Contains(err.Error(), "error finding generators") {
			return nil, fmt.Errorf("TraceQL metrics take a metrics generator with local blocks: %w", ErrUnsupported)
		}
		return nil, fmt.Errorf("query %s: %w", query, err)
	}
	counts := map[string]int{}
	for _, series := range answer.Series {
		for _, label := range series.Labels {
			for _, sample := range series.Samples {
				counts[label.Value.StringValue] += int(sample.Value)
			}
		}
	}
	return counts, nil
}

// ChangedSettings returns, as YAML, the settings with which Tempo runs that are
// not its defaults.
func (t *Tempo) ChangedSettings(ctx context.Context) (string, error) {
	body, err := t.get(ctx, "/status/config?mode=diff", "*/*")
	return string(body), err
}

// getJSON reads an answer into a value.
func (e endpoint) getJSON(ctx context.Context, path string, into any) error {
	body, err := e.get(ctx, path, "application/json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s at %s does not answer %s in JSON: %w; is the address that of its query API?", e.name, e.url, path, err)
	}
	return nil
}
