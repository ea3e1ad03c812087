//! `kubectl dr lint`.

use std::process::ExitCode;

/// A large run is millions of small values: the allocator of the C library takes a quarter of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dr_cli::lint()
}
