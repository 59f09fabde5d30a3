package console

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	gmtext "github.com/yuin/goldmark/text"

	"throughline/docs"
)

const docsPath = "/docs/"

// document is the frame of a page of the docs. The policy allows the style by its nonce.
var document = template.Must(template.New("document").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.Title}} · Throughline</title>
<link rel="icon" href="/icon.svg">
<style nonce="{{.Nonce}}">
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
pre, code { font: 0.875em/1.5 ui-monospace, monospace; background: light-dark(#f3f4f6, #22272e); border-radius: 4px; }
pre { padding: 0.75rem; overflow: auto; }
pre code { background: none; font-size: 1em; padding: 0; }
code { padding: 0 0.2em; overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { border: 1px solid light-dark(#d0d7de, #444c56); padding: 0.3rem 0.6rem; text-align: left; vertical-align: top; }
img { max-width: 100%; }
:target { background: light-dark(#fff3bf, #5c4b12); }
a { color: light-dark(#0b5cad, #79b8ff); }
</style>
<nav><a href="/">Throughline</a> · {{.Name}}</nav>
<main>{{.Body}}</main>
</html>
`))

// markdown has no alignment of cells, as that is a style, which the policy refuses.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
)

// serveDocs shows docs/<name>.md of the source tree.
func serveDocs(w http.ResponseWriter, r *http.Request, nonce string) {
	name := strings.TrimPrefix(r.URL.Path, docsPath)
	source, err := fs.ReadFile(docs.Pages, name)
	if err != nil {
		refuse(w, http.StatusNotFound, "there is no page docs/%s here; %sadopt.md and %syour-flow.md are", name, docsPath, docsPath)
		return
	}
	tree := markdown.Parser().Parse(gmtext.NewReader(source))
	title := withoutDeadLinks(tree, source, name)
	var body bytes.Buffer
	if err := markdown.Renderer().Render(&body, source, tree); err != nil {
		refuse(w, http.StatusInternalServerError, "docs/%s cannot be shown: %s", name, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_ = document.Execute(w, map[string]any{"Title": title, "Nonce": nonce, "Name": "docs/" + name, "Body": template.HTML(body.String())})
}

// withoutDeadLinks leaves of links to other files of the source tree the text alone, and of
// pictures their description. It returns the text of the first heading.
func withoutDeadLinks(tree ast.Node, source []byte, name string) (title string) {
	title = name
	var dead []ast.Node
	_ = ast.Walk(tree, func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.Heading:
			if node.Level == 1 {
				title = string(node.Lines().Value(source))
			}
		case *ast.Image:
			dead = append(dead, node)
		case *ast.Link:
			if !leads(string(node.Destination), name) {
				dead = append(dead, node)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, node := range dead {
		for child := node.FirstChild(); child != nil; child = node.FirstChild() {
			node.Parent().InsertBefore(node.Parent(), node, child)
		}
		node.Parent().RemoveChild(node.Parent(), node)
	}
	return title
}

// leads tells whether a link of the page leads anywhere from the console.
func leads(destination, name string) bool {
	to, err := url.Parse(destination)
	if err != nil {
		return false
	}
	if to.IsAbs() || to.Path == "" {
		return true
	}
	_, err = fs.Stat(docs.Pages, path.Join(path.Dir(name), to.Path))
	return err == nil && strings.HasSuffix(to.Path, ".md")
}
