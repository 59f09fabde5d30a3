package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"throughline/internal/evaluate/result"
)

const schemaFile = "../../../docs/evaluate/results.schema.json"

// schema returns docs/evaluate/results.schema.json, to validate by and to look into.
func schema(t *testing.T) (*jsonschema.Schema, map[string]any) {
	t.Helper()
	text, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("results.schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("results.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled, document.(map[string]any)
}

// written is results.json of r, read back.
func written(t *testing.T, r result.Results) any {
	t.Helper()
	text, err := document(&r)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return instance
}

// filled has something in every field.
func filled() result.Results {
	var r result.Results
	fill(reflect.ValueOf(&r).Elem())
	r.Schema = result.Schema
	return r
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 0)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(0.5)
	case reflect.Uint64:
		v.SetUint(1)
	default:
		v.SetInt(1)
	}
}

func TestResultsFollowTheSchema(t *testing.T) {
	schema, _ := schema(t)
	for name, r := range map[string]result.Results{
		"sample": sample(),
		"filled": filled(),
		"empty":  {Schema: result.Schema},
		"parts without content": {
			Schema: result.Schema, Correctness: &result.Correctness{}, Cost: &result.Cost{}, Capacity: &result.Capacity{}, Collector: &result.Collector{}, Sampling: &result.Sampling{},
			Freshness: make([]result.Freshness, 1), Faults: make([]result.Fault, 1), Objectives: make([]result.Objective, 1),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := schema.Validate(written(t, r)); err != nil {
				t.Errorf("results.json: %v\nBring %s and internal/evaluate/result together.", err, schemaFile)
			}
		})
	}
}

// TestSchemaKnowsEveryFieldAndNoOther adds a field to each object in turn, as a
// change of result.go does, and looks for properties that no field has.
func TestSchemaKnowsEveryFieldAndNoOther(t *testing.T) {
	schema, document := schema(t)
	whole := written(t, filled())
	open := []string{"versions", "cores"} // their keys are names of parts
	used := map[string]map[string]any{}
	var visit func(path string, node any)
	visit = func(path string, node any) {
		switch node := node.(type) {
		case []any:
			visit(path, node[0])
		case map[string]any:
			for key, child := range node {
				visit(path+"/"+key, child)
			}
			if slices.Contains(open, path[strings.LastIndex(path, "/")+1:]) {
				return
			}
			used[strings.Join(slices.Sorted(maps.Keys(node)), " ")] = node
			node["drift"] = true
			if schema.Validate(whole) == nil {
				t.Errorf("the schema takes an unknown property in %s", path)
			}
			delete(node, "drift")
		}
	}
	visit("", whole)
	if len(used) < 20 {
		t.Fatalf("looked into %d kinds of objects, want all", len(used))
	}
	definitions := document["$defs"].(map[string]any)
	definitions["the results"] = document
	for name, definition := range definitions {
		properties := definition.(map[string]any)["properties"].(map[string]any)
		if used[strings.Join(slices.Sorted(maps.Keys(properties)), " ")] == nil {
			t.Errorf("no struct has just the properties of %q: %v", name, slices.Sorted(maps.Keys(properties)))
		}
		for property, is := range properties {
			if description, _ := is.(map[string]any)["description"].(string); description == "" {
				t.Errorf("%s.%s has no description", name, property)
			}
		}
	}
}

func TestCommittedSampleFollowsTheSchema(t *testing.T) {
	schema, _ := schema(t)
	const path = "docs/evaluate/sample/results.json"
	text, err := os.ReadFile("../../../" + path)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("%s: %v\nMake a new sample: make evaluate DURATION=full OUT=docs/evaluate/sample", path, err)
	}
}

func TestResultsComeBackAsTheyWere(t *testing.T) {
	r := sample()
	text, err := document(&r)
	if err != nil {
		t.Fatal(err)
	}
	var back result.Results
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	again, err := document(&back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, again) {
		t.Error("results.json changes when it is read and written again")
	}
}
