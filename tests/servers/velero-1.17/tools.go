//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w -X github.com/vmware-tanzu/velero/pkg/buildinfo.Version=v1.17.2
package tools

import (
	_ "github.com/vmware-tanzu/velero/cmd/velero"                // velero
	_ "github.com/vmware-tanzu/velero/cmd/velero-helper"         // velero-helper
	_ "github.com/vmware-tanzu/velero/cmd/velero-restore-helper" // velero-restore-helper
)
