package evaluate

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
)

// state is an evaluation that may not be finished.
type state struct {
	Done       []string       `json:"done"` // names of steps
	Conditions conditions     `json:"conditions"`
	Results    result.Results `json:"results"`

	path string
}

// conditions are what all steps of one evaluation have in common. What was measured
// under others does not belong into one report.
type conditions struct {
	Revision string `json:"revision"` // of the source tree, with what is not committed
	Settings string `json:"settings"` // see [stack.Stack.Settings]
	// Only and Stores are those of the options.
	Only   string       `json:"only"`
	Stores StoreOptions `json:"stores"`
}

// oldest is how long ago an evaluation may have begun that is gone on with.
const oldest = 24 * time.Hour

func conditionsOf(ctx context.Context, s *stack.Stack, options Options) (conditions, error) {
	settings, err := s.Settings()
	return conditions{Revision: exactRevision(ctx, s.Root()), Settings: settings, Only: options.Only, Stores: options.Stores}, err
}

// openState reads the evaluation that was interrupted. One that is not to be gone
// on with is given up for a new one: why says so in words, and is empty when there
// was none.
func openState(options Options, as conditions) (s *state, why string, err error) {
	if err := os.MkdirAll(options.Out, 0o755); err != nil {
		return nil, "", fmt.Errorf("--out %s: %w; give a directory that can be written", options.Out, err)
	}
	path := filepath.Join(options.Out, "unfinished.json")
	fresh := &state{
		Conditions: as, path: path,
		Results: result.Results{Schema: result.Schema, Duration: options.Duration, Target: options.Target, Started: time.Now()},
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return fresh, "", nil
	}
	s = &state{path: path}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, "", fmt.Errorf("go on with %s: %w; remove it to begin anew", path, err)
	}
	if why := s.differs(options, as); why != "" {
		return fresh, why, nil
	}
	return s, "", nil
}

// differs says why the evaluation is not to be gone on with.
func (s *state) differs(options Options, as conditions) string {
	r, was := s.Results, s.Conditions
	age := time.Since(r.Started)
	switch {
	case r.Schema != result.Schema:
		return fmt.Sprintf("its results are in schema %d, and this writes %d", r.Schema, result.Schema)
	case r.Duration != options.Duration:
		return fmt.Sprintf("it is %s, and this is %s", r.Duration, options.Duration)
	case r.Target != options.Target:
		return fmt.Sprintf("it is of the %s stack, and this of the %s one", r.Target, options.Target)
	case was.Revision != as.Revision:
		return fmt.Sprintf("it is of revision %s, and this of %s", was.Revision, as.Revision)
	case was.Settings != as.Settings:
		return "the parts had other versions, configurations or variables"
	case was.Only != as.Only || was.Stores != as.Stores:
		return "it had another --only, or other options of the stores"
	case age > oldest:
		return fmt.Sprintf("it began %s ago, longer than %s", age.Round(time.Minute), oldest)
	}
	return ""
}

func (s *state) save() error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}

func (s *state) close() error { return os.Remove(s.path) }

// exactRevision is the commit of the source tree; where files that it has were
// changed since, with what stands for the changes. A copy without its history has
// none.
func exactRevision(ctx context.Context, root string) string {
	revision := revision(root)
	changes, err := exec.CommandContext(ctx, "git", "-C", root, "diff", "HEAD").Output()
	if err != nil || len(changes) == 0 {
		return revision
	}
	digest := sha256.Sum256(changes)
	return fmt.Sprintf("%s with changes %x", strings.TrimSuffix(revision, "-dirty"), digest[:4])
}
