package stack

import (
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
	s, err := newStack(t, map[string]string{"TAIL_SAMPLING": "on"})
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
		"AUDIT_MQ_PORT and USER_RPC_PORT are both 8081", "BIND_HOST=localhost", "TAIL_SAMPLING=yes: give on, or off", "RABBITMQ_URL",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password:\n%v", err)
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
}

func TestAGivenBinaryIsNotBuilt(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]string{}
	for _, variable := range []string{"LOGIN_API_BIN", "USER_RPC_BIN", "AUDIT_MQ_BIN", "COLLECTOR_BIN", "TEMPO_BIN", "LOKI_BIN", "PROMETHEUS_BIN", "PROMTOOL_BIN", "CONSOLE_BIN"} {
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
			if got, want := slices.Contains(p.env, fault), p.name == "audit-mq"; got != want {
				t.Errorf("%s gets %s: %v, want %v", p.name, fault, got, want)
			}
		}
	}
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

// A version is written once more where the Go tool reads it: in the room's go.mod.
func TestVersionsAreThoseOfTheRooms(t *testing.T) {
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
