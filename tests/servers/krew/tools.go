//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "sigs.k8s.io/krew/cmd/krew" // krew
)
