package dashboards

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"throughline/internal/fault"
)

// Cause and effect: what was broken, on all that is drawn over time.
func TestFaultsAreMarkedWherePanelsHaveATimeAxis(t *testing.T) {
	marked := 0
	for _, d := range load(t) {
		hasTimeAxis := slices.ContainsFunc(d.Panels, func(p Panel) bool { return p.Type == "timeseries" || p.Type == "heatmap" })
		if !hasTimeAxis {
			require.Empty(t, d.Annotations.List, d.UID)
			continue
		}
		marked++
		require.Equal(t, []Annotation{{
			Name: "Faults", Datasource: Datasource{"loki", "${loki}"}, Enable: true, IconColor: "red",
			Expr: fmt.Sprintf("{service_name=%q}", fault.Service), TitleFormat: "{{fault_name}} {{fault_phase}}", TagKeys: "fault_name",
		}}, d.Annotations.List, d.UID)
	}
	require.NotZero(t, marked)
}

// withoutLokis takes out of the annotations what only Grafana's Loki source knows;
// the schema has no place for it.
func withoutLokis(dashboard any) {
	annotations, _ := dashboard.(map[string]any)["annotations"].(map[string]any)
	list, _ := annotations["list"].([]any)
	for _, annotation := range list {
		for _, field := range []string{"expr", "titleFormat", "tagKeys"} {
			delete(annotation.(map[string]any), field)
		}
	}
}
