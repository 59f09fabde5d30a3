// Package conf loads a service's YAML file. ${NAME:-default} in it stands for an
// environment variable, as in the collector's, Tempo's and Compose's files.
package conf

import (
	"fmt"

	"github.com/a8m/envsubst"
	"github.com/zeromicro/go-zero/core/conf"
)

// Load reads the file at path into v, a pointer to a go-zero config.
func Load(path string, v any) error {
	content, err := envsubst.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration %s: %w; give its path with -f", path, err)
	}
	if err := conf.LoadFromYamlBytes(content, v); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}
