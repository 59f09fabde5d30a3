// Package modules proves that others can take the libraries of a renamed copy of this
// tree as Go modules.
package modules

import (
	"archive/zip"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"throughline/rabbitmq/rabbitmqtest"
)

// hosted is where the copy says that it is.
const hosted = "git.example.com/platform/throughline"

var broker rabbitmqtest.Broker

func TestMain(m *testing.M) { os.Exit(broker.Run(m)) }

// copyTree copies the sources, without what is built of them.
func copyTree(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	root := "../.."
	without := []string{"../../.git", "../../.build", "../../.run", "../../report", "../../console/node_modules"}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if slices.Contains(without, path) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, relative)
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o755)
		case !info.Mode().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, content, info.Mode())
	}))
	return dir
}

// run runs a command and returns what it prints.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	require.NoError(t, err, "%s\n%s%s", command, output, &stderr)
	return string(output)
}

func TestRenamedCopyIsALibraryForOthers(t *testing.T) {
	tree := copyTree(t)
	run(t, tree, nil, "make", "-s", "module", "MODULE="+hosted)
	assert.Equal(t, hosted+"/otelamqp\n"+hosted+"/services/login-api\n"+hosted+"/telemetry\n",
		run(t, tree, nil, "go", "list", "./otelamqp", "./services/login-api", "./telemetry"))
	run(t, tree, nil, "go", "vet", "./otelamqp/...", "./telemetry/...", "./services/...", "./cmd/...")
	run(t, tree, []string{"GOWORK=off"}, "go", "vet", "-C", "docs/adopt/go-queue", ".")
	run(t, tree, []string{"GOWORK=off", rabbitmqtest.URLVariable + "="}, "go", "test", "-C", "otelamqp", "./...")
	assert.Empty(t, run(t, tree, nil, "bash", "-c", `gofmt -l $(go list -f '{{.Dir}}' work)`))
	for _, file := range []string{"docs/adopt.md", "otelamqp/README.md", "internal/otlpload/login.otlp.json"} {
		content, err := os.ReadFile(filepath.Join(tree, file))
		require.NoError(t, err)
		assert.Contains(t, string(content), hosted+"/otelamqp", file)
		assert.NotRegexp(t, `[^/]throughline/otelamqp`, string(content), file)
	}

	proxy := t.TempDir()
	for _, library := range []string{"otelamqp", "telemetry"} {
		changes, err := os.ReadFile(filepath.Join(tree, library, "CHANGELOG.md"))
		require.NoError(t, err)
		version := "v" + string(regexp.MustCompile(`(?m)^## (.*)`).FindSubmatch(changes)[1])
		publish(t, proxy, hosted+"/"+library, version, filepath.Join(tree, library))
	}

	downloaded := filepath.Join(strings.TrimSpace(run(t, ".", nil, "go", "env", "GOMODCACHE")), "cache/download")
	usual := strings.TrimSpace(run(t, ".", nil, "go", "env", "GOPROXY"))
	env := []string{
		"GOPROXY=file://" + proxy + ",file://" + downloaded + "," + usual,
		"GOMODCACHE=" + t.TempDir(), "GOFLAGS=-modcacherw -mod=mod -trimpath", "GOSUMDB=off", "GOWORK=off", "CGO_ENABLED=0",
		"RABBITMQ_URL=" + broker.URL(), "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
	}
	gomod, err := os.ReadFile(filepath.Join(tree, "otelamqp/go.mod"))
	require.NoError(t, err)
	sdk := string(regexp.MustCompile(`otel/sdk (v\S+)`).FindSubmatch(gomod)[1])

	// A module of others, made as they do it.
	module := func(name, path string) (dir string) {
		dir = t.TempDir()
		require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("testdata", name))))
		run(t, dir, env, "go", "mod", "init", path)
		return dir
	}
	library := module("library", "lib.example.com/queue")
	run(t, library, env, "go", "get", hosted+"/otelamqp@latest")
	run(t, library, env, "go", "mod", "tidy")
	publish(t, proxy, "lib.example.com/queue", "v1.2.3", library)

	for name, needs := range map[string][]string{
		"direct":   {hosted + "/otelamqp@latest", hosted + "/telemetry@latest"},
		"indirect": {"lib.example.com/queue@latest"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := module(name, "example.com/"+name)
			run(t, dir, env, "go", "mod", "edit", "-require=go.opentelemetry.io/otel/sdk@"+sdk)
			run(t, dir, env, "go", append([]string{"get"}, needs...)...)
			run(t, dir, env, "go", "mod", "tidy")
			spans := strings.Split(strings.TrimSpace(run(t, dir, env, "go", "run", ".")), "\n")
			require.Len(t, spans, 2)
			trace := spans[0][strings.LastIndex(spans[0], " ")+1:]
			assert.Equal(t, []string{hosted + "/otelamqp send " + trace, hosted + "/otelamqp process " + trace}, spans)
		})
	}
}

func TestModuleMustHaveAPath(t *testing.T) {
	for _, path := range []string{"", "throughline", "https://git.example.com/throughline", "git.example.com/a b", "git.example.com/"} {
		output, err := exec.CommandContext(t.Context(), "./rename.sh", path).CombinedOutput()
		require.Error(t, err, path)
		assert.Contains(t, string(output), "MODULE='"+path+"' is not the path of a Go module: give")
	}
}

// publish puts a module into a proxy of files.
func publish(t *testing.T, proxy, path, version, dir string) {
	t.Helper()
	at := filepath.Join(proxy, path, "@v")
	require.NoError(t, os.MkdirAll(at, 0o755))
	gomod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	for name, content := range map[string]string{
		"list":            version + "\n",
		version + ".info": fmt.Sprintf(`{"Version": %q, "Time": "2026-01-02T03:04:05Z"}`, version),
		version + ".mod":  string(gomod),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(at, name), []byte(content), 0o644))
	}
	file, err := os.Create(filepath.Join(at, version+".zip"))
	require.NoError(t, err)
	defer file.Close()
	archive := zip.NewWriter(file)
	require.NoError(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		writer, err := archive.Create(path + "@" + version + "/" + filepath.ToSlash(name))
		if err == nil {
			_, err = writer.Write(content)
		}
		return err
	}))
	require.NoError(t, archive.Close())
}
