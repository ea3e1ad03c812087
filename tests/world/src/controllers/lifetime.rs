//! Garbage collection by owner references, and namespaces that are being deleted.

use dr_core::kind::Kind;
use dr_core::object::Key;
use serde_json::{Value, json};

use crate::api::DeleteOptions;
use crate::world::World;

/// Deletes what has owners of which none is left.
pub(super) fn garbage(world: &mut World) {
    let orphaned = world.objects().filter(|(_, object)| !object.is_terminating()).filter(|(_, object)| {
        let owners = object.list_at("/metadata/ownerReferences");
        !owners.is_empty()
            && !owners
                .iter()
                .any(|owner| owner.get("uid").and_then(Value::as_str).is_some_and(|uid| world.is_alive(uid)))
    });
    let orphaned: Vec<(Key, Option<String>)> =
        orphaned.map(|(key, object)| (key.clone(), object.uid().map(str::to_owned))).collect();
    for (key, uid) in orphaned {
        let _gone_meanwhile = world.delete(&key, &DeleteOptions { uid, ..DeleteOptions::default() });
    }
}

/// Gives a namespace its default service account; empties one that is being deleted, then lets it go.
pub(super) fn namespaces(world: &mut World) {
    for namespace in world.keys_of(Kind::Namespace) {
        let account = Key::namespaced(Kind::ServiceAccount, &namespace.name, "default");
        if world.get(&account).is_none() {
            let _refused_while_it_ends = world.create(&account, &json!({}));
        }
    }
    let terminating: Vec<Key> =
        world.of(Kind::Namespace).filter(|(_, object)| object.is_terminating()).map(|(key, _)| key.clone()).collect();
    for namespace in terminating {
        let content = world.objects().filter(|(key, _)| key.namespace.as_deref() == Some(&namespace.name));
        let content: Vec<(Key, bool)> = content.map(|(key, object)| (key.clone(), object.is_terminating())).collect();
        if content.is_empty() {
            world.edit(&namespace, |object| object["spec"]["finalizers"] = json!([]));
        }
        for (key, terminating) in content {
            if !terminating {
                let _gone_meanwhile = world.delete(&key, &DeleteOptions::default());
            }
        }
    }
}
