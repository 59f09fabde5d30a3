// Package npm installs locked npm packages for tests that need what exists only
// for Node.js.
package npm

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Install returns the directory in which an earlier run or this one has installed
// what package.json and package-lock.json in dir ask for. It gets its name, which
// begins with the given one, when it is complete. It lies in buildDir.
func Install(ctx context.Context, buildDir, dir, name string) (string, error) {
	for _, command := range []string{"node", "npm"} {
		if _, err := exec.LookPath(command); err != nil {
			return "", fmt.Errorf("%s is missing: make test installs it when you are root; otherwise: apt-get install nodejs npm", command)
		}
	}
	lock, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256(lock)
	installed := filepath.Join(buildDir, "npm", fmt.Sprintf("%s-%x", name, hash[:8]))
	if exists(installed) {
		return installed, nil
	}
	if err := os.MkdirAll(filepath.Dir(installed), 0o755); err != nil {
		return "", err
	}
	stage, err := os.MkdirTemp(filepath.Dir(installed), "installing-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(stage)
	for _, file := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(stage, file), content, 0o644); err != nil {
			return "", err
		}
	}
	fmt.Fprintln(os.Stderr, "installing the npm packages into", installed, "(once)")
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir, npm.Stdout, npm.Stderr = stage, os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return "", fmt.Errorf("npm ci: %w", err)
	}
	if err := os.Rename(stage, installed); err != nil && !exists(installed) { // another run may have been quicker
		return "", err
	}
	return installed, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
