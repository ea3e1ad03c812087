//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "github.com/kubernetes-csi/external-snapshotter/v8/cmd/csi-snapshotter"     // csi-snapshotter
	_ "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller" // snapshot-controller
)
