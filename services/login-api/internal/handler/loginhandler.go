package handler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"

	"github.com/zeromicro/go-zero/core/trace"
	"github.com/zeromicro/go-zero/rest/httpx"

	"throughline/services/login-api/internal/logic"
	"throughline/services/login-api/internal/svc"
	"throughline/services/login-api/internal/types"
)

// maxBody bounds the body of a login, in bytes.
const maxBody = 4096

// LoginHandler serves POST /v1/login.
func LoginHandler(svcCtx *svc.ServiceContext) http.HandlerFunc {
	attempts := newAttempts()
	return func(w http.ResponseWriter, r *http.Request) {
		resp, err := login(svcCtx, w, r)
		if err != nil {
			answer := known(err)
			attempts.add(r.Context(), answer.Code)
			fail(w, r, *answer)
			return
		}
		attempts.add(r.Context(), success)
		httpx.OkJsonCtx(r.Context(), w, resp)
	}
}

func login(svcCtx *svc.ServiceContext, w http.ResponseWriter, r *http.Request) (*types.LoginResp, error) {
	req := types.LoginReq{Client: svcCtx.Limits.ClientOf(r), IdempotencyKey: r.Header.Get("Idempotency-Key")}
	if wait := svcCtx.Limits.Address(req.Client); wait > 0 {
		return nil, types.TooMany("too many logins from this address; try again later", wait)
	}
	if err := decode(w, r, &req); err != nil {
		return nil, err
	}
	return logic.NewLoginLogic(r.Context(), svcCtx).Login(&req)
}

// decode reads a JSON body. go-zero's own parser puts the body into its error,
// and this body holds a password.
func decode(w http.ResponseWriter, r *http.Request, req *types.LoginReq) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return types.TooLarge(fmt.Sprintf("the body is larger than %d bytes", maxBody))
		}
		return types.InvalidBody("the body could not be read to its end")
	}
	err = json.Unmarshal(body, req)
	var wrongType *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return types.InvalidField(wrongType.Field, "must be a string")
	default:
		return types.InvalidBody(`the body must be one JSON object: {"mobile": "…", "password": "…"}`)
	}
}

func known(err error) *types.Error {
	var known *types.Error
	if !errors.As(err, &known) {
		return types.Internal()
	}
	return known
}

func fail(w http.ResponseWriter, r *http.Request, answer types.Error) {
	answer.TraceID = trace.TraceIDFromContext(r.Context())
	if answer.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(answer.RetryAfter.Seconds()))))
	}
	httpx.WriteJsonCtx(r.Context(), w, answer.Status, answer)
}
