#!/bin/sh
velero backup create nightly --ttl 30d
velero backup create --include-namespaces shop
velero backup create nightly --snapshot-volumes false
velero backup create nightly --include-namespace shop
velero restore create --from-backup nightly --restore-volumes false
velero restore create --include-namespaces shop
velero backup create nightly \
  --selector app=shop \
  --or-selector 'app=a or app=b'
velero schedule create nightly --include-namespaces shop
velero backup create nightly -l 'app!=shop'
kubectl -n velero exec deploy/velero -- /velero backup create nightly --include-resources pods --include-cluster-scoped-resources '*'
velero restore create --from-backup nightly --existing-resource-policy overwrite
velero backup create nightly –include-namespaces shop
velero backup create $NAME nightly weekly
xargs velero backup create nightly --ttl 30d
