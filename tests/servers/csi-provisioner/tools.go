//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "github.com/kubernetes-csi/external-provisioner/v6/cmd/csi-provisioner" // csi-provisioner
)
