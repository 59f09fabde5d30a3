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
	// Anonymous is what no file backs of Memory: the kernel takes file pages back
	// before a limit on memory kills anything. 0 where it is not known.
	Anonymous uint64
}

// Usage returns what a part has taken, and of RabbitMQ what all its nodes have. The
// error says that it does not run.
func (s *Stack) Usage(name string) (Usage, error) {
	if _, err := s.part(name); err != nil {
		return Usage{}, err
	}
	if name != brokerNodes[0] {
		return s.usageOf(name)
	}
	var sum Usage
	for _, node := range brokerNodes[:s.broker.nodes] {
		usage, err := s.usageOf(node)
		if err != nil {
			return Usage{}, err
		}
		sum.CPUSeconds += usage.CPUSeconds
		sum.Memory += usage.Memory
	}
	return sum, nil
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

// UsageOfTree returns what a process that is not one of the stack's and its
// descendants have taken.
func UsageOfTree(pid int) (Usage, error) {
	leader, err := process.NewProcess(int32(pid))
	if err != nil {
		return Usage{}, fmt.Errorf("process %d is not seen from here: %w", pid, err)
	}
	var usage Usage
	for family := []*process.Process{leader}; len(family) > 0; family = family[1:] {
		p := family[0]
		if times, err := p.Times(); err == nil {
			usage.CPUSeconds += times.User + times.System
		}
		if memory, err := p.MemoryInfo(); err == nil {
			usage.Memory += memory.RSS
		}
		if memory, err := p.MemoryInfoEx(); err == nil {
			usage.Anonymous += memory.RSS - min(memory.RSS, memory.Shared)
		}
		children, _ := p.Children() // none is an error, too
		family = append(family, children...)
	}
	return usage, nil
}

// DiskUsage returns how many bytes the data of a part take.
func (s *Stack) DiskUsage(name string) (int64, error) { return DiskUsageOf(s.dataDir(name), "") }

// DiskUsageOf returns how many bytes the files below a directory take. What lies in
// a directory with an entry of the name deleted, unless that is empty, is on its
// way out and does not count.
func DiskUsageOf(dir, deleted string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) { // files come and go
			return nil
		}
		if err == nil && entry.IsDir() && deleted != "" {
			if _, err := os.Lstat(filepath.Join(path, deleted)); err == nil {
				return filepath.SkipDir
			}
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
