package result

import "math"

// Verdict is met, missed, not measured or not applicable. A value that is no
// number was not measured.
func (o Objective) Verdict() string {
	switch {
	case o.NotApplicable:
		return "not applicable"
	case o.Value == nil || math.IsNaN(*o.Value) || math.IsInf(*o.Value, 0):
		return "not measured"
	case o.OK:
		return "met"
	}
	return "missed"
}

// Failures says what makes an evaluation fail, a sentence for each: an objective
// that is missed or was not measured, a fault that the stack did not bear, an
// account that does not balance, a wrong answer of a store, and a step that was not
// run although it applies.
// A passed evaluation has none.
func (r Results) Failures() []string {
	var all []string
	for _, o := range r.Objectives {
		if verdict := o.Verdict(); verdict == "missed" || verdict == "not measured" {
			all = append(all, "objective "+verdict+": "+o.Name)
		}
	}
	for _, f := range r.Faults {
		if !f.OK {
			all = append(all, sentence("fault failed", f.Name, f.Detail))
		}
	}
	if r.Correctness != nil {
		for _, a := range r.Correctness.Accounts {
			if !a.Balanced {
				all = append(all, "account does not balance: "+a.Signal)
			}
		}
	}
	for _, s := range r.Stores {
		all = append(all, s.failures()...)
	}
	for _, n := range r.NotRun {
		if !n.NotApplicable {
			all = append(all, sentence("step not run", n.Step, n.Reason))
		}
	}
	return all
}

func sentence(what, name, why string) string {
	if why == "" {
		return what + ": " + name
	}
	return what + ": " + name + ": " + why
}
