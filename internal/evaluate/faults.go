package evaluate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"throughline/internal/backend"
	"throughline/internal/evaluate/result"
)

// faults are all that the plan brings about, one after the other.
func (l *lab) faults() []fault {
	parts := append([]string{"user-rpc", "audit-mq", "rabbitmq", collectorPart}, storeParts...)
	var all []fault
	for _, part := range parts {
		all = append(all, l.kill(part))
	}
	if l.plan.outage > 0 {
		for _, part := range parts {
			all = append(all, l.away("outage of "+part, part, result.KindOutage, l.plan.outage, part))
		}
	}
	all = append(all,
		l.away(fmt.Sprintf("outage of all stores, %s", l.plan.longOutage), "", result.KindLongOutage, l.plan.longOutage, storeParts...),
		l.fullDisk(), l.slowStore(), l.poison(), l.burst(), l.giantTexts(), l.hostileFlood(), l.pathScan(), l.brokerAlarm(), l.leaderLost(), l.databaseAway())
	for i := range all {
		if l.brokerNodes == 0 && all[i].part == "rabbitmq" {
			all[i].skip = "the broker is yours (RABBITMQ_URL): it is not broken from here"
		}
	}
	return all
}

// kill ends a part by SIGKILL and starts it again at once, as a supervisor would.
func (l *lab) kill(part string) fault {
	f := fault{name: "kill -9 of " + part, part: part, kind: result.KindKill}
	switch part {
	case "user-rpc", "audit-mq":
		f.loses = part // what it had not handed to the collector
	case "tempo":
		f.loses = l.tempo.Name() // what it had acknowledged and not yet written: see tempo/README.md
	}
	start := func(ctx context.Context) error { return l.parts.Start(ctx, part) }
	f.begin = func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
		if err := l.parts.Kill(ctx, part); err != nil {
			return nil, errors.Join(err, start(context.WithoutCancel(ctx)))
		}
		return start, nil
	}
	return f
}

// away stops parts and starts them again later.
func (l *lab) away(name, part, kind string, duration time.Duration, parts ...string) fault {
	return fault{
		name: name, part: part, kind: kind, duration: duration,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			start := func(ctx context.Context) error {
				var group errgroup.Group
				for _, part := range parts {
					group.Go(func() error { return l.parts.Start(ctx, part) })
				}
				return group.Wait()
			}
			var group errgroup.Group
			for _, part := range parts {
				group.Go(func() error { return l.parts.Stop(ctx, part) })
			}
			if err := group.Wait(); err != nil {
				return nil, errors.Join(err, start(context.WithoutCancel(ctx)))
			}
			return start, nil
		},
	}
}

// burst sends ten times as many logins for a while.
func (l *lab) burst() fault {
	const times = 10
	return fault{
		name: fmt.Sprintf("burst of %d times the rate", times), kind: result.KindBurst,
		begin: func(ctx context.Context, t *traffic) (func(context.Context) error, error) {
			l.drive(ctx, (times-1)*l.plan.faultRate, l.plan.disturbance, t.add)
			return func(context.Context) error { return nil }, nil
		},
	}
}

// slowStore puts a second between the collector and each answer of Jaeger.
func (l *lab) slowStore() fault {
	return fault{
		name: "slow backend: Jaeger answers a second late", part: "jaeger", skip: l.parts.Fixed(), kind: result.KindSlowBackend, duration: l.plan.disturbance,
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: l.jaegerOTLP})
			proxy.ErrorLog = log.New(io.Discard, "", 0) // the collector gives up on what is slow
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				pause(r.Context(), time.Second)
				proxy.ServeHTTP(w, r)
			})}
			go func() { _ = server.Serve(listener) }()
			end := func(ctx context.Context) error {
				defer server.Close()
				return l.parts.Start(ctx, collectorPart)
			}
			if err := l.parts.Start(ctx, collectorPart, "JAEGER_OTLP_ENDPOINT="+listener.Addr().String()); err != nil {
				return nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return end, nil
		},
	}
}

// fullDisk keeps Jaeger away until its queue has filled what is left of the disk,
// and for a while after that. In the end there is room again and Jaeger is back.
func (l *lab) fullDisk() fault {
	const size, left = 32 << 20, 1 << 20 // bytes
	dir := smallDisk(l.scratch)
	ballast := filepath.Join(dir, "ballast")
	return fault{
		name: "full disk below the collector's queues", part: collectorPart, skip: l.parts.Fixed(), kind: result.KindFullDisk, duration: l.plan.disturbance,
		prepare: func(ctx context.Context) (func(context.Context) error, error) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, err
			}
			_ = unix.Unmount(dir, 0) // left by an evaluation that was killed
			err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
			switch {
			case errors.Is(err, unix.EPERM):
				return nil, notApplicable{fmt.Errorf("mount a small disk: %w; it takes root with CAP_SYS_ADMIN", err)}
			case err != nil:
				return nil, fmt.Errorf("mount a small disk: %w", err)
			}
			undo := func(ctx context.Context) error {
				return errors.Join(l.parts.Start(ctx, collectorPart), unix.Unmount(dir, 0), os.RemoveAll(dir))
			}
			err = l.parts.Start(ctx, collectorPart, "COLLECTOR_QUEUE_DIR="+dir)
			if err == nil {
				err = fillBut(ballast, left)
			}
			if err != nil {
				return nil, errors.Join(err, undo(context.WithoutCancel(ctx)))
			}
			return undo, nil
		},
		begin: func(ctx context.Context, _ *traffic) (func(context.Context) error, error) {
			end := func(ctx context.Context) error {
				return errors.Join(os.Remove(ballast), l.parts.Start(ctx, "jaeger"))
			}
			err := l.parts.Stop(ctx, "jaeger")
			if err == nil {
				err = l.awaitRefusals(ctx)
			}
			if err != nil {
				return nil, errors.Join(err, end(context.WithoutCancel(ctx)))
			}
			return end, nil
		},
	}
}

func smallDisk(scratch string) string { return filepath.Join(scratch, "small-disk") }

// awaitRefusals waits until the collector cannot queue what it is given.
func (l *lab) awaitRefusals(ctx context.Context) error {
	const patience = time.Minute
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for pause(ctx, 200*time.Millisecond) {
		metrics, err := backend.ScrapeMetrics(ctx, "the collector", l.target.CollectorURL)
		if err == nil && metrics.Sum("otelcol_exporter_enqueue_failed_spans_total", ofAnyKind) > 0 {
			return nil
		}
	}
	return fmt.Errorf("the collector's queue has not filled its disk within %s", patience)
}

// fillBut writes a file until its disk has no more than some bytes left.
func fillBut(path string, left uint64) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(path), &disk); err != nil {
		return err
	}
	available := disk.Bavail * uint64(disk.Bsize)
	return os.WriteFile(path, make([]byte, available-min(available, left)), 0o644)
}
