//! The table of restores.

use crate::glue::Record;
use crate::render::{plan, table};
use crate::report::Failure;

pub(crate) fn text(records: &[Record]) -> Result<String, Failure> {
    let mut lines = vec!["ID\tNAMESPACE\tBACKUP\tMADE\tOUTCOME".to_owned()];
    for Record { id, namespace, backup, made, outcome, closed } in records {
        let outcome = outcome.unwrap_or("open");
        let outcome = if *closed { format!("{outcome}, closed") } else { outcome.to_owned() };
        lines.push(format!("{id}\t{namespace}\t{backup}\t{}\t{outcome}", plan::at(*made)));
    }
    table(&lines)
}
