// Package report writes what an evaluation found: for people as a page and a
// summary, for programs as JSON.
package report

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	texttemplate "text/template"

	"throughline/internal/evaluate/result"
)

//go:embed *.html style.css summary.md.tmpl
var assets embed.FS

// Write writes index.html, results.json and summary.md into dir, which it makes
// when it is missing. A reader sees the whole of the old file or of the new one.
func Write(dir string, r result.Results) error {
	r.Objectives = slices.Clone(r.Objectives)
	for i := range r.Objectives {
		o := &r.Objectives[i]
		o.OK = o.OK && verdict(*o) == "met"
	}
	document, err := document(&r)
	if err != nil {
		return fmt.Errorf("results.json: %w", err)
	}
	page, err := page(r)
	if err != nil {
		return fmt.Errorf("index.html: %w", err)
	}
	summary, err := summary(r)
	if err != nil {
		return fmt.Errorf("summary.md: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the report's directory: %w", err)
	}
	for name, content := range map[string][]byte{
		"results.json": document, "index.html": page, "summary.md": summary,
	} {
		if err := replace(filepath.Join(dir, name), content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// document is results.json. What a number could not say, it adds to r.NotRun.
func document(r *result.Results) ([]byte, error) {
	var bad []string
	clean(reflect.ValueOf(*r), "", &bad)
	for _, path := range bad {
		r.NotRun = append(slices.Clone(r.NotRun), result.NotRun{
			Step: path, Reason: "came out as no number; results.json has null or 0 in its place",
		})
	}
	text, err := json.MarshalIndent(clean(reflect.ValueOf(*r), "", &bad).Interface(), "", "  ")
	return append(text, '\n'), err
}

func page(r result.Results) ([]byte, error) {
	style, err := assets.ReadFile("style.css")
	if err != nil {
		return nil, err
	}
	t, err := template.New("").Funcs(functions).ParseFS(assets, "*.html")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, "page.html", struct {
		view
		Style template.CSS
	}{view{r}, template.CSS(style)})
	return out.Bytes(), err
}

func summary(r result.Results) ([]byte, error) {
	t, err := texttemplate.New("").Funcs(functions).ParseFS(assets, "summary.md.tmpl")
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, "summary.md.tmpl", view{r})
	return out.Bytes(), err
}

// replace puts content at path at once.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
