//! All rules. One rule, one file; its id is the name of its page in `docs/rules` and of its folder in `tests/cases`.

use crate::rule::Rule;

mod annotation_on_the_controller;
mod backup_refused;
mod bad_namespace_pattern;
mod checkpoint_hook_fails_the_pod;
mod cluster_resource_switched_off;
mod cluster_resources_left_out;
mod command_refused;
mod credentials_in_the_clear;
mod cron_invalid;
mod cron_never_fires;
mod dropped_document;
mod duplicate_key;
mod empty_label_selector;
mod engine_without_hook;
mod exclude_label_without_effect;
mod excluded_namespace_is_included;
mod failing_hook_keeps_the_freeze;
mod file_backup_without_pods;
mod filters_that_overlap;
mod freeze_without_thaw;
mod hook_annotation_not_json;
mod hook_cut_off;
mod hook_error_ignored;
mod hook_needs_a_shell;
mod hook_without_pods;
mod invalid_label_selector;
mod list_flag_replaced;
mod location_around_another;
mod location_in_the_cluster;
mod location_never_validated;
mod location_read_only;
mod location_twice;
mod location_without_tls;
mod lock_ends_with_its_client;
mod missing_field;
mod move_without_snapshots;
mod namespace_mapping_without_effect;
mod namespaces_collide;
mod never_restored;
mod old_and_new_filters;
mod ordered_resource_unknown;
mod owner_reference_on_backups;
mod policy_never_matches;
mod policy_never_reached;
mod policy_reference_ignored;
mod policy_snapshots_a_plain_volume;
mod policy_unreadable;
mod resource_in_wrong_scope;
mod restic_by_name;
mod restore_from_nowhere;
mod restore_names_a_schedule;
mod restore_of_claims_alone;
mod restore_without_pods;
mod retention_shorter_than_interval;
mod schedule_name_too_long;
mod schedule_paused;
mod schedule_without_retention;
mod several_default_locations;
mod snapshot_class_ambiguous;
mod snapshot_classes_compete;
mod snapshot_objects_included;
mod snapshots_off;
mod suppression_without_reason;
mod two_certificate_authorities;
mod two_kinds_of_selectors;
mod unfit_for_kubernetes;
mod unknown_field;
mod unknown_value;
mod unknown_volume_in_annotation;
mod unreadable_document;
mod unreadable_duration;
mod unused_baseline_entry;
mod unused_suppression;
mod update_keeps_the_data;
mod volume_left_out;
mod volumes_not_restored;
mod wrong_type;

pub(crate) use credentials_in_the_clear::is_credential;

/// In the order in which `lint rules` lists them.
pub const RULES: &[&Rule] = &[
    &unreadable_document::RULE,
    &dropped_document::RULE,
    &duplicate_key::RULE,
    &unknown_field::RULE,
    &wrong_type::RULE,
    &missing_field::RULE,
    &unknown_value::RULE,
    &unreadable_duration::RULE,
    &cron_never_fires::RULE,
    &cron_invalid::RULE,
    &retention_shorter_than_interval::RULE,
    &schedule_name_too_long::RULE,
    &schedule_paused::RULE,
    &owner_reference_on_backups::RULE,
    &empty_label_selector::RULE,
    &two_kinds_of_selectors::RULE,
    &old_and_new_filters::RULE,
    &filters_that_overlap::RULE,
    &bad_namespace_pattern::RULE,
    &resource_in_wrong_scope::RULE,
    &cluster_resource_switched_off::RULE,
    &cluster_resources_left_out::RULE,
    &file_backup_without_pods::RULE,
    &unknown_volume_in_annotation::RULE,
    &annotation_on_the_controller::RULE,
    &hook_error_ignored::RULE,
    &hook_needs_a_shell::RULE,
    &hook_without_pods::RULE,
    &hook_annotation_not_json::RULE,
    &several_default_locations::RULE,
    &two_certificate_authorities::RULE,
    &restore_without_pods::RULE,
    &restore_of_claims_alone::RULE,
    &update_keeps_the_data::RULE,
    &policy_reference_ignored::RULE,
    &policy_unreadable::RULE,
    &unused_suppression::RULE,
    &unused_baseline_entry::RULE,
    &suppression_without_reason::RULE,
    &volume_left_out::RULE,
    &command_refused::RULE,
    &list_flag_replaced::RULE,
    &checkpoint_hook_fails_the_pod::RULE,
    &hook_cut_off::RULE,
    &freeze_without_thaw::RULE,
    &lock_ends_with_its_client::RULE,
    &failing_hook_keeps_the_freeze::RULE,
    &exclude_label_without_effect::RULE,
    &excluded_namespace_is_included::RULE,
    &invalid_label_selector::RULE,
    &snapshot_objects_included::RULE,
    &ordered_resource_unknown::RULE,
    &move_without_snapshots::RULE,
    &snapshots_off::RULE,
    &snapshot_class_ambiguous::RULE,
    &snapshot_classes_compete::RULE,
    &restic_by_name::RULE,
    &schedule_without_retention::RULE,
    &location_read_only::RULE,
    &location_twice::RULE,
    &location_in_the_cluster::RULE,
    &location_without_tls::RULE,
    &credentials_in_the_clear::RULE,
    &location_never_validated::RULE,
    &restore_from_nowhere::RULE,
    &restore_names_a_schedule::RULE,
    &never_restored::RULE,
    &volumes_not_restored::RULE,
    &namespace_mapping_without_effect::RULE,
    &namespaces_collide::RULE,
    &policy_never_reached::RULE,
    &policy_never_matches::RULE,
    &policy_snapshots_a_plain_volume::RULE,
    &location_around_another::RULE,
    &backup_refused::RULE,
    &engine_without_hook::RULE,
    &unfit_for_kubernetes::RULE,
];
