package evaluate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
	"throughline/internal/stores"
)

// What Only may name.
const (
	OnlyStack  = "stack"
	OnlyStores = "stores"
)

// StoreOptions say which trace stores to measure, each alone, and with what.
type StoreOptions struct {
	// List is a file with candidates of the user's, measured beside those of
	// docs/evaluate/stores.yaml; may be empty.
	List string
	// Replay is a file of OTLP JSON lines to fill them with; empty for made traces.
	Replay string
	// Spans is how many the largest size has; 0 leaves it to the plan.
	Spans int
	// Demand is what a team would store.
	Demand result.Demand
}

// estateSeed makes the same traces on every machine.
const estateSeed = 1

// storeSteps are the measurements of the trace stores. For their time the stack is
// paused: resume, which may be called at any time, ends that.
func storeSteps(s *stack.Stack, options Options) (steps []step, resume func(context.Context) error, err error) {
	plan := stores.Plans[options.Duration]
	if options.Stores.Spans > 0 {
		plan = plan.LargestOf(options.Stores.Spans)
	}
	docs := func(name string) string { return filepath.Join(s.Root(), "docs", "evaluate", name) }
	list, err := stores.Load(docs("stores.yaml"), docs("stores.schema.json"))
	if err != nil {
		return nil, nil, err
	}
	if options.Stores.List != "" {
		own, err := stores.Load(options.Stores.List, docs("stores.schema.json"))
		if err != nil {
			return nil, nil, err
		}
		list = list.With(own)
	}
	bench, err := stores.NewBench(s, plan, options.Progress, options.Stores.Replay, estateSeed)
	if err != nil {
		return nil, nil, err
	}
	var paused func(context.Context) error
	resume = func(ctx context.Context) error {
		if paused == nil {
			return nil
		}
		again := paused
		paused = nil
		fmt.Fprintln(options.Progress, "       starting the stack again")
		return again(ctx)
	}
	ready := func(ctx context.Context, c stores.Candidate, r *result.Results) error {
		r.StoresFilledWith, r.Demand = bench.FilledWith(), &options.Stores.Demand
		if err := s.BuildPrograms(ctx, stack.NewConsole(options.Progress), c.Needs()...); err != nil {
			return err
		}
		if paused != nil {
			return nil
		}
		var err error
		if paused, err = s.Pause(ctx); paused != nil {
			fmt.Fprintln(options.Progress, "       the stack is stopped meanwhile, for each store is measured alone")
		}
		return err
	}
	skip := func(c stores.Candidate) string {
		switch {
		case options.Target == "compose" && len(c.Command) > 0:
			return "under Docker Compose no store is started natively: evaluate the native stack for it"
		case c.FullOnly && plan.Name != "full":
			return "only in the full evaluation"
		}
		return ""
	}
	for _, c := range list.Stores {
		steps = append(steps, step{"trace store: " + c.Name, plan.Usual(), skip(c), func(ctx context.Context, r *result.Results) (string, error) {
			if err := ready(ctx, c, r); err != nil {
				return "", err
			}
			found, err := bench.Measure(ctx, c)
			if err != nil {
				return "", err
			}
			r.Stores = append(r.Stores, found)
			return storeSummary(found), nil
		}})
	}
	for _, curve := range list.Curves {
		at := slices.IndexFunc(list.Stores, func(c stores.Candidate) bool { return c.Name == curve.Store })
		c := list.Stores[at]
		why := skip(c)
		if why == "" && !plan.Curves {
			why = "only in the full evaluation"
		}
		steps = append(steps, step{"curve: " + curve.Name, plan.UsualPoint() * time.Duration(len(curve.Points)), why, func(ctx context.Context, r *result.Results) (string, error) {
			if err := ready(ctx, c, r); err != nil {
				return "", err
			}
			found, err := bench.MeasureCurve(ctx, curve, c)
			if err != nil {
				return "", err
			}
			r.StoreCurves = append(r.StoreCurves, found)
			return fmt.Sprintf("%d values of a setting", len(found.Points)), nil
		}})
	}
	return steps, resume, nil
}

// LoadPrices reads a file of prices. The error names the file and what is wrong.
func LoadPrices(path string) (prices result.Prices, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return prices, fmt.Errorf("prices: %w; docs/evaluate/prices.yaml is an example", err)
	}
	var file struct {
		Currency      string   `yaml:"currency"`
		CPUHour       *float64 `yaml:"cpu_hour"`
		MemoryGBMonth *float64 `yaml:"memory_gb_month"`
		DiskGBMonth   *float64 `yaml:"disk_gb_month"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		return prices, fmt.Errorf("prices: %s: %w; docs/evaluate/prices.yaml is an example", path, err)
	}
	for name, price := range map[string]*float64{"cpu_hour": file.CPUHour, "memory_gb_month": file.MemoryGBMonth, "disk_gb_month": file.DiskGBMonth} {
		if price == nil || *price < 0 {
			return prices, fmt.Errorf("prices: %s: %s is missing or below 0; docs/evaluate/prices.yaml is an example", path, name)
		}
	}
	return result.Prices{Currency: file.Currency, CPUHour: *file.CPUHour, MemoryGBMonth: *file.MemoryGBMonth, DiskGBMonth: *file.DiskGBMonth}, nil
}

func storeSummary(s result.Store) string {
	var words []string
	for _, i := range s.Ingest {
		if i.CPUPerMillion != nil {
			words = append(words, fmt.Sprintf("%.0f CPU seconds per million spans at %d a second", *i.CPUPerMillion, i.Rate))
		}
	}
	if len(s.Sizes) > 0 {
		if last := s.Sizes[len(s.Sizes)-1]; last.BytesPerSpan != nil {
			words = append(words, fmt.Sprintf("%.0f bytes per span", *last.BytesPerSpan))
		}
	}
	if len(words) == 0 {
		return "no figure"
	}
	return strings.Join(words, ", ")
}
