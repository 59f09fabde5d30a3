// Package kubernetes checks deploy/kubernetes without a cluster: what kustomize makes of the
// overlay is decoded against the API's types and compared with docker-compose.yml.
package kubernetes
