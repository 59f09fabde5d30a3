// Package semconv compares attributes with the registry of OpenTelemetry's semantic
// conventions, of the release that registry.tsv was made from.
package semconv

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"sync"
)

//go:embed registry.tsv
var data string

// Attribute is an attribute of the registry.
type Attribute struct {
	Key string
	// Type is that of its values: string, int, double, boolean, one of these with [],
	// map, map[], any or undefined. A template[…] is the type of each key below Key.
	Type string
	// Stability is stable, development and so on, or removed where only older releases
	// had the key.
	Stability string
	// Deprecated is renamed, obsoleted or uncategorized, empty for one in use, and moved for
	// one in use that another registry now has.
	Deprecated string
	// Replacement are the keys in its place, with commas between them.
	Replacement string
}

// Verdict is what the registry says of an attribute.
type Verdict string

// The verdicts.
const (
	// Known is in the registry, in use, and of its type.
	Known Verdict = ""
	// Custom is in no namespace of the registry, and so somebody's own.
	Custom Verdict = "custom"
	// Unknown is in a namespace of the registry that has no such attribute.
	Unknown Verdict = "unknown"
	// Deprecated is an attribute that the conventions no longer use.
	Deprecated Verdict = "deprecated"
	// WrongType has a value of another type than the registry's.
	WrongType Verdict = "wrong type"
)

type table struct {
	version    string
	attributes map[string]Attribute
	namespaces map[string]bool // the part of a key before its first dot
}

var versionIn = regexp.MustCompile(`semantic conventions (\d+\.\d+\.\d+)`)

var registry = sync.OnceValue(func() table {
	t := table{version: versionIn.FindStringSubmatch(data)[1], attributes: map[string]Attribute{}, namespaces: map[string]bool{}}
	for line := range strings.Lines(data) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		field := append(strings.Split(strings.TrimSuffix(line, "\n"), "\t"), "", "") // of one in use the last are left out
		a := Attribute{field[0], field[1], field[2], field[3], field[4]}
		t.attributes[a.Key] = a
		if space, _, dotted := strings.Cut(a.Key, "."); dotted {
			t.namespaces[space] = true
		}
	}
	return t
})

// Version is the release of the conventions, such as 1.43.0.
func Version() string { return registry().version }

// Keys are the keys of all attributes, the deprecated ones among them.
func Keys() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range registry().attributes {
			if !yield(key) {
				return
			}
		}
	}
}

// Lookup returns the attribute of this key. That of http.request.header.accept is the
// template http.request.header.
func Lookup(key string) (Attribute, bool) {
	all := registry().attributes
	if a, known := all[key]; known {
		return a, true
	}
	for end := strings.LastIndexByte(key, '.'); end > 0; end = strings.LastIndexByte(key[:end], '.') {
		if a, known := all[key[:end]]; known && strings.HasPrefix(a.Type, "template[") {
			return a, true
		}
	}
	return Attribute{}, false
}

// Judge says what the registry says of an attribute, and why, as the rest of a
// sentence that begins with the key.
func Judge(key string, value any) (verdict Verdict, why string) {
	a, known := Lookup(key)
	space, _, dotted := strings.Cut(key, ".")
	switch {
	case !known && dotted && registry().namespaces[space]:
		return Unknown, fmt.Sprintf("is not among the attributes %s.* of the conventions", space)
	case !known:
		return Custom, "is no attribute of the conventions"
	case a.Deprecated != "" && a.Deprecated != "moved":
		return Deprecated, a.now()
	case !fits(value, valueType(a, key)):
		return WrongType, fmt.Sprintf("is %s and should be %s", typeOf(value), valueType(a, key))
	}
	return Known, ""
}

// now says what is used in place of a deprecated attribute.
func (a Attribute) now() string {
	if a.Replacement == "" {
		return "is no longer used"
	}
	return "is now " + strings.ReplaceAll(a.Replacement, ",", ", ")
}

func valueType(a Attribute, key string) string {
	if of, template := strings.CutPrefix(a.Type, "template["); template && key != a.Key {
		return strings.TrimSuffix(of, "]")
	}
	return a.Type
}

// fits is lenient where the way to a store loses a type: JavaScript sends 5.0 as the
// int 5, and Jaeger keeps an array as the text of its JSON.
func fits(value any, want string) bool {
	if value == nil {
		return true
	}
	got := typeOf(value)
	switch want {
	case "string", "int", "boolean", "map":
		return got == want
	case "double":
		return got == "double" || got == "int"
	case "any", "undefined":
		return true
	}
	if text, ok := value.(string); ok { // an array
		return strings.HasPrefix(text, "[")
	}
	list, ok := value.([]any)
	if !ok {
		return false
	}
	for _, one := range list {
		if !fits(one, strings.TrimSuffix(want, "[]")) {
			return false
		}
	}
	return true
}

func typeOf(value any) string {
	switch value := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int64:
		return "int"
	case float64:
		return "double"
	case []byte:
		return "bytes"
	case map[string]any:
		return "map"
	case []any:
		if len(value) > 0 {
			return typeOf(value[0]) + "[]"
		}
		return "array"
	default:
		return fmt.Sprintf("%T", value)
	}
}
