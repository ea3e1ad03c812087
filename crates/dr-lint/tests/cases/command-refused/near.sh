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
velero backup create pre-upgrade ${WAIT:+--wait}
velero backup create ${WAIT:+--wait} pre-upgrade
velero backup create nightly $(extra_flags) --wait
velero restore create back $FROM
velero restore create $FROM
velero schedule create nightly $WHEN
velero backup create pre-${{ github.run_id }} ${{ inputs.extra }} --wait
velero backup create {{name}} {{args}}
kubectl get ns -o name | cut -d/ -f2 | xargs -n1 velero backup create --wait --include-namespaces
kubectl get ns -o name | xargs -I NS velero backup create all-NS --include-namespaces NS
parallel velero backup create {} --include-namespaces {} ::: shop books
