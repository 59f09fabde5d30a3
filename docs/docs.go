// Package docs holds the pages of this directory, for the console to show.
package docs

import "embed"

// Pages are the documents, by their path below this directory.
//
//go:embed *.md decisions/*.md runbooks/*.md
var Pages embed.FS
