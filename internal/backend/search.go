package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

// SearchIn returns the ids of at most limit traces of the window that match the
// TraceQL query. Unlike [Tempo.Search] it also finds what Tempo has long
// written into blocks.
func (t *Tempo) SearchIn(ctx context.Context, traceQL string, w Window, limit int) ([]string, error) {
	query := url.Values{
		"q":     {traceQL},
		"start": {strconv.FormatInt(w.Start.Unix(), 10)},
		"end":   {strconv.FormatInt(w.End.Unix(), 10)},
		"limit": {strconv.Itoa(limit)},
	}
	body, err := t.get(ctx, "/api/search?"+query.Encode(), "application/json")
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", traceQL, err)
	}
	var answer struct {
		Traces []struct{ TraceID string }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("search %s: Tempo at %s does not answer in JSON: %w; is the address Tempo's?", traceQL, t.url, err)
	}
	var ids []string
	for _, found := range answer.Traces {
		ids = append(ids, fmt.Sprintf("%032s", found.TraceID))
	}
	return ids, nil
}
