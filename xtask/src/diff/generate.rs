//! Random clusters and random backups: small pools, so that filters, labels and relations meet often.

mod asked;
mod volumes;
mod world;

pub(crate) use asked::{Asked, Named, asked};
pub(crate) use volumes::{Claim, Class, Mode, Mount, Pod, Source, State};
pub(crate) use world::{NAMESPACES, Thing, World, world};
