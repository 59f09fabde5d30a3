package score

import (
	"fmt"

	"throughline/internal/backend"
)

// logs are lines of one service.
type logs struct {
	any bool
	// unset is a line without a severity, if there is one.
	unset *backend.LogLine
}

var logRules = []rule{
	{id: "LOG-002", impact: "important", title: "log records have a severity", applies: func(s seen) bool { return s.logs.any }, broken: func(s seen) (example, trace string) {
		line := s.logs.unset
		if line == nil {
			return "", ""
		}
		return fmt.Sprintf("the line %.60q has no severity", line.Text), line.Labels["trace_id"]
	}},
}
