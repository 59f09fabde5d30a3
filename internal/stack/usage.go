package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/shirou/gopsutil/v4/process"
)

// Usage is what a part has taken since it started.
type Usage struct {
	CPUSeconds float64 // user and system, of all its processes that still run
	Memory     uint64  // resident set of all its processes, in bytes
}

// Usage returns what a part has taken. The error says that it does not run.
func (s *Stack) Usage(name string) (Usage, error) {
	if _, err := s.part(name); err != nil {
		return Usage{}, err
	}
	return s.usageOf(name)
}

func (s *Stack) usageOf(name string) (Usage, error) {
	id := s.readRecord(name).identity
	if !id.alive() {
		return Usage{}, fmt.Errorf("%s does not run", name)
	}
	return s.usage(id), nil
}

func (s *Stack) usage(id identity) Usage {
	var sum Usage
	for _, member := range s.family(id) {
		p := process.Process{Pid: int32(member.PID)}
		if times, err := p.Times(); err == nil {
			sum.CPUSeconds += times.User + times.System
		}
		if memory, err := p.MemoryInfo(); err == nil {
			sum.Memory += memory.RSS
		}
	}
	return sum
}

// DiskUsage returns how many bytes the data of a part take.
func (s *Stack) DiskUsage(name string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(s.dataDir(name), func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) { // files come and go
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += allocated(info)
		}
		return err
	})
	return sum, err
}

// allocated is what a file takes on the disk: less than its size where it has
// holes, as those of Badger and bbolt have.
func allocated(info fs.FileInfo) int64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Blocks * 512
	}
	return info.Size()
}
