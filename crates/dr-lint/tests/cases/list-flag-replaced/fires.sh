velero backup create apps --include-namespaces shop --include-namespaces books
velero restore create --from-backup apps -l app=shop --selector tier=db
