package types

// LoginReq is the body of POST /v1/login.
type LoginReq struct {
	Mobile   string `json:"mobile"`
	Password string `json:"password"`
}

// LoginResp holds the token and two Unix times in seconds: when it expires, and
// from when on a client should fetch a new one.
type LoginResp struct {
	AccessToken  string `json:"accessToken"`
	AccessExpire int64  `json:"accessExpire"`
	RefreshAfter int64  `json:"refreshAfter"`
}
