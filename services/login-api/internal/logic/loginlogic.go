package logic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v4"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/zeromicro/go-zero/core/logx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"golang.org/x/crypto/bcrypt"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"throughline/services/internal/events"
	"throughline/services/internal/mobile"
	"throughline/services/login-api/internal/svc"
	"throughline/services/login-api/internal/types"
	"throughline/services/user-rpc/userclient"
)

// Limits, in bytes. That of a password is bcrypt's own.
const maxPassword, maxIdempotencyKey = 72, 256

// LoginLogic is one login.
type LoginLogic struct {
	ctx    context.Context
	svcCtx *svc.ServiceContext
	logx.Logger
}

// NewLoginLogic serves one request.
func NewLoginLogic(ctx context.Context, svcCtx *svc.ServiceContext) *LoginLogic {
	return &LoginLogic{ctx: ctx, svcCtx: svcCtx, Logger: logx.WithContext(ctx)}
}

// Login returns a token once the broker has confirmed the message of the login:
// whoever holds a token has an audit row coming. Every error is a *types.Error.
func (l *LoginLogic) Login(req *types.LoginReq) (*types.LoginResp, error) {
	number, err := validate(req)
	if err != nil {
		return nil, err
	}
	u, resp, err := l.authenticate(req, number)
	if err != nil {
		return nil, err
	}
	if err := l.publish(u.Id, req.IdempotencyKey); err != nil {
		l.Errorf("login of user %d: publish: %v", u.Id, err)
		return nil, types.Unavailable("the login could not be recorded; try again")
	}
	l.Infof("user %d logged in", u.Id)
	return resp, nil
}

// authenticate finds the user and checks the password, unless there were too many
// wrong ones.
func (l *LoginLogic) authenticate(req *types.LoginReq, number mobile.Number) (u *userclient.GetUserByMobileResp, resp *types.LoginResp, err error) {
	tried, wait := l.svcCtx.Limits.Account(req.Client, number)
	if wait > 0 { // the same for a number that nobody has
		return nil, nil, types.TooMany("too many wrong passwords for this number; try again later", wait)
	}
	defer func() {
		var failed *types.Error
		tried(errors.As(err, &failed) && failed.Status == http.StatusUnauthorized)
	}()
	if u, err = l.findUser(number); err != nil {
		return nil, nil, err
	}
	resp, err = l.local(u, req.Password)
	return u, resp, err
}

func validate(req *types.LoginReq) (mobile.Number, error) {
	switch {
	case req.Mobile == "":
		return "", types.InvalidField("mobile", "is required")
	case req.Password == "":
		return "", types.InvalidField("password", "is required")
	case len(req.Password) > maxPassword:
		return "", types.InvalidField("password", fmt.Sprintf("is longer than %d bytes", maxPassword))
	case len(req.IdempotencyKey) > maxIdempotencyKey:
		return "", types.InvalidField("Idempotency-Key", fmt.Sprintf("is longer than %d bytes", maxIdempotencyKey))
	}
	number, err := mobile.Parse(req.Mobile)
	if err != nil {
		return "", types.InvalidField("mobile", err.Error())
	}
	return number, nil
}

// findUser returns nil for a number that nobody has.
func (l *LoginLogic) findUser(number mobile.Number) (*userclient.GetUserByMobileResp, error) {
	u, err := l.svcCtx.UserRpc.GetUserByMobile(l.ctx, &userclient.GetUserByMobileReq{Mobile: string(number)})
	switch status.Code(err) {
	case grpccodes.OK:
		return u, nil
	case grpccodes.NotFound:
		return nil, nil
	default:
		l.Errorf("login of %s: user-rpc: %v", number, err)
		return nil, types.Unavailable("the user service does not answer; try again")
	}
}

// local is the part of a login that stays in this process: it checks the
// password and signs the token. Being plain Go it gets its span by hand.
func (l *LoginLogic) local(u *userclient.GetUserByMobileResp, password string) (*types.LoginResp, error) {
	_, span := otel.Tracer("login-api").Start(l.ctx, "local")
	defer span.End()

	hash := l.svcCtx.UnknownUserHash // an unknown number takes as long as a known one
	if u != nil {
		hash = []byte(u.PasswordHash)
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || u == nil {
		span.SetStatus(codes.Error, "mobile or password is wrong")
		return nil, types.BadCredentials()
	}
	now, expire := time.Now(), l.svcCtx.Config.Auth.AccessExpire
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iat": now.Unix(), "exp": now.Add(expire).Unix(), "userId": u.Id,
	}).SignedString([]byte(l.svcCtx.AccessSecret))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		l.Errorf("sign the token of user %d: %v", u.Id, err)
		return nil, types.Internal()
	}
	return &types.LoginResp{
		AccessToken:  token,
		AccessExpire: now.Add(expire).Unix(),
		RefreshAfter: now.Add(expire / 2).Unix(),
	}, nil
}

func (l *LoginLogic) publish(userID int64, idempotencyKey string) error {
	body, err := json.Marshal(events.LoggedIn{UserID: userID, LoginAt: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("encode %s: %w", events.UserLoggedIn, err)
	}
	return l.svcCtx.Publisher.Publish(l.ctx, events.Exchange, events.UserLoggedIn, amqp.Publishing{
		MessageId:   messageID(userID, idempotencyKey),
		Type:        events.UserLoggedIn,
		AppId:       "login-api",
		ContentType: "application/json",
		Timestamp:   time.Now(),
		Body:        body,
	})
}

// logins is the name space of the message ids that are made of keys.
var logins = uuid.MustParse("5d0d1b1c-8a2e-4f3b-9c44-0a7c5f1e6b21")

// messageID is the id under which audit-mq stores a login once: the same for the
// same key of the same user, so that nobody's key can hide another's login.
func messageID(userID int64, idempotencyKey string) string {
	if idempotencyKey == "" {
		return uuid.NewString()
	}
	return uuid.NewSHA1(logins, fmt.Appendf(nil, "%d %s", userID, idempotencyKey)).String()
}
