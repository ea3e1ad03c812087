//! What lies on a disk, as far as the tests must tell one content from another.

use dr_core::fingerprint::{FORMAT, Fingerprint, Part};

/// Where the bytes of a volume come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The application's own data from before the restore.
    Original,
    /// Made empty by a provisioner.
    Fresh,
    /// A copy of a backup's data that is still arriving.
    Arriving,
    /// A whole copy of a backup's data.
    Restored,
}

/// A counter of facts and a digest over them; whoever writes adds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Tells two databases apart.
    pub identity: u64,
    pub facts: u64,
    pub digest: u64,
}

impl Content {
    pub fn new(identity: u64, facts: u64) -> Self {
        let mut content = Self { identity, facts: 0, digest: identity };
        for _ in 0..facts {
            content.write();
        }
        content
    }

    pub fn write(&mut self) {
        self.facts += 1;
        self.digest = (self.digest ^ self.facts).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(17);
    }

    /// Everything that `earlier` holds, perhaps with more written after it.
    pub fn extends(&self, earlier: &Self) -> bool {
        if self.identity != earlier.identity || self.facts < earlier.facts {
            return false;
        }
        let mut grown = earlier.clone();
        while grown.facts < self.facts {
            grown.write();
        }
        grown.digest == self.digest
    }

    /// As the engine profile's shell prints it.
    pub fn answer(&self) -> String {
        let Self { identity, facts, digest } = self;
        format!(
            "fingerprint {FORMAT} postgres\nidentity\t{identity}\npart\t{facts}\t-\t{digest:016x}\tshop.public.books\nend\n"
        )
    }

    pub fn fingerprint(&self) -> Fingerprint {
        let part = Part { count: self.facts, bytes: None, digest: Some(format!("{:016x}", self.digest)) };
        Fingerprint {
            format: FORMAT,
            engine: "postgres".to_owned(),
            identity: Some(self.identity.to_string()),
            version: None,
            notes: Vec::new(),
            parts: [("shop.public.books".to_owned(), part)].into(),
        }
    }
}

/// One disk. It outlives its persistent volume when the reclaim policy says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub origin: Origin,
    pub content: Content,
    /// For telling: `namespace/claim` it was made for.
    pub made_for: String,
}
