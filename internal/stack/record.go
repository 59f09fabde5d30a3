package stack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// record is what the pid file of a running part holds.
type record struct {
	identity
	Version string `json:"version,omitempty"`
	// Fingerprint stands for all that the part was started with: see fingerprint.
	Fingerprint string `json:"fingerprint,omitempty"`
	// LogOffset is where the log of this run begins.
	LogOffset int64 `json:"logOffset,omitempty"`
}

// readRecord returns the zero record, of no process, when there is no pid file.
func (s *Stack) readRecord(name string) record {
	var r record
	data, err := os.ReadFile(s.pidFile(name))
	if err != nil {
		return record{}
	}
	// Files are renamed into place, so a damaged one is not of our making.
	if json.Unmarshal(data, &r) != nil {
		return record{}
	}
	return r
}

func (s *Stack) writeRecord(name string, r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(s.pidFile(name), append(data, '\n'))
}

func (s *Stack) removeRecord(name string) error {
	err := os.Remove(s.pidFile(name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// recordNames returns the names for which there is a pid file.
func (s *Stack) recordNames() ([]string, error) {
	files, err := filepath.Glob(s.pidFile("*"))
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	return names, err
}

// writeFile writes the whole file or nothing.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// Settings stands for all that the parts are started with, but for their binaries:
// versions, command lines, environment and configuration. It tells nothing of them.
func (s *Stack) Settings() (string, error) {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(s.versions)) {
		fmt.Fprintf(hash, "%s=%s\x00", name, s.versions[name])
	}
	for _, p := range s.parts {
		if p.optional { // shows what is measured, and changes nothing of it
			continue
		}
		fmt.Fprintf(hash, "%s\x00%s\x00%s\x00", p.name, p.version, p.address)
		if err := s.addSettings(hash, p); err != nil {
			return "", fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// addSettings writes the command line, the environment and the configuration.
func (s *Stack) addSettings(to io.Writer, p *part) error {
	for _, word := range append(p.command(), p.env...) {
		fmt.Fprintf(to, "%s\x00", word)
	}
	for _, file := range p.files {
		if !filepath.IsAbs(file) {
			file = filepath.Join(s.root, file)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "%d\x00%s", len(content), content)
	}
	return nil
}

// fingerprint changes when a part must be restarted to be what it should be: by
// its command line, environment, configuration or binary.
func (s *Stack) fingerprint(p *part) (string, error) {
	hash := sha256.New()
	if err := s.addSettings(hash, p); err != nil {
		return "", err
	}
	// The binary is only ever replaced, and its content is large.
	info, err := os.Stat(p.binary)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(hash, "%d %d", info.Size(), info.ModTime().UnixNano())
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}
