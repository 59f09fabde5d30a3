package types

// ListLoginsReq selects logins by user, by trace or by both.
type ListLoginsReq struct {
	UserID  int64  `form:"user_id,optional"`
	TraceID string `form:"trace_id,optional"`
	Limit   int    `form:"limit,default=100,range=[1:1000]"`
	Offset  int    `form:"offset,default=0,range=[0:]"`
}

// Login is one stored login; times are RFC 3339 in UTC.
type Login struct {
	MessageID string `json:"messageId"`
	UserID    int64  `json:"userId"`
	LoginAt   string `json:"loginAt"`
	StoredAt  string `json:"storedAt"`
	TraceID   string `json:"traceId"`
	Attempt   int    `json:"attempt"`
}

// ListLoginsResp holds the newest logins and how many there are in all.
type ListLoginsResp struct {
	Total  int64   `json:"total"`
	Logins []Login `json:"logins"`
}
