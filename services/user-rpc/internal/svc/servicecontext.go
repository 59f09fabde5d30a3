package svc

import (
	"throughline/services/user-rpc/internal/config"
	"throughline/services/user-rpc/internal/model"
)

// ServiceContext holds what the logic needs.
type ServiceContext struct {
	Config    config.Config
	UserModel *model.UserModel
}

// NewServiceContext opens the database.
func NewServiceContext(c config.Config) (*ServiceContext, error) {
	users, err := model.NewUserModel(c.DataSource)
	if err != nil {
		return nil, err
	}
	return &ServiceContext{Config: c, UserModel: users}, nil
}
