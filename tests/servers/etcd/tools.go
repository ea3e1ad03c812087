//go:build tools

// Package tools names the executables that `cargo xtask servers` builds from this module.
//
// ldflags: -s -w
package tools

import (
	_ "go.etcd.io/etcd/etcdctl/v3" // etcdctl
	_ "go.etcd.io/etcd/etcdutl/v3" // etcdutl
	_ "go.etcd.io/etcd/server/v3"  // etcd
)
