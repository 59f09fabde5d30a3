// Package portforward makes ports of Services in a Kubernetes cluster answer on this machine,
// as long as this process wants, with kubectl.
package portforward

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Port is a port of a Service, which its pod has under the same number.
type Port struct {
	Service string
	Number  int
}

// Start forwards a free port of 127.0.0.1 to each of the ports, and returns it under the same
// key. A Service's pod must run; when it ends, so does the way to it. Call stop at the end.
func Start[Key comparable](ctx context.Context, namespace string, ports map[Key]Port) (local map[Key]int, stop func(), err error) {
	byService := map[string][]int{}
	for _, port := range ports {
		byService[port.Service] = append(byService[port.Service], port.Number)
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	stop = func() {
		cancel()
		running.Wait()
	}
	var mu sync.Mutex
	found := map[Port]int{}
	var starts errgroup.Group
	for service, numbers := range byService {
		starts.Go(func() error {
			slices.Sort(numbers)
			args := []string{"--namespace", namespace, "port-forward", "--address", "127.0.0.1", "service/" + service}
			for _, number := range numbers {
				args = append(args, fmt.Sprintf(":%d", number))
			}
			ready := make(chan error, 1)
			running.Go(func() {
				ready <- run(exec.CommandContext(ctx, "kubectl", args...), len(numbers), func(number, at int) {
					mu.Lock()
					defer mu.Unlock()
					found[Port{service, number}] = at
				}, func() { ready <- nil })
			})
			err := <-ready
			if err != nil {
				cancel() // the others, too
			}
			return err
		})
	}
	if err := starts.Wait(); err != nil {
		stop()
		return nil, nil, err
	}
	local = map[Key]int{}
	for key, port := range ports {
		local[key] = found[port]
	}
	return local, stop, nil
}

var forwarding = regexp.MustCompile(`^Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)$`)

// run runs kubectl until it ends, and calls ready once it forwards as many ports as are wanted.
func run(command *exec.Cmd, wanted int, forwards func(number, at int), ready func()) error {
	var stderr bytes.Buffer
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%w: install kubectl, and let it have the cluster as its current context", err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); { // to the end, or kubectl would wait
		if match := forwarding.FindStringSubmatch(lines.Text()); match != nil {
			at, _ := strconv.Atoi(match[1]) // digits
			number, _ := strconv.Atoi(match[2])
			forwards(number, at)
			if wanted--; wanted == 0 {
				ready()
			}
		}
	}
	if err := command.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", command, err, strings.TrimSpace(stderr.String()))
	}
	return fmt.Errorf("%s ended by itself", command)
}
