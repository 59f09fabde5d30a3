package evaluate

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"throughline/internal/stack"
)

func TestClearRemovesTheSmallDiskOfAKilledEvaluation(t *testing.T) {
	run := t.TempDir()
	s, err := stack.New("", func(name string) string {
		return map[string]string{"THROUGHLINE_RUN_DIR": run}[name]
	})
	require.NoError(t, err)
	require.NoError(t, Clear(s), "there is nothing as a rule")

	disk := smallDisk(scratchOf(s))
	require.NoError(t, os.MkdirAll(disk, 0o755))
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=65536"); err != nil {
		t.Skip("mounting takes root:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, 0) })
	require.NoError(t, os.WriteFile(filepath.Join(disk, "ballast"), nil, 0o644))
	require.NoError(t, Clear(s))
	require.NoDirExists(t, scratchOf(s))
	require.DirExists(t, run)
}
