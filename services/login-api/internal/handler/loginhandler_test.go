package handler

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"throughline/services/login-api/internal/svc"
	"throughline/services/login-api/internal/types"
	"throughline/services/user-rpc/userclient"
)

// userRpc answers every call with err.
type userRpc struct{ err error }

func (u userRpc) GetUserByMobile(context.Context, *userclient.GetUserByMobileReq, ...grpc.CallOption) (*userclient.GetUserByMobileResp, error) {
	return nil, u.err
}

func login(t *testing.T, users userclient.User, body string) (int, types.Error) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body))
	LoginHandler(&svc.ServiceContext{UserRpc: users})(w, r)
	var answer types.Error
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body.String())
	return w.Code, answer
}

func TestLoginNamesTheFieldThatIsWrong(t *testing.T) {
	for body, field := range map[string]string{
		`{}`:                        "mobile",
		`{"mobile": "13800000001"}`: "password",
		`{"password": "demo"}`:      "mobile",
		`{"mobile": 13800000001}`:   "mobile",
		`{"mobile": "13800000001", "password": ["demo"]}`:                          "password",
		`{"mobile": "138", "password": "demo"}`:                                    "mobile",
		`{"mobile": "13800000001", "password": "` + strings.Repeat("x", 73) + `"}`: "password",
		``:                "",
		`{`:               "",
		`[]`:              "",
		`"13800000001"`:   "",
		`{"mobile": ""}}`: "",
	} {
		code, answer := login(t, nil, body)
		assert.Equal(t, http.StatusBadRequest, code, body)
		assert.Equal(t, "invalid_argument", answer.Code, body)
		assert.Equal(t, field, answer.Field, body)
		assert.NotContains(t, answer.Message, "13800000001")
		assert.NotContains(t, answer.Message, "demo")
	}
}

func TestLoginRefusesAnOversizedBody(t *testing.T) {
	code, answer := login(t, nil, `{"mobile": "`+strings.Repeat("1", maxBody)+`"}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Equal(t, "too_large", answer.Code)
}

func TestLoginSaysThatTheUserServiceIsAway(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal} {
		got, answer := login(t, userRpc{status.Error(code, "x")}, `{"mobile": "13800000001", "password": "demo"}`)
		assert.Equal(t, http.StatusServiceUnavailable, got)
		assert.Equal(t, "unavailable", answer.Code)
	}
}

func TestEveryLoginIsCountedByItsResult(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))

	handler := LoginHandler(&svc.ServiceContext{UserRpc: userRpc{status.Error(codes.Unavailable, "x")}})
	for _, body := range []string{"", "{}", `{"mobile": "13800000001", "password": "demo"}`, strings.Repeat(" ", maxBody+1)} {
		handler(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body)))
	}

	var measured metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &measured))
	require.Len(t, measured.ScopeMetrics, 1)
	require.Len(t, measured.ScopeMetrics[0].Metrics, 1)
	attempts := measured.ScopeMetrics[0].Metrics[0]
	assert.Equal(t, "login.attempts", attempts.Name)
	counts := map[string]int64{}
	for _, point := range attempts.Data.(metricdata.Sum[int64]).DataPoints {
		result, _ := point.Attributes.Value("result")
		counts[result.AsString()] = point.Value
	}
	assert.Equal(t, map[string]int64{"success": 0, "invalid_argument": 2, "too_large": 1, "unauthenticated": 0, "unavailable": 1, "internal": 0}, counts)
}
