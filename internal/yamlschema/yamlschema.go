// Package yamlschema reads YAML files that a JSON Schema describes. Its errors say
// in which line what is wrong.
package yamlschema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"go.yaml.in/yaml/v3"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

var english = message.NewPrinter(language.English)

// Decode reads a text into a value, by the names in its json tags, if it is as the
// schema says. The names are those of the files, for errors. With value, each text in
// the file, but no key, is replaced by what it returns.
func Decode(name string, text []byte, schemaName string, schema []byte, value func(string) (string, error), into any) error {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("%s: it is no YAML: %w", name, err)
	}
	if value != nil {
		if err := replace(&root, value); err != nil {
			return fmt.Errorf("%s:%w", name, err)
		}
	}
	var document any
	if err := root.Decode(&document); err != nil {
		return fmt.Errorf("%s: it is no YAML: %w", name, err)
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("%s: keys must be text: %w", name, err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	compiled, err := compile(schemaName, schema)
	if err != nil {
		return err
	}
	if err := compiled.Validate(instance); err != nil {
		var invalid *jsonschema.ValidationError
		if !errors.As(err, &invalid) {
			return fmt.Errorf("%s: %w", name, err)
		}
		return fmt.Errorf("%s; %s says what there may be", strings.Join(reasons(name, &root, invalid), "; "), schemaName)
	}
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.UseNumber() // so that a whole number stays one
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func compile(name string, schema []byte) (*jsonschema.Schema, error) {
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(name, document); err != nil {
		return nil, err
	}
	return compiler.Compile(name)
}

func replace(node *yaml.Node, value func(string) (string, error)) error {
	children := node.Content
	if node.Kind == yaml.ScalarNode && node.Tag == "!!str" {
		replaced, err := value(node.Value)
		if err != nil {
			return fmt.Errorf("%d: %w", node.Line, err)
		}
		node.Value = replaced
	}
	for i, child := range children {
		if node.Kind == yaml.MappingNode && i%2 == 0 {
			continue // a key
		}
		if err := replace(child, value); err != nil {
			return err
		}
	}
	return nil
}

// reasons are the innermost causes of an error, each with its line.
func reasons(name string, root *yaml.Node, invalid *jsonschema.ValidationError) []string {
	if len(invalid.Causes) > 0 {
		var all []string
		for _, cause := range invalid.Causes {
			all = append(all, reasons(name, root, cause)...)
		}
		return slices.Compact(all)
	}
	at := invalid.InstanceLocation
	if unknown, ok := invalid.ErrorKind.(*kind.AdditionalProperties); ok {
		at = append(slices.Clone(at), unknown.Properties[0])
	}
	return []string{fmt.Sprintf("%s:%d: /%s: %s", name, line(root, at), strings.Join(invalid.InstanceLocation, "/"), invalid.ErrorKind.LocalizedString(english))}
}

// line is where a place in the document stands, or what is around it.
func line(node *yaml.Node, place []string) int {
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	if node.Kind == yaml.DocumentNode {
		return line(node.Content[0], place)
	}
	if len(place) == 0 {
		return node.Line
	}
	for i, child := range node.Content {
		switch {
		case node.Kind == yaml.SequenceNode && fmt.Sprint(i) == place[0]:
			return line(child, place[1:])
		case node.Kind == yaml.MappingNode && i%2 == 0 && child.Value == place[0]:
			if len(place) == 1 {
				return child.Line
			}
			return line(node.Content[i+1], place[1:])
		}
	}
	return node.Line
}
