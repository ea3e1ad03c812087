//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws" // velero-plugin-for-aws
)
