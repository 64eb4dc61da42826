//! Named places in the work on documents where a test lets something go wrong: an
//! error, a panic, a pause, the end of the process. The environment variable
//! `FAILPOINTS` sets what happens where: `claimed=1*return(abort)` ends the process
//! where documents are claimed for the first time.
//!
//! Only a build with the feature `fault-points` knows of any of this; in others a
//! place is nothing. Floor 1: imports errors only.

#[cfg(feature = "fault-points")]
mod armed;

#[cfg(feature = "fault-points")]
pub use armed::arm;
#[cfg(feature = "fault-points")]
pub(crate) use armed::{may_happen, may_happen_in_thread};
#[cfg(not(feature = "fault-points"))]
pub use unarmed::arm;
#[cfg(not(feature = "fault-points"))]
pub(crate) use unarmed::{may_happen, may_happen_in_thread};

macro_rules! places {
    ($($(#[$doc:meta])* $place:ident = $name:literal,)*) => {
        /// A place.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Place {
            $($(#[$doc])* $place,)*
        }

        impl Place {
            /// All of them, in the order in which a document comes past.
            pub const ALL: &[Self] = &[$(Self::$place,)*];

            /// What `FAILPOINTS` and the log call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$place => $name,)*
                }
            }
        }
    };
}

places! {
    /// A document that comes in has its rows, which are not committed.
    TakingIn = "taking-in",
    /// They are committed, and its sender does not know yet.
    TakenIn = "taken-in",
    /// Documents are marked as deleted, and that is not committed.
    Deleting = "deleting",
    /// Documents are claimed, to be read.
    Claimed = "claimed",
    /// One of them is about to be read.
    Reading = "reading",
    /// It was read.
    Read = "read",
    /// It is about to be cut.
    Cutting = "cutting",
    /// It cannot be read; that is recorded, and not committed.
    Refusing = "refusing",
    /// Revisions and chunks have their rows, which are not committed.
    Storing = "storing",
    /// They are committed, and the index holds nothing of them.
    Stored = "stored",
    /// The embedded index has points, and has not flushed.
    PointsUpdated = "points-updated",
    /// The index has flushed, and nothing is visible.
    PointsFlushed = "points-flushed",
    /// Documents are made visible, and that is not committed.
    Publishing = "publishing",
    /// It is committed, and the claims are still at hand.
    Published = "published",
    /// Documents are claimed, to be embedded.
    EmbedClaimed = "embed-claimed",
    /// The embedder is about to be asked.
    Embedding = "embedding",
    /// It has answered, and its vectors are kept nowhere.
    Embedded = "embedded",
    /// They are kept, and the index has none of them.
    Kept = "kept",
    /// The embedded index has vectors, and has not flushed.
    VectorsUpdated = "vectors-updated",
    /// The index has flushed, and nobody knows that it has them.
    VectorsFlushed = "vectors-flushed",
    /// Documents are recorded as done, and that is not committed.
    Finishing = "finishing",
    /// It is committed, and the claims are still at hand.
    Finished = "finished",
    /// Points are about to be taken out.
    Purging = "purging",
    /// The embedded index is without them, and has not flushed.
    PurgeUpdated = "purge-updated",
    /// The index has flushed, and the rows are still there.
    PurgeFlushed = "purge-flushed",
    /// The rows are taken away, and that is not committed.
    Forgetting = "forgetting",
    /// The rows are gone, and the purges are still queued.
    Forgotten = "forgotten",
    /// Leases are about to be prolonged.
    Renewing = "renewing",
    /// Claims are about to be given back.
    Releasing = "releasing",
}

/// Without the feature nothing ever happens.
#[cfg(not(feature = "fault-points"))]
mod unarmed {
    use super::Place;
    use crate::error::Result;

    /// Does nothing.
    pub fn arm() {}

    pub(crate) async fn may_happen(_: Place) -> Result<()> {
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "the same as where something may happen")]
    pub(crate) fn may_happen_in_thread(_: Place) -> Result<()> {
        Ok(())
    }
}
