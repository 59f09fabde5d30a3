package stack

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"throughline/internal/probe"
)

// grafana is a part only where one is installed: it cannot be built from the Go
// module proxy. It runs with this project's provisioning and a data directory of
// its own, beside any other Grafana of the machine.
func (s *Stack) grafana(env *environment) *part {
	binary, home := env.grafana("GRAFANA_HOME")
	if binary == "" {
		return nil
	}
	data := s.dataDir("grafana")
	host, _, _ := strings.Cut(s.at("GRAFANA_PORT"), ":")
	domain := cmp.Or(env.getenv("GRAFANA_DOMAIN"), host)
	return &part{
		name:   "grafana",
		needs:  []string{"tempo", "jaeger", "loki", "prometheus"},
		binary: binary,
		args:   []string{"server", "--homepath", home},
		ports:  []string{"GRAFANA_PORT"},
		env: append([]string{
			"TEMPO_URL=http://" + s.at("TEMPO_PORT"),
			"JAEGER_URL=http://" + s.at("JAEGER_QUERY_PORT"),
			"LOKI_URL=http://" + s.at("LOKI_PORT"),
			"PROMETHEUS_URL=http://" + s.at("PROMETHEUS_PORT"),
			"GF_SERVER_HTTP_ADDR=" + s.bindHost,
			"GF_SERVER_HTTP_PORT=" + strconv.Itoa(s.ports["GRAFANA_PORT"]),
			"GF_PATHS_PROVISIONING=" + filepath.Join(s.root, "grafana", "provisioning"),
			"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=" + filepath.Join(s.root, "grafana", "dashboards", "message-flow.json"),
			"GF_PATHS_DATA=" + data,
			"GF_PATHS_LOGS=" + filepath.Join(data, "log"),
			"GF_PATHS_PLUGINS=" + filepath.Join(data, "plugins"),
			"GF_LOG_MODE=console",
			// Whoever reaches the port looks, without an account: there is none. A page of
			// another origin whose name leads here (DNS rebinding) is sent away.
			"GF_SERVER_DOMAIN=" + domain,
			"GF_SERVER_ENFORCE_DOMAIN=true",
			"GF_SERVER_ROOT_URL=http://" + domain + ":" + strconv.Itoa(s.ports["GRAFANA_PORT"]) + "/",
			"GF_AUTH_ANONYMOUS_ENABLED=true",
			"GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer",
			"GF_USERS_VIEWERS_CAN_EDIT=true", // the links between signals lead to Explore; nothing is saved
			"GF_AUTH_BASIC_ENABLED=false",
			"GF_AUTH_DISABLE_LOGIN_FORM=true",
			"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true",
			"GF_ANALYTICS_REPORTING_ENABLED=false",
			"GF_ANALYTICS_CHECK_FOR_UPDATES=false",
			"GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES=false",
			"GF_PLUGINS_PREINSTALL_DISABLED=true",
		}, env.given("TENANT")...),
		files:   []string{"grafana/provisioning/datasources/datasources.yaml", "grafana/provisioning/dashboards/dashboards.yaml"},
		address: "http://" + s.at("GRAFANA_PORT"),
		ready:   probe.HTTP("http://" + s.at("GRAFANA_PORT") + "/api/health"),
		grace:   20 * time.Second,
	}
}

// grafana returns the executable and the home of the Grafana that the variable
// gives or that the PATH has; both are empty when there is none. Debian's and
// the tarball's packages differ in where they keep the home.
func (e *environment) grafana(variable string) (binary, home string) {
	if home = e.getenv(variable); home != "" {
		home, err := filepath.Abs(home)
		if err == nil {
			binary = filepath.Join(home, "bin", "grafana")
			err = executable(binary)
		}
		if err != nil {
			e.errorf("%s=%s: bin/grafana in it: %w; give the directory of a Grafana, or unset it", variable, home, err)
			return "", ""
		}
		return binary, home
	}
	found, err := exec.LookPath("grafana")
	if err != nil {
		return "", ""
	}
	if real, err := filepath.EvalSymlinks(found); err == nil {
		found = real
	}
	for _, home := range []string{filepath.Dir(filepath.Dir(found)), "/usr/share/grafana"} {
		if matches, _ := filepath.Glob(filepath.Join(home, "conf", "defaults.ini")); len(matches) == 1 {
			return found, home
		}
	}
	return "", ""
}
