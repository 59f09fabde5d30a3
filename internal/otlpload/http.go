package otlpload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

func dialHTTP(endpoint string) (*Client, error) {
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, fmt.Errorf("OTLP receiver %q: give host:port for gRPC, or http://host:port", endpoint)
	}
	address := strings.TrimRight(endpoint, "/") + "/v1/traces"
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	client := &http.Client{Transport: transport}
	return &Client{
		endpoint: endpoint,
		close:    func() error { transport.CloseIdleConnections(); return nil },
		export: func(ctx context.Context, request ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
			return post(ctx, client, address, request)
		},
	}, nil
}

// post sends one request. Its errors carry the code that gRPC has for such an
// answer, so that both protocols are retried alike (OTLP 1.5, "Failures").
func post(ctx context.Context, client *http.Client, address string, export ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	answer := ptraceotlp.NewExportResponse()
	body, err := export.MarshalProto()
	if err != nil {
		return answer, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	response, err := client.Do(request)
	if err != nil {
		return answer, status.Error(codes.Unavailable, err.Error())
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer, status.Error(codes.Unavailable, err.Error())
	}
	switch response.StatusCode {
	case http.StatusOK:
		return answer, answer.UnmarshalProto(text)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return answer, status.Errorf(codes.Unavailable, "%s: %.200s", response.Status, text)
	}
	return answer, status.Errorf(codes.InvalidArgument, "%s: %.200s", response.Status, text)
}
