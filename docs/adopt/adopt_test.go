// Package adopt holds the programs of docs/adopt.md.
package adopt

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var diffBlock = regexp.MustCompile("(?s)```diff\n--- (\\S+)\n[+]{3} (\\S+)\n(.*?)```")

// Each diff of the page turns the file of one step into that of the next: it
// shows every line that changes, and no line that is not there.
func TestDiffsAreTheWholeDifference(t *testing.T) {
	page, err := os.ReadFile("../adopt.md")
	require.NoError(t, err)
	shown := map[string]bool{}
	for _, block := range diffBlock.FindAllStringSubmatch(string(page), -1) {
		from, to := block[1], block[2]
		shown[to] = true
		assert.Equal(t, read(t, to), apply(t, read(t, from), block[3]), "%s to %s", from, to)
	}
	files, err := filepath.Glob("[1-9]*/*/*.go")
	require.NoError(t, err)
	configs, err := filepath.Glob("[1-9]*/*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, configs...) {
		assert.True(t, shown[file], "no diff of docs/adopt.md leads to %s", file)
	}
}

var (
	codeBlock  = regexp.MustCompile("(?s)```.*?```")
	functions  = regexp.MustCompile(`\b(With[A-Z]\w+|WrapBody|UnwrapBody|StartProcess|ProcessBatch|Attempt)\b`)
	attributes = regexp.MustCompile(`throughline[.]message[.][a-z_.]+[a-z]`)
)

// What the page names beside its diffs is the libraries', too.
func TestNamesAreThoseOfTheLibraries(t *testing.T) {
	text := codeBlock.ReplaceAllString(read(t, "../adopt.md"), "")
	files, err := filepath.Glob("../../otelamqp/*.go")
	require.NoError(t, err)
	ofTelemetry, err := filepath.Glob("../../telemetry/*.go")
	require.NoError(t, err)
	var source strings.Builder
	for _, file := range append(files, ofTelemetry...) {
		source.WriteString(read(t, file))
	}
	for _, name := range functions.FindAllString(text, -1) {
		declared := regexp.MustCompile(`(?m)^func (\(c \*Channel\) )?` + name + `\(`)
		assert.True(t, declared.MatchString(source.String()), name)
	}
	for _, name := range attributes.FindAllString(text, -1) {
		assert.True(t, strings.Contains(source.String(), `"`+name+`"`), name)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(content)
}

// apply replaces each hunk's old lines, which must stand in the text once, by its
// new ones.
func apply(t *testing.T, text, diff string) string {
	t.Helper()
	for _, hunk := range regexp.MustCompile(`(?m)^@@\n`).Split(diff, -1) {
		var before, after strings.Builder
		for line := range strings.Lines(hunk) {
			if line == "\n" { // editors strip the space of an empty line
				line = " \n"
			}
			if line[0] != '+' {
				before.WriteString(line[1:])
			}
			if line[0] != '-' {
				after.WriteString(line[1:])
			}
		}
		require.Equal(t, 1, strings.Count(text, before.String()), "lines that stand once:\n%s", &before)
		text = strings.Replace(text, before.String(), after.String(), 1)
	}
	return text
}
