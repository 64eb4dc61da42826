//! Changing the embedding model: an index for the new one is built beside the
//! one in use while that goes on answering, queries change over to it in one
//! moment, and can go back. Floor 4.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::space;
use crate::store::generations::{self, Coverage, Generation, Refusal, State};

/// Nothing new is read for this long, at most, so that the new index can catch up.
const QUIET_SECONDS: i32 = 20;
/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Documents that may lack their vectors in the new index when queries change
/// over: they come as those of new documents do.
const MAY_LACK: i64 = 64;

/// One build of the index.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Build {
    /// The embedding model.
    pub model: String,
    /// Numbers in its vectors.
    pub dimensions: i32,
    /// Where it stands.
    pub state: State,
    /// How far it has come; none for the one in use, whose documents tell.
    pub coverage: Option<Coverage>,
    /// One of the texts that the model's provider refuses, if `coverage` counts any.
    pub refusal: Option<Refusal>,
    /// Whether queries may change over to it.
    pub ready: bool,
}

/// The builds of the index.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Builds {
    /// The one that queries see.
    pub live: Option<Build>,
    /// The one beside it.
    pub beside: Option<Build>,
    /// Why nothing moves, if nothing does.
    pub stalled: Option<String>,
}

/// What there is, and how far it has come.
///
/// # Errors
/// What the database says.
pub async fn status(corpus: &Corpus) -> Result<Builds> {
    let mut builds = Builds { live: None, beside: None, stalled: corpus.stalled() };
    for generation in generations::list(&corpus.db).await? {
        let is_live = generation.state == State::Live;
        let coverage = match is_live {
            true => None,
            false => Some(generations::coverage(&corpus.db, generation.id).await?),
        };
        let refusal = match coverage {
            Some(Coverage { refused: 1.., .. }) => generations::refusal(&corpus.db, generation.id).await?,
            _ => None,
        };
        let ready = generation.state == State::Building && coverage.is_some_and(is_ready);
        let Generation { model, dimensions, state, .. } = generation;
        let build = Build { model, dimensions, state, coverage, refusal, ready };
        *(if is_live { &mut builds.live } else { &mut builds.beside }) = Some(build);
    }
    Ok(builds)
}

fn is_ready(coverage: Coverage) -> bool {
    let lacking = coverage.documents - coverage.vectors;
    // A tenth at most, where there are few.
    lacking <= MAY_LACK.min(coverage.documents / 10)
}

/// Has an index built for the configured embedding model. Returns at once; the
/// workers build it.
///
/// # Errors
/// [`Error::Invalid`] when that is the model in use.
pub async fn begin(corpus: &Corpus) -> Result<Builds> {
    space::plan(&corpus.db, &corpus.config).await?;
    announce(corpus).await
}

/// Lets the build that was in use before catch up, so that queries can go back
/// to it.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn back(corpus: &Corpus) -> Result<Builds> {
    let is_building = |generation: &Generation| generation.state == State::Building;
    // It may have begun to catch up before.
    if !generations::revive(&corpus.db).await? && !generations::list(&corpus.db).await?.iter().any(is_building) {
        return Err(Error::NotFound("index"));
    }
    announce(corpus).await
}

/// Forgets the build beside the one in use. Its room is free soon after.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn discard(corpus: &Corpus) -> Result<Builds> {
    let beside = generations::list(&corpus.db).await?.into_iter().find(|one| one.state != State::Live);
    match beside {
        Some(beside) if generations::delete(&corpus.db, &beside).await? => {}
        _ => return Err(Error::NotFound("index")),
    }
    announce(corpus).await
}

/// Changes queries over to the build that is ready. Reading of new documents
/// pauses for a moment, searching does not.
///
/// # Errors
/// [`Error::Invalid`] when there is none, or when it is not ready;
/// [`Error::Stalled`] when it does not catch up.
pub async fn switch(corpus: &Corpus) -> Result<Builds> {
    let is_building = |generation: &Generation| generation.state == State::Building;
    let Some(to) = generations::list(&corpus.db).await?.into_iter().find(is_building) else {
        return Err(not_ready("is not being built; begin with `footnote reembed`"));
    };
    // Its model is loaded before anybody waits for it.
    corpus.refresh().await?;
    corpus.building().await?;
    if !is_ready(generations::coverage(&corpus.db, to.id).await?) {
        return Err(not_ready("is not finished; see `footnote reembed status`"));
    }
    if !generations::quiet(&corpus.db, to.id, QUIET_SECONDS).await? {
        return announce(corpus).await;
    }
    let switched = catch_up(corpus, &to).await;
    generations::quiet(&corpus.db, to.id, 0).await?;
    switched?;
    announce(corpus).await
}

fn not_ready(problem: &str) -> Error {
    Error::Invalid { field: "model", problem: problem.to_owned() }
}

async fn catch_up(corpus: &Corpus, to: &Generation) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(QUIET_SECONDS.unsigned_abs().into());
    loop {
        let mut tx = corpus.db.begin().await?;
        if generations::switch(&mut tx, to.id).await? {
            tx.commit().await?;
            tracing::info!(model = to.model, "queries use another embedding model from now on");
            return Ok(());
        }
        tx.rollback().await?;
        match generations::list(&corpus.db).await?.into_iter().find(|one| one.id == to.id).map(|one| one.state) {
            Some(State::Building) => {}
            // Somebody else was quicker.
            Some(State::Live) => return Ok(()),
            Some(State::Previous) | None => return Err(not_ready("is not being built any more")),
        }
        if tokio::time::Instant::now() >= deadline {
            let reason = corpus.stalled().unwrap_or_else(|| "the new index does not catch up".to_owned());
            return Err(Error::Stalled(reason));
        }
        corpus.work.notify_waiters();
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn announce(corpus: &Corpus) -> Result<Builds> {
    corpus.refresh().await?;
    corpus.work.notify_waiters();
    status(corpus).await
}
