package svc

import (
	"throughline/services/audit-mq/internal/config"
	"throughline/services/audit-mq/internal/model"
)

// ServiceContext holds what logic and consumer need.
type ServiceContext struct {
	Config     config.Config
	LoginModel *model.LoginModel
}

// NewServiceContext opens the database.
func NewServiceContext(c config.Config) (*ServiceContext, error) {
	logins, err := model.NewLoginModel(c.DataSource)
	if err != nil {
		return nil, err
	}
	return &ServiceContext{Config: c, LoginModel: logins}, nil
}
