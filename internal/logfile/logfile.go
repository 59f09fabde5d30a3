// Package logfile keeps the log files of running programs small.
package logfile

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"
)

// MaxSize is how large a log may be, in bytes, before it is set aside.
const MaxSize = 20 << 20

// Watch looks at the logs of a directory every minute until ctx ends, and sets large
// ones aside.
func Watch(ctx context.Context, dir string) {
	for ticker := time.NewTicker(time.Minute); ; {
		if err := Rotate(dir); err != nil {
			log.Print("rotate the logs: ", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Rotate sets large logs aside, in place of those that were set aside before. The
// programs, which append to them, go on: a line that is written between the copy
// and the cut is lost, as with logrotate's copytruncate.
func Rotate(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.log"))
	for _, path := range paths {
		info, statErr := os.Stat(path)
		if statErr != nil || info.Size() <= MaxSize {
			continue
		}
		err = errors.Join(err, copyAndCut(path))
	}
	return err
}

func copyAndCut(path string) error {
	from, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(path+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), from.Truncate(0))
}
