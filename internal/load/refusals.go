package load

import (
	"bytes"
	"net/http"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"throughline/internal/demo"
)

// refused are bodies that login-api must refuse, each with what a client can do wrong.
var refused = [][]byte{
	[]byte(`{"mobile":"` + demo.Users[0].Mobile + `","password":"wrong"}`), // 401
	[]byte(`{"mobile":"13900000000","password":"wrong"}`),                  // 401: nobody has that number
	[]byte(`{"mobile":"`),                               // 400: not JSON
	[]byte(`{"mobile":"` + demo.Users[0].Mobile + `"}`), // 400: no password
	bytes.Repeat([]byte(" "), 8<<10),                    // 413
}

// refusal tells whether a login of refused may be answered with the HTTP status.
func refusal(status uint16) bool {
	switch status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// withRefusals returns good logins and as many that are refused, by turns.
func withRefusals(loginURL string) []vegeta.Target {
	var targets []vegeta.Target
	for i, login := range Logins(loginURL) {
		targets = append(targets, login, loginTarget(loginURL, refused[i%len(refused)]))
	}
	return targets
}
