//! Identifiers of this half; those of the corpus come from below.

pub use footnote_ingest::ids::{CollectionId, DocumentId, JobId, RevisionId, UserId};

footnote_ingest::define_id!(
    /// A conversation.
    ConversationId
);
footnote_ingest::define_id!(
    /// A message: a question or its answer.
    MessageId
);
footnote_ingest::define_id!(
    /// Work that comes round by the clock.
    ScheduleId
);
footnote_ingest::define_id!(
    /// One time that a schedule came round.
    RunId
);
footnote_ingest::define_id!(
    /// Whether a tool may be called.
    ApprovalId
);
footnote_ingest::define_id!(
    /// Something that a model made for a reader.
    ArtifactId
);
footnote_ingest::define_id!(
    /// One sign-in of one browser or program.
    SessionId
);
footnote_ingest::define_id!(
    /// A long-lived key of a program.
    ApiKeyId
);
