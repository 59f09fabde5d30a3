package stack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// installRecord is the name under which a running installation has its pid file.
const installRecord = "install"

// notInstalled returns the parts, such as the nodes of a broker, whose one program has
// to be installed first; the error says what to type where that cannot be done from here.
func (s *Stack) notInstalled() ([]*part, error) {
	var parts []*part
	for _, p := range s.parts {
		if p.installer == "" || executable(p.binary) == nil {
			continue
		}
		if _, err := exec.LookPath("apt-get"); err != nil {
			return nil, fmt.Errorf("%s: there is no %s: %s", p.name, p.binary, p.otherwise)
		}
		if os.Geteuid() != 0 {
			return nil, fmt.Errorf("%s: there is no %s: type `sudo %s`, or %s", p.name, p.binary, s.display(p.installer), p.otherwise)
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// install installs the program of the parts. It is not interrupted: a package
// manager that is stopped half-way has to be repaired by hand.
func (s *Stack) install(ctx context.Context, parts []*part, reporter Reporter) error {
	if len(parts) == 0 {
		return nil
	}
	p := parts[0]
	reporter.Note(fmt.Sprintf("%s: installing it with %s", p.name, s.display(p.installer)))
	done := make(chan error, 1)
	go func() {
		done <- s.runTool(context.WithoutCancel(ctx), "install-"+p.name, installRecord, []string{p.installer}, s.root, func() {})
	}()
	select {
	case <-ctx.Done():
		reporter.Note(fmt.Sprintf("%s: the installation goes on to its end", p.name))
		return ctx.Err()
	case err := <-done:
		if err != nil {
			return fmt.Errorf("installation of %s: %w\n  %s", p.name, err, p.otherwise)
		}
		return nil
	}
}
