velero schedule create daily --schedule "0 0 * * *" --include-namespaces bookstore --ttl 720h
velero restore create --from-backup daily --wait
