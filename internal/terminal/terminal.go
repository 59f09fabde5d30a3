// Package terminal knows whether a writer is a terminal, and colours text only
// for one that is.
package terminal

import (
	"io"
	"os"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// Is tells whether w is a terminal: a file, or what wraps one and has its Fd.
func Is(w io.Writer) bool {
	file, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// Color returns a colour that paints only when w is a terminal and the
// environment variable NO_COLOR is not set.
func Color(w io.Writer, attributes ...color.Attribute) *color.Color {
	c := color.New(attributes...)
	if Is(w) && os.Getenv("NO_COLOR") == "" {
		c.EnableColor()
	} else {
		c.DisableColor()
	}
	return c
}
