// Package flows holds the flow of the demo, what its trace must have, as data.
package flows

import _ "embed"

// Login is the file of a login.
//
//go:embed login.yaml
var Login []byte

// Schema is the JSON Schema of a flow file.
//
//go:embed flow.schema.json
var Schema []byte
