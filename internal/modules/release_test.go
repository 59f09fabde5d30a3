package modules

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReleaseCheck(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(content), 0o755))
	}
	for from, to := range map[string]string{"release-check.sh": "internal/modules/release-check.sh", "../../versions.env": "versions.env"} {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		write(to, string(content))
	}
	const api = "func Kept() {}\nfunc Old(int) {}\n"
	is := func(version, api string) {
		t.Helper()
		write("otelamqp/CHANGELOG.md", "# Changes\n\n## "+version+"\n\n- This.\n\n## 0.0.1\n")
		write("otelamqp/otelamqp.go", "package otelamqp\n\n"+api)
	}
	release := func(tag string) {
		t.Helper()
		run(t, dir, nil, "git", "add", ".")
		run(t, dir, nil, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "-q", "--allow-empty", "-m", tag)
		run(t, dir, nil, "git", "tag", tag)
	}
	check := func() (passed bool, output string) {
		t.Helper()
		printed, err := exec.CommandContext(t.Context(), filepath.Join(dir, "internal/modules/release-check.sh")).CombinedOutput()
		return err == nil, string(printed)
	}
	run(t, dir, nil, "git", "init", "-q")
	write("otelamqp/go.mod", "module example.com/otelamqp\n\ngo 1.26\n")
	write("telemetry/CHANGELOG.md", "## 0.1.0\n")

	is("0.1.0", api)
	passed, output := check()
	assert.True(t, passed, output)
	assert.Contains(t, output, "otelamqp 0.1.0: there is no release yet")

	release("otelamqp/v0.1.0")
	for _, c := range []struct {
		version, api string
		passes       bool
		says         string
	}{
		{"0.1.0", api, false, "otelamqp/v0.1.0 is released already"},
		{"0.1.1", api + "func New() {}\n", true, "otelamqp 0.1.1 may follow 0.1.0"},
		{"0.1.1", "func Kept() {}\n", false, "Old: removed"},
		{"0.1.1", "func Kept() {}\nfunc Old(string) {}\n", false, "otelamqp 0.1.1 breaks programs that use 0.1.0"},
		{"0.2.0", "func Kept() {}\n", true, "otelamqp 0.2.0 may follow 0.1.0"},
	} {
		is(c.version, c.api)
		passed, output := check()
		assert.Equal(t, c.passes, passed, output)
		assert.Contains(t, output, c.says)
	}

	is("1.9.0", api)
	release("otelamqp/v1.9.0")
	is("1.10.0", "func Kept() {}\n")
	passed, output = check()
	assert.False(t, passed, "from 1.0 on a minor version breaks nothing")
	assert.Contains(t, output, "Old: removed")
	is("1.10.0", api)
	release("otelamqp/v1.10.0")
	is("2.0.0", "func Kept() {}\n")
	passed, output = check()
	assert.True(t, passed, output)
	assert.Contains(t, output, "otelamqp 2.0.0 may follow 1.10.0") // not 1.9.0
}
