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

use dr_live::{By, Cases, Class, Shop, node};
use truth::Truths;

#[test]
fn what_a_rule_says_a_manifest_costs_is_what_it_costs_on_the_node() {
    let node = node!();
    let shop = Shop::open(&node, "live-truth", By::Snapshot, Class::WaitForFirstConsumer, 1);
    let mut cases = Cases::default();
    let mut truths = Truths::of(&shop, &mut cases);
    selection::rules(&mut truths);
    volumes::rules(&mut truths);
    hooks::rules(&mut truths);
    policies::rules(&mut truths);
    restores::rules(&mut truths);
    schema::rules(&mut truths);
    // Last of those that back up: repositories of a location that was made anew take a while.
    storage::rules(&mut truths);
    schedules::rules(&mut truths);
    truths.are_written_down();
}
