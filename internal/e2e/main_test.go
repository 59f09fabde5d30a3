// Package e2e tests the whole stack, of real parts, as its user would see it.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/internal/stack"
	"throughline/internal/stack/stacktest"
	"throughline/internal/verify"
)

// What every test of this package uses: one running stack.
var (
	environment = &stacktest.Environment{}
	running     *stack.Stack
	target      verify.Target
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == probeArgument {
		probe(os.Args[2:])
		return
	}
	stacktest.Main(m, run)
}

func run(m *testing.M) (int, error) {
	ctx := context.Background()
	s, err := stacktest.New(environment)
	if err != nil {
		return 1, err
	}
	running, target = s, verify.TargetOf(s)
	console := stack.NewConsole(os.Stderr)
	if err := s.Up(ctx, console, stack.UpOptions{}); err != nil {
		return 1, errors.Join(err, s.Down(ctx, console, stack.DownOptions{}))
	}
	status := m.Run()
	if err := s.Down(ctx, console, stack.DownOptions{}); err != nil {
		return 1, err
	}
	if err := checkNothingRuns(ctx, s, environment); err != nil {
		return 1, err
	}
	if err := checkLogsKeepSecrets(filepath.Join(s.RunDir(), "logs")); err != nil {
		return 1, err
	}
	if status == 0 {
		return 0, os.RemoveAll(s.RunDir())
	}
	return status, fmt.Errorf("the logs of the failed run are kept in %s", s.RunDir())
}

// sharedStackWith is the stack that all tests share, with other variables.
func sharedStackWith(t *testing.T, set map[string]string) *stack.Stack {
	t.Helper()
	s, err := stack.New("", func(name string) string {
		if value, ok := set[name]; ok {
			return value
		}
		return environment.Getenv(name)
	})
	require.NoError(t, err)
	return s
}

// ownStack makes a stack beside the one that all tests share. When the test ends it is
// down, and nothing of it is left.
func ownStack(t *testing.T, set map[string]string) (*stack.Stack, *stacktest.Environment) {
	t.Helper()
	environment := &stacktest.Environment{Set: set}
	s, err := stacktest.New(environment)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		assert.NoError(t, s.Down(ctx, stack.NewConsole(t.Output()), stack.DownOptions{}))
		assert.NoError(t, checkNothingRuns(ctx, s, environment))
		assert.NoError(t, checkLogsKeepSecrets(filepath.Join(s.RunDir(), "logs")))
		if !t.Failed() {
			assert.NoError(t, os.RemoveAll(s.RunDir()))
		}
	})
	return s, environment
}

func checkNothingRuns(ctx context.Context, s *stack.Stack, environment *stacktest.Environment) error {
	for _, part := range s.Status(ctx) {
		if part.State != stack.Stopped {
			return fmt.Errorf("after down: %s is %s", part.Name, part.State)
		}
	}
	if taken := environment.TakenPorts(); len(taken) > 0 {
		return fmt.Errorf("after down: something listens on %v", taken)
	}
	return nil
}

var secret = regexp.MustCompile(`\b1[3-9][0-9]{9}\b|demo-password|eyJhbGci`)

// checkLogsKeepSecrets looks for mobile numbers, passwords and tokens in all that
// the parts have logged in all the tests.
func checkLogsKeepSecrets(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "build-") {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if at := secret.FindIndex(content); at != nil {
			line := content[bytes.LastIndexByte(content[:at[0]], '\n')+1:]
			return fmt.Errorf("%s holds a mobile number, a password or a token: %.300s", path, line)
		}
		return nil
	})
}
