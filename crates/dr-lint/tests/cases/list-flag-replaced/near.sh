velero backup create apps --include-namespaces shop,books --labels a=b --labels c=d
velero backup create apps --include-namespaces shop; velero backup create other --include-namespaces books
