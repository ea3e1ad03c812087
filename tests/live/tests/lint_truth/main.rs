//! What a rule of `kubectl dr lint` says a manifest costs, shown on the node: the manifest it is about does the damage,
//! the mended one does not. The rows are `docs/evidence/lint-truth.md`; `DR_WRITE=1` writes it.

mod hooks;
mod policies;
mod restores;
mod schedules;
mod schema;
mod seen;
mod selection;
mod storage;
mod truth;
mod volumes;

use dr_live::{By, Cases, Class, Shop, in_turn, node, seed};
use truth::Truths;

#[test]
fn what_a_rule_says_a_manifest_costs_is_what_it_costs_on_the_node() {
    let node = node!();
    let shop = Shop::open(&node, "live-truth", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let mut cases = Cases::in_the_minutes_given();
    let mut truths = Truths::of(&shop, &mut cases);
    let about: Vec<fn(&mut Truths<'_, '_>)> = vec![
        selection::rules,
        volumes::rules,
        hooks::rules,
        policies::rules,
        restores::rules,
        schema::rules,
        storage::rules,
        schedules::rules,
    ];
    // The page has them in their order.
    let first = if truth::writes() { 0 } else { seed() };
    for rules in in_turn(about, first) {
        rules(&mut truths);
    }
    // Last of all: repositories of a location that was made anew take a while.
    storage::defaults(&mut truths);
    truths.are_written_down();
}
