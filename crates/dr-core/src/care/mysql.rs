//! MySQL and MariaDB with InnoDB.

use super::{Care, Doubt, named};

pub(super) const CARE: Care = Care {
    engine: "mysql",
    recognise: |container| {
        let images = ["mysql", "mysql-server", "mariadb", "mariadb-galera", "percona", "percona-server"];
        named(container, &images, &["/var/lib/mysql", "/bitnami/mysql", "/bitnami/mariadb"])
    },
    snapshot: None,
    files: Some(Doubt {
        says: "a file copy of a running InnoDB is of different moments; a lock taken in a hook ends with the hook's session",
        instead: "take a snapshot, or copy the output of mysqldump --single-transaction or mariadb-backup",
        source: "MySQL Reference Manual, LOCK INSTANCE FOR BACKUP: released when the session ends",
    }),
    unsaved: None,
    pre_backup: None,
};
