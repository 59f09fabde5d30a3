package stack

import "time"

// Reporter is told what Up and Down do. Its methods are called from several
// goroutines.
type Reporter interface {
	// Build tells how far a build is: at its begin, about each second, and at its end.
	Build(BuildProgress)
	// Part tells that a part has changed its state.
	Part(PartEvent)
	// Note is a line of text about anything else.
	Note(string)
}

// PartEvent is a change of a part's state.
type PartEvent struct {
	Part    string
	State   State
	Address string
	Version string
	Elapsed time.Duration // since the change was asked for
}

type discard struct{}

func (discard) Build(BuildProgress) {}
func (discard) Part(PartEvent)      {}
func (discard) Note(string)         {}
