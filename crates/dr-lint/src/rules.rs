//! All rules. One rule, one file; its id is the name of its page in `docs/rules` and of its folder in `tests/cases`.

use crate::rule::Rule;

mod annotation_on_the_controller;
mod bad_namespace_pattern;
mod cluster_resources_left_out;
mod command_refused;
mod cron_invalid;
mod cron_never_fires;
mod dropped_document;
mod duplicate_key;
mod empty_label_selector;
mod file_backup_without_pods;
mod filters_that_overlap;
mod hook_annotation_not_json;
mod hook_error_ignored;
mod hook_needs_a_shell;
mod hook_without_pods;
mod list_flag_replaced;
mod missing_field;
mod old_and_new_filters;
mod owner_reference_on_backups;
mod policy_reference_ignored;
mod policy_unreadable;
mod resource_in_wrong_scope;
mod restore_without_pods;
mod retention_shorter_than_interval;
mod schedule_name_too_long;
mod schedule_paused;
mod several_default_locations;
mod suppression_without_reason;
mod two_certificate_authorities;
mod two_kinds_of_selectors;
mod unknown_field;
mod unknown_value;
mod unknown_volume_in_annotation;
mod unreadable_document;
mod unreadable_duration;
mod unused_suppression;
mod update_keeps_the_data;
mod volume_left_out;
mod wrong_type;

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
    &update_keeps_the_data::RULE,
    &policy_reference_ignored::RULE,
    &policy_unreadable::RULE,
    &unused_suppression::RULE,
    &suppression_without_reason::RULE,
    &volume_left_out::RULE,
    &command_refused::RULE,
    &list_flag_replaced::RULE,
];
