module servers/velero-1.17

go 1.26.0

require github.com/vmware-tanzu/velero v1.17.2

replace github.com/kopia/kopia => github.com/project-velero/kopia v0.0.0-20250722052735-3ea24d208777
