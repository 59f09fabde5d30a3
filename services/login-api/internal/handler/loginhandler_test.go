package handler

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
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

	"throughline/services/login-api/internal/limit"
	"throughline/services/login-api/internal/svc"
	"throughline/services/login-api/internal/types"
	"throughline/services/user-rpc/userclient"
)

// userRpc answers every call with err.
type userRpc struct{ err error }

func (u userRpc) GetUserByMobile(context.Context, *userclient.GetUserByMobileReq, ...grpc.CallOption) (*userclient.GetUserByMobileResp, error) {
	return nil, u.err
}

func serviceContext(t *testing.T, perAddress int, users userclient.User) *svc.ServiceContext {
	t.Helper()
	limits, err := limit.New(perAddress, nil, nil)
	require.NoError(t, err)
	return &svc.ServiceContext{UserRpc: users, Limits: limits, UnknownUserHash: []byte("of nobody")}
}

func tryLogin(t *testing.T, users userclient.User, body string) (int, types.Error) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body))
	LoginHandler(serviceContext(t, 0, users))(w, r)
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
		code, answer := tryLogin(t, nil, body)
		assert.Equal(t, http.StatusBadRequest, code, body)
		assert.Equal(t, "invalid_argument", answer.Code, body)
		assert.Equal(t, field, answer.Field, body)
		assert.NotContains(t, answer.Message, "13800000001")
		assert.NotContains(t, answer.Message, "demo")
	}
}

func TestLoginRefusesAnOversizedBody(t *testing.T) {
	code, answer := tryLogin(t, nil, `{"mobile": "`+strings.Repeat("1", maxBody)+`"}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, code)
	assert.Equal(t, "too_large", answer.Code)
}

func TestLoginSaysThatTheUserServiceIsAway(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal} {
		got, answer := tryLogin(t, userRpc{status.Error(code, "x")}, `{"mobile": "13800000001", "password": "demo"}`)
		assert.Equal(t, http.StatusServiceUnavailable, got)
		assert.Equal(t, "unavailable", answer.Code)
	}
}

func TestTooManyLoginsOfAnAddressOrAnAccountAreAnswered429(t *testing.T) {
	const body = `{"mobile": "13800000001", "password": "wrong"}`
	unknown := userRpc{status.Error(codes.NotFound, "x")}
	for what, svcCtx := range map[string]*svc.ServiceContext{
		"from this address": serviceContext(t, 1, userRpc{status.Error(codes.Unavailable, "x")}),
		"for this number":   serviceContext(t, 0, unknown),
	} {
		handler := LoginHandler(svcCtx)
		post := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			handler(w, httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body)))
			return w
		}
		for range 10 {
			require.NotEqual(t, http.StatusTooManyRequests, post().Code, what)
		}
		w := post()
		require.Equal(t, http.StatusTooManyRequests, w.Code, what)
		assert.Contains(t, w.Body.String(), what)
		assert.NotContains(t, w.Body.String(), "13800000001")
		seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
		require.NoError(t, err)
		assert.True(t, seconds >= 1 && seconds <= 5, seconds)
	}
}

func TestEveryLoginIsCountedByItsResult(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))

	handler := CountRefused(LoginHandler(serviceContext(t, 0, userRpc{status.Error(codes.Unavailable, "x")})))
	for _, body := range []string{"", "{}", `{"mobile": "13800000001", "password": "demo"}`, strings.Repeat(" ", maxBody+1)} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body)))
	}
	assert.Equal(t, map[string]int64{"success": 0, "invalid_argument": 2, "too_large": 1, "unauthenticated": 0, "resource_exhausted": 0, "unavailable": 1, "internal": 0}, counts(t, reader))
}

// TestLoginThatNeverReachesItsHandlerIsCounted has go-zero's breaker, or its load
// shedding, answer.
func TestLoginThatNeverReachesItsHandlerIsCounted(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))

	refusing := CountRefused(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	for _, request := range []*http.Request{
		httptest.NewRequest(http.MethodPost, "/v1/login", nil), httptest.NewRequest(http.MethodPost, "/v1//login/", nil),
		httptest.NewRequest(http.MethodGet, "/v1/login", nil), httptest.NewRequest(http.MethodPost, "/v1/logout", nil), // no logins
	} {
		refusing.ServeHTTP(httptest.NewRecorder(), request)
	}
	assert.EqualValues(t, 2, counts(t, reader)["unavailable"])
}

// counts are those of login.attempts, by result.
func counts(t *testing.T, reader sdkmetric.Reader) map[string]int64 {
	t.Helper()

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
	return counts
}
