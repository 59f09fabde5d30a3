// Command generate writes ../registry.tsv, the attributes that a release of the
// semantic conventions knows, from its source tree:
//
//	git archive --remote=… v1.43.0 model schemas | tar -x -C /tmp/conventions
//	go run ./internal/semconv/generate /tmp/conventions > internal/semconv/registry.tsv
//
// Each line is a key, its type, its stability, why it is deprecated, and what takes
// its place. Keys that older releases have renamed, and the registry no longer lists,
// come from the release's schema file.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("generate: ")
	if len(os.Args) != 2 {
		log.Fatal("give the directory that holds model/ and schemas/ of a release of github.com/open-telemetry/semantic-conventions")
	}
	if err := write(os.Stdout, os.DirFS(os.Args[1])); err != nil {
		log.Fatal(err)
	}
}

// line is one attribute of the data file.
type line struct{ key, valueType, stability, deprecated, replacement string }

func write(to io.Writer, tree fs.FS) error {
	version, err := versionOf(tree)
	if err != nil {
		return err
	}
	lines, err := registry(tree)
	if err != nil {
		return err
	}
	if err := addRenamed(lines, tree, version); err != nil {
		return err
	}
	out := bufio.NewWriter(to)
	fmt.Fprintf(out, "# Attributes of the semantic conventions %s, made by internal/semconv/generate from the registry of\n", version)
	fmt.Fprintf(out, "# github.com/open-telemetry/semantic-conventions (Apache-2.0). Key, type, stability, deprecated because, in its place.\n")
	for _, key := range slices.Sorted(maps.Keys(lines)) {
		l := lines[key]
		fmt.Fprintln(out, strings.TrimRight(strings.Join([]string{l.key, l.valueType, l.stability, l.deprecated, l.replacement}, "\t"), "\t"))
	}
	return out.Flush()
}

func versionOf(tree fs.FS) (string, error) {
	var manifest struct {
		SchemaURL string `yaml:"schema_url"`
	}
	if err := read(tree, "model/manifest.yaml", &manifest); err != nil {
		return "", err
	}
	return path.Base(manifest.SchemaURL), nil
}

func read(tree fs.FS, name string, into any) error {
	text, err := fs.ReadFile(tree, name)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// attribute is the definition of an attribute in a file of the model. Where the
// file only refers to one, there is no id.
type attribute struct {
	ID         string
	Type       valueType
	Stability  string
	Deprecated struct {
		Reason    string
		RenamedTo string `yaml:"renamed_to"`
		Note      string
	}
}

// valueType is the name of a type, or of that of an enumeration's values.
type valueType string

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *valueType) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*t = valueType(node.Value)
		return nil
	}
	var enumeration struct {
		Members []struct{ Value yaml.Node }
	}
	if err := node.Decode(&enumeration); err != nil {
		return err
	}
	if len(enumeration.Members) == 0 {
		return errors.New("an enumeration without members")
	}
	*t = "string"
	if enumeration.Members[0].Value.Tag == "!!int" {
		*t = "int"
	}
	return nil
}

func registry(tree fs.FS) (map[string]line, error) {
	lines, notes := map[string]line{}, map[string]string{}
	err := fs.WalkDir(tree, "model", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".yaml" {
			return err
		}
		var file struct {
			Groups []struct{ Attributes []attribute }
		}
		if err := read(tree, name, &file); err != nil {
			return err
		}
		for _, group := range file.Groups {
			for _, a := range group.Attributes {
				if a.ID == "" {
					continue
				}
				lines[a.ID] = line{a.ID, string(a.Type), a.Stability, a.Deprecated.Reason, a.Deprecated.RenamedTo}
				notes[a.ID] = a.Deprecated.Note
			}
		}
		return nil
	})
	if len(lines) == 0 {
		err = cmp.Or(err, errors.New("model/ defines no attributes: give the root of a release's tree"))
	}
	for key, l := range lines {
		if strings.HasPrefix(notes[key], "Moved to the ") { // into the registry of another repository
			l.deprecated = "moved"
			lines[key] = l
		}
	}
	for key, l := range lines {
		split := strings.HasPrefix(notes[key], "Split") // the note of other obsoleted ones names examples
		if l.deprecated == "uncategorized" || l.deprecated == "obsoleted" && split {
			l.replacement = named(notes[key], key, lines)
			lines[key] = l
		}
	}
	return lines, err
}

var inBackticks = regexp.MustCompile("`([a-z0-9_.-]+)`")

// named returns the attributes that a note names in place of the key.
func named(note, key string, lines map[string]line) string {
	var all []string
	note, _, _ = strings.Cut(note, ", but ")
	for _, match := range inBackticks.FindAllStringSubmatch(note, -1) {
		l, known := lines[match[1]]
		if !known { // http.request.header.host
			parent := match[1][:max(strings.LastIndexByte(match[1], '.'), 0)]
			l, known = lines[parent]
			known = known && strings.HasPrefix(l.valueType, "template[")
		}
		if inUse := l.deprecated == "" || l.deprecated == "moved"; known && inUse && match[1] != key && !slices.Contains(all, match[1]) {
			all = append(all, match[1])
		}
	}
	return strings.Join(all, ",")
}

// addRenamed adds the keys of older releases that were renamed, from the schema file.
func addRenamed(lines map[string]line, tree fs.FS, version string) error {
	type section struct {
		Changes []struct {
			Rename struct {
				Map map[string]string `yaml:"attribute_map"`
			} `yaml:"rename_attributes"`
		}
	}
	var schema struct {
		Versions map[string]struct{ All, Spans, Resources section }
	}
	if err := read(tree, "schemas/"+version, &schema); err != nil {
		return err
	}
	renamed := map[string]string{}
	for _, v := range schema.Versions {
		for _, s := range []section{v.All, v.Spans, v.Resources} {
			for _, change := range s.Changes {
				maps.Copy(renamed, change.Rename.Map)
			}
		}
	}
	for key := range renamed {
		if _, known := lines[key]; known {
			continue
		}
		last, known := line{}, false
		for to, steps := renamed[key], 0; to != "" && steps < len(renamed) && !known; to, steps = renamed[to], steps+1 {
			last, known = lines[to]
		}
		if !known {
			continue
		}
		if last.deprecated == "" {
			last.replacement = last.key
		}
		lines[key] = line{key, last.valueType, "removed", "renamed", last.replacement}
	}
	return nil
}
