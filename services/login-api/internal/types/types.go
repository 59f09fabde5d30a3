package types

import "throughline/services/login-api/internal/limit"

// LoginReq is the body of POST /v1/login.
type LoginReq struct {
	Mobile   string `json:"mobile"`
	Password string `json:"password"`
	// IdempotencyKey, which may be empty, is the caller's own id of this login: one
	// that is sent again is recorded once.
	IdempotencyKey string `json:"-"`
	// Client is who sends it.
	Client limit.Client `json:"-"`
}

// MeResp is who the token of a request belongs to, and the Unix time in seconds when
// it expires.
type MeResp struct {
	UserID       int64 `json:"userId"`
	AccessExpire int64 `json:"accessExpire"`
}

// LoginResp holds the token and two Unix times in seconds: when it expires, and
// from when on a client should fetch a new one.
type LoginResp struct {
	AccessToken  string `json:"accessToken"`
	AccessExpire int64  `json:"accessExpire"`
	RefreshAfter int64  `json:"refreshAfter"`
}
