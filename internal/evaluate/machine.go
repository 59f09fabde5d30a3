package evaluate

import (
	"context"
	"os/exec"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"

	"throughline/internal/evaluate/result"
	"throughline/internal/stack"
)

// machine describes this machine as far as it lets itself be read.
func machine(ctx context.Context, s *stack.Stack) result.Machine {
	m := result.Machine{CPU: "unknown", System: "unknown", Disk: "unknown", Versions: map[string]string{}}
	if info, err := cpu.InfoWithContext(ctx); err == nil && len(info) > 0 && info[0].ModelName != "" {
		m.CPU = info[0].ModelName
	}
	m.Cores, _ = cpu.CountsWithContext(ctx, true)
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil {
		m.MemoryBytes = memory.Total
	}
	if info, err := host.InfoWithContext(ctx); err == nil {
		m.System = strings.Join([]string{info.Platform, info.PlatformVersion, info.OS, info.KernelVersion}, " ")
	}
	if usage, err := disk.UsageWithContext(ctx, s.RunDir()); err == nil && usage.Fstype != "" {
		m.Disk = usage.Fstype
	}
	for _, part := range s.Status(ctx) {
		if part.Version != "" {
			m.Versions[part.Name] = part.Version
		}
	}
	return m
}

// revision is the commit of the source tree, with a mark when it was changed.
func revision(root string) string {
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "" // a copy without its history
	}
	return strings.TrimSpace(string(out))
}
