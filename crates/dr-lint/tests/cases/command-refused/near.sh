#!/bin/sh
velero backup create nightly --ttl 720h --wait
velero backup create "$NAME" --ttl "$TTL" --selector "$SELECTOR" --snapshot-volumes=$SNAPSHOT
velero backup create --from-schedule nightly
velero create backup nightly --snapshot-volumes=false -n velero
velero restore create --from-backup nightly --restore-volumes=true
velero restore create back --from-schedule nightly --allow-partially-failed
velero backup create $EXTRA_ARGS
velero schedule create nightly --schedule="@every 24h" -o yaml > nightly.yaml
echo velero backup create
velero backup create [NAME] [flags]
velero backup get --nonsense
velero backup create --help
