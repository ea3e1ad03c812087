//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "github.com/versity/versitygw/cmd/versitygw" // versitygw
)
