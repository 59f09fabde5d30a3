package handler

import (
	"encoding/json"
	"net/http"

	"github.com/golang-jwt/jwt/v4"
	"github.com/zeromicro/go-zero/rest/httpx"
	"github.com/zeromicro/go-zero/rest/token"

	"throughline/services/login-api/internal/svc"
	"throughline/services/login-api/internal/types"
)

// MeHandler serves GET /v1/me, for whoever has logged in. It uses go-zero's parser
// of tokens and not its middleware: of a request without a valid token, that logs
// every header, the token among them.
func MeHandler(svcCtx *svc.ServiceContext) http.HandlerFunc {
	parser := token.NewTokenParser()
	return func(w http.ResponseWriter, r *http.Request) {
		parsed, err := parser.ParseToken(r, svcCtx.AccessSecret, "")
		if err != nil || !parsed.Valid {
			fail(w, r, *types.BadToken())
			return
		}
		claims, _ := parsed.Claims.(jwt.MapClaims)
		user, known := number(claims["userId"])
		expire, ends := number(claims["exp"])
		if !known || !ends {
			fail(w, r, *types.BadToken())
			return
		}
		httpx.OkJsonCtx(r.Context(), w, types.MeResp{UserID: user, AccessExpire: expire})
	}
}

// number reads a claim, which go-zero's parser leaves as a JSON number.
func number(claim any) (int64, bool) {
	n, ok := claim.(json.Number)
	if !ok {
		return 0, false
	}
	value, err := n.Int64()
	return value, err == nil
}
