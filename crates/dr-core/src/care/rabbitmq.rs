//! RabbitMQ.

use super::{Care, Doubt, named};

const DOUBT: Doubt = Doubt {
    says: "messages are whole only in a copy of a stopped node, and open only under the same node name",
    instead: "keep its definitions (rabbitmqctl export_definitions), and stop the node where messages matter",
    source: "RabbitMQ, Backup and Restore: backing up messages requires the node to be stopped",
};

pub(super) const CARE: Care = Care {
    engine: "rabbitmq",
    recognise: |container| named(container, &["rabbitmq"], &["/var/lib/rabbitmq", "/bitnami/rabbitmq"]),
    snapshot: Some(DOUBT),
    files: Some(DOUBT),
    unsaved: None,
    pre_backup: None,
};
