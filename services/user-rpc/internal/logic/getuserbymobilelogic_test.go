package logic

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"throughline/services/user-rpc/internal/model"
	"throughline/services/user-rpc/internal/svc"
	"throughline/services/user-rpc/user"
)

func TestGetUserByMobile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.db")
	_, err := model.NewUserModel(path)
	require.NoError(t, err)
	users, err := model.NewUserModel(path) // a second start finds the demo users
	require.NoError(t, err)
	get := func(ctx context.Context, mobile string) (*user.GetUserByMobileResp, error) {
		return NewGetUserByMobileLogic(ctx, &svc.ServiceContext{UserModel: users}).GetUserByMobile(&user.GetUserByMobileReq{Mobile: mobile})
	}

	u, err := get(t.Context(), "13800000010")
	require.NoError(t, err)
	assert.EqualValues(t, 10, u.Id)
	assert.NoError(t, bcrypt.CompareHashAndPassword([]byte(u.PasswordHash), []byte("demo-password")))

	for mobile, code := range map[string]codes.Code{
		"13800000011": codes.NotFound,
		"138":         codes.InvalidArgument,
		"":            codes.InvalidArgument,
		"' OR 1=1 --": codes.InvalidArgument,
	} {
		_, err := get(t.Context(), mobile)
		assert.Equal(t, code, status.Code(err), "%q", mobile)
		if mobile != "" {
			assert.NotContains(t, err.Error(), mobile)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = get(ctx, "13800000010")
	assert.Equal(t, codes.Canceled, status.Code(err))
}
