package stack

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/joho/godotenv"
)

func newStack(t *testing.T, env map[string]string) (*Stack, error) {
	t.Helper()
	return New("", func(name string) string { return env[name] })
}

func TestTheTableIsWhole(t *testing.T) {
	s, err := newStack(t, map[string]string{"TAIL_SAMPLING": "on", "RABBITMQ_NODES": "3"})
	if err != nil {
		t.Fatal(err)
	}
	var ports []string
	for _, p := range s.parts {
		ports = append(ports, p.ports...)
		for _, need := range p.needs {
			if _, err := s.part(need); err != nil {
				t.Errorf("%s needs %s: %v", p.name, need, err)
			}
		}
		for _, variable := range p.ports {
			if want := variable + "=" + strconv.Itoa(s.ports[variable]); !slices.Contains(p.env, want) {
				t.Errorf("%s does not get %s", p.name, want)
			}
		}
	}
	ports = append(ports, "GRAFANA_PORT") // a part only where one is installed
	slices.Sort(ports)
	if want := slices.Sorted(maps.Keys(defaultPorts)); !slices.Equal(ports, want) {
		t.Errorf("the parts listen on %v, the ports are %v", ports, want)
	}
	for _, name := range traceable {
		if _, err := s.part(name); err != nil {
			t.Error(err)
		}
	}
}

func TestAllThatIsWrongIsNamedAtOnce(t *testing.T) {
	_, err := newStack(t, map[string]string{
		"RABBITMQ_NODES": "2",
		"TENANT":         "team-a|team-b",
		"LOGIN_API_PORT": "http",
		"TEMPO_PORT":     "70000",
		"JAEGER_BIN":     "/nowhere/jaeger",
		"TEMPO_BIN":      os.TempDir(),
		"AUDIT_MQ_PORT":  "8081",
		"BIND_HOST":      "localhost",
		"TAIL_SAMPLING":  "yes",
		"RABBITMQ_URL":   "http://guest:secret@broker/%zz",
	})
	if err == nil {
		t.Fatal("there was no error")
	}
	for _, want := range []string{
		"LOGIN_API_PORT=http", "TEMPO_PORT=70000", "JAEGER_BIN=/nowhere/jaeger", "TEMPO_BIN=",
		"AUDIT_MQ_PORT and USER_RPC_PORT are both 8081", "BIND_HOST=localhost", "TAIL_SAMPLING=yes: give on, or off", "TENANT=team-a|team-b: not a name of a tenant", "RABBITMQ_URL", "RABBITMQ_NODES=2: give 1, or 3",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %q:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "TENANT="); n != 1 {
		t.Errorf("the error tells of TENANT %d times:\n%v", n, err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password:\n%v", err)
	}
}

func TestListeningForOtherMachinesTakesAnExplicitWord(t *testing.T) {
	_, err := newStack(t, map[string]string{"BIND_HOST": "0.0.0.0"})
	if err == nil || !strings.Contains(err.Error(), "EXPOSE_UNPROTECTED=yes") || !strings.Contains(err.Error(), "traces, logs and metrics") {
		t.Errorf("error %v, want one that names what it would expose, and EXPOSE_UNPROTECTED", err)
	}
	for _, env := range []map[string]string{{"BIND_HOST": "127.0.0.1"}, {"BIND_HOST": "0.0.0.0", "EXPOSE_UNPROTECTED": "yes"}} {
		if _, err := newStack(t, env); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
}

func TestAnExternalBrokerIsShownWithoutItsPassword(t *testing.T) {
	s, err := newStack(t, map[string]string{"RABBITMQ_URL": "amqp://app:secret@127.0.0.1:1/", "RABBITMQ_PORT": "8080"})
	if err != nil {
		t.Fatal(err)
	}
	var broker PartStatus
	for _, status := range s.Status(t.Context()) {
		if status.Name == "rabbitmq" {
			broker = status
		}
	}
	if broker.State != Away || broker.Reason == "" {
		t.Errorf("status %+v, want away with a reason", broker)
	}
	if strings.Contains(broker.Address+broker.Reason, "secret") || !strings.Contains(broker.Address, "app") {
		t.Errorf("status %+v, want the address without the password", broker)
	}
	if got := s.Endpoints().RabbitMQ; got != "amqp://app:secret@127.0.0.1:1/" {
		t.Errorf("endpoint %q, want what was given", got)
	}
	if err := s.Start(t.Context(), "rabbitmq"); err == nil {
		t.Error("an external broker was started")
	}
	if _, err := newStack(t, map[string]string{"RABBITMQ_URL": "amqp://app:secret@127.0.0.1:1/", "RABBITMQ_NODES": "3"}); err == nil {
		t.Error("an external broker is to have three nodes of ours")
	}
}

func TestTheNodesOfABrokerDiffer(t *testing.T) {
	s, err := newStack(t, map[string]string{"RABBITMQ_NODES": "3", "RABBITMQ_2_PORT": "7777"})
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"login-api", "audit-mq"} {
		var urls []string
		for _, port := range []string{"5672", "7777", "5674"} {
			urls = append(urls, fmt.Sprintf("amqp://%s:%s@127.0.0.1:%s/", service, s.broker.passwords[service], port))
		}
		if want := "RABBITMQ_URL=" + strings.Join(urls, ","); !slices.Contains(partOf(t, s, service).env, want) {
			t.Errorf("%s does not get %s", service, want)
		}
		for _, node := range brokerNodes {
			if !slices.Contains(partOf(t, s, service).needs, node) {
				t.Errorf("%s is not stopped after %s", node, service)
			}
		}
	}
	seen := map[string]bool{}
	for _, node := range brokerNodes {
		for _, variable := range partOf(t, s, node).env {
			for _, own := range []string{"RABBITMQ_PORT=", "RABBITMQ_MANAGEMENT_PORT=", "RABBITMQ_DIST_PORT=", "RABBITMQ_NODE="} {
				if strings.HasPrefix(variable, own) && seen[variable] && node != brokerNodes[0] {
					t.Errorf("%s: %s is that of another", node, variable)
				}
			}
			seen[variable] = true
		}
	}
	if !slices.Contains(partOf(t, s, "rabbitmq-2").env, "RABBITMQ_PORT=7777") {
		t.Error("rabbitmq-2 does not listen where the services connect")
	}
}

// A first trace takes the services, the collector and Tempo; the console shows it.
func TestWhatShowsAFirstTraceIsBuiltFirst(t *testing.T) {
	s, err := newStack(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range s.builds {
		names = append(names, b.name)
	}
	want := []string{"services", "otel-collector", "tempo", "console", "jaeger", "loki", "prometheus"}
	if !slices.Equal(names, want) {
		t.Errorf("the builds are %q, want %q", names, want)
	}
}

func TestAGivenBinaryIsNotBuilt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, variable := range []string{"LOGIN_API_BIN", "USER_RPC_BIN", "AUDIT_MQ_BIN", "COLLECTOR_BIN", "TEMPO_BIN", "LOKI_BIN", "PROMETHEUS_BIN", "CONSOLE_BIN"} {
		given[variable] = self
	}
	s, err := newStack(t, given)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.builds) != 1 || s.builds[0].name != "jaeger" {
		t.Errorf("%d builds, want that of jaeger alone", len(s.builds))
	}
}

func TestFaultsReachAuditMQAndNobodyElse(t *testing.T) {
	s, err := newStack(t, map[string]string{"AUDIT_MQ_DELAY": "1s", "AUDIT_MQ_FAILURE_RATIO": "0.7"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.parts {
		for _, fault := range []string{"AUDIT_MQ_DELAY=1s", "AUDIT_MQ_FAILURE_RATIO=0.7"} {
			// The supervisor hands its settings on, to start audit-mq as it was.
			if got, want := slices.Contains(p.env, fault), p.name == "audit-mq" || p.name == supervisor; got != want {
				t.Errorf("%s gets %s: %v, want %v", p.name, fault, got, want)
			}
		}
	}
}

func TestWhatStartsPartsGetsTheWholeSettings(t *testing.T) {
	set := map[string]string{"LOGIN_API_ACCESS_SECRET": strings.Repeat("s", 32), "TEMPO_PORT": "3201", "AUDIT_RETENTION": "1h"}
	s, err := newStack(t, set)
	if err != nil {
		t.Fatal(err)
	}
	for _, variable := range partOf(t, s, "console").env {
		if strings.HasPrefix(variable, "LOGIN_API_ACCESS_SECRET=") || strings.HasPrefix(variable, "CONSOLE_FAULT") {
			t.Errorf("the console gets %.20s", variable)
		}
	}
	want, err := s.Settings()
	if err != nil {
		t.Fatal(err)
	}

	set["CONSOLE_FAULTS"] = "allow"
	if s, err = newStack(t, set); err != nil {
		t.Fatal(err)
	}
	for _, starter := range []string{"console", supervisor} {
		again, err := newStack(t, environmentOf(partOf(t, s, starter).env)) // as the command makes it
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range s.parts {
			var same *part
			if same, err = again.part(p.name); err != nil {
				t.Fatal(err)
			}
			if p.name != "console" && p.name != supervisor && !slices.Equal(same.env, p.env) { // they start neither
				t.Errorf("%s would be restarted: its environment is %q, and was %q", p.name, same.env, p.env)
			}
		}
		if got, err := again.Settings(); err != nil || got != want {
			t.Errorf("settings %s, want %s, %v", got, want, err)
		}
	}

	set["CONSOLE_FAULTS"] = "on"
	if _, err := newStack(t, set); err == nil || !strings.Contains(err.Error(), "CONSOLE_FAULTS=on: give allow") {
		t.Errorf("error %v", err)
	}
}

func environmentOf(variables []string) map[string]string {
	env := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	return env
}

func TestTakenPortsAreNamedWithTheirHolder(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	s := fakeStack(t, "serves", "parent", "stubborn")
	s.ports["SERVES_PORT"], _ = strconv.Atoi(taken)
	s.ports["STUBBORN_PORT"] = s.ports["SERVES_PORT"]
	err = s.Up(t.Context(), discard{}, UpOptions{})
	if err == nil {
		t.Fatal("there was no error")
	}
	for _, want := range []string{"serves: port " + taken, "SERVES_PORT", "STUBBORN_PORT", "pid " + strconv.Itoa(os.Getpid())} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %q:\n%v", want, err)
		}
	}
	if got := states(s); got["parent"] != Stopped {
		t.Error("a part was started though a port is taken")
	}
}

func TestTheRootIsFoundFromInside(t *testing.T) {
	none := func(string) string { return "" }
	root, err := findRoot(none)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "versions.env")); err != nil {
		t.Error(err)
	}
	t.Chdir(t.TempDir())
	if _, err := findRoot(none); err == nil || !strings.Contains(err.Error(), "THROUGHLINE_ROOT") {
		t.Errorf("error %v, want one that tells what to set", err)
	}
}

// A version is written once more where the Go tool reads it: in the go.mod of the part.
func TestVersionsAreThoseOfGoMod(t *testing.T) {
	s, err := newStack(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	versions, err := godotenv.Read(filepath.Join(s.root, "versions.env"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []struct{ file, requires string }{
		{"go.mod", "go " + versions["GO_VERSION"]},
		{"otel-collector/otelcol/go.mod", "go.opentelemetry.io/collector/otelcol v" + versions["COLLECTOR_VERSION"]},
		{"otel-collector/otelcol-sampling/go.mod", "go.opentelemetry.io/collector/otelcol v" + versions["COLLECTOR_VERSION"]},
		{"jaeger/go.mod", "github.com/jaegertracing/jaeger " + versions["JAEGER_MODULE"]},
		{"tempo/go.mod", "github.com/grafana/tempo " + versions["TEMPO_MODULE"]},
		{"loki/go.mod", "github.com/grafana/loki/v3 v" + versions["LOKI_VERSION"]},
		{"prometheus/go.mod", "github.com/prometheus/prometheus " + versions["PROMETHEUS_MODULE"]},
	} {
		content, err := os.ReadFile(filepath.Join(s.root, pin.file))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(content), pin.requires) {
			t.Errorf("%s does not pin %q", pin.file, pin.requires)
		}
	}
}

func TestSettingsChangeWithWhatThePartsAreStartedWith(t *testing.T) {
	run := t.TempDir()
	root := t.TempDir()
	for _, dir := range []string{"services", "tempo", "jaeger", "loki", "prometheus", "otel-collector", "rabbitmq"} {
		if err := os.CopyFS(filepath.Join(root, dir), os.DirFS(filepath.Join("..", "..", dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "versions.env"} {
		content, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"THROUGHLINE_RUN_DIR": run}
	seen := map[string]string{}
	look := func(after string) {
		t.Helper()
		s, err := New(root, func(name string) string { return env[name] })
		if err != nil {
			t.Fatal(err)
		}
		settings, err := s.Settings()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := s.Settings(); again != settings {
			t.Errorf("after %s: they are %s and then %s", after, settings, again)
		}
		if before, ok := seen[settings]; ok {
			t.Errorf("they are the same after %q and after %q", before, after)
		}
		seen[settings] = after
	}
	look("nothing")
	env["OTEL_BSP_SCHEDULE_DELAY"] = "500"
	look("a variable")
	env["RABBITMQ_URL"] = "amqp://a:b@127.0.0.1:1/"
	look("a broker of the user's")
	config := filepath.Join(root, "tempo", "config.yaml")
	if err := os.WriteFile(config, []byte("target: all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	look("a configuration")
	versions, err := os.ReadFile(filepath.Join(root, "versions.env"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "versions.env"), append(versions, "LOKI_VERSION=9.9.9\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	look("a version")
}
