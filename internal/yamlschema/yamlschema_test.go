package yamlschema

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const schema = `{
  "type": "object", "additionalProperties": false, "required": ["name"],
  "properties": {
    "name": {"type": "string"}, "size": {"type": "integer"},
    "parts": {"type": "array", "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}}
  }
}`

type thing struct {
	Name string
	Size any
}

func decode(text string, value func(string) (string, error)) (thing, error) {
	var t thing
	return t, Decode("mine.yaml", []byte(text), "thing.schema.json", []byte(schema), value, &t)
}

func TestErrorsHaveTheLine(t *testing.T) {
	for text, wants := range map[string][]string{
		"name: [":              {"mine.yaml: it is no YAML", "line 1"},
		"size: 1\n":            {"mine.yaml:1: /: missing property 'name'", "thing.schema.json says what there may be"},
		"name: a\n\nsize: b\n": {"mine.yaml:3: /size: got string, want integer"},
		"name: a\nparts:\n  - id: 1\n  - id: b\n":         {"mine.yaml:4: /parts/1/id: "},
		"name: a\nparts:\n  - id: 1\n  -\n    other: 2\n": {"mine.yaml:5: /parts/1: missing property 'id'"},
		"name: a\nparts: [&a {id: b}]\n":                  {"mine.yaml:2: /parts/0/id"},
		"name: a\nsize: 1\nsise: 1\n":                     {"mine.yaml:3: /: additional properties 'sise' not allowed"},
		"name: a\nname: b\n":                              {"mine.yaml: it is no YAML", "line 2"},
		"name: a\nparts: [{id: 1, 2: 3}]\n":               {"mine.yaml: keys must be text"},
		"size: b\nparts:\n- {}\nname: a\n":                {"mine.yaml:1: /size", "mine.yaml:3: /parts/0"},
	} {
		_, err := decode(text, nil)
		for _, want := range wants {
			assert.ErrorContains(t, err, want, text)
		}
	}
}

func TestTextsAreReplacedButNoKeys(t *testing.T) {
	upper := func(text string) (string, error) { return strings.ToUpper(text), nil }
	got, err := decode("name: a\nsize: 1\n", upper)
	require.NoError(t, err)
	assert.Equal(t, "A", got.Name)
	assert.EqualValues(t, "1", got.Size, "a number is no text")

	_, err = decode("size: 1\nname: a\n", func(string) (string, error) { return "", assert.AnError })
	assert.ErrorIs(t, err, assert.AnError)
	assert.ErrorContains(t, err, "mine.yaml:2: ")
}
