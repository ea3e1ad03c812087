//! From the preflight to the table of what was taken.

use crate::backup::BackupArgs;
use crate::exit::Exit;
use crate::flags::Flags;
use crate::glue;
use crate::report::Failure;

pub(crate) fn main(flags: &Flags, _args: &BackupArgs) -> Result<Exit, Failure> {
    let namespace = flags.namespace("kubectl dr backup --ns NAMESPACE")?;
    glue::block_on(async {
        let session = glue::connect(flags).await?;
        let _facts = session.capture(namespace).await?;
        Ok(Exit::Failed)
    })
}
