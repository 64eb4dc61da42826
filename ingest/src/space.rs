//! Spaces: an embedding model with the index that was built with it. Queries
//! use one of them, and never the model of one with the index of another. A
//! second one may be open beside it, while it is built or kept to go back to.
//! Floor 4.

mod open;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use quick_cache::sync::Cache;
use sqlx::PgPool;
use sqlx::types::Json;
use tokio::sync::Mutex;

use self::open::{open_embedder, open_index, remove, remove_discarded, sweep};
use crate::config::Config;
use crate::embed::Embedder;
use crate::error::{Error, Result};
use crate::ids::{GenerationId, UserId};
use crate::index::Index;
use crate::scope::Scope;
use crate::store::generations::{self, Generation, State};

/// Questions whose vectors are kept: a few megabytes.
const ASKED: usize = 1024;

/// An embedding model, and the index that was built with it.
#[derive(Debug)]
pub struct Space {
    /// The build of the index.
    pub generation: GenerationId,
    /// Texts to vectors.
    pub embedder: Embedder,
    /// Where those vectors are.
    pub index: Index,
    /// Vectors of what was asked lately, by whom: how long an answer takes tells
    /// nobody what others asked.
    asked: Cache<(UserId, String), Arc<[f32]>>,
}

/// A question's vector, with the space that it belongs to.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Where it can be looked for.
    pub space: Arc<Space>,
    /// The vector.
    pub vector: Vec<f32>,
}

impl Space {
    /// Embeds a question of the scope's owner, ahead of any bulk work.
    ///
    /// # Errors
    /// [`Error::Embedder`].
    pub async fn query(self: Arc<Self>, scope: Scope, text: &str) -> Result<Embedded> {
        let key = (scope.owner(), text.to_owned());
        if let Some(vector) = self.asked.get(&key) {
            return Ok(Embedded { space: self, vector: vector.to_vec() });
        }
        let vector = self.embedder.query(text).await?;
        self.asked.insert(key, vector.as_slice().into());
        Ok(Embedded { space: self, vector })
    }

    fn new(generation: GenerationId, embedder: Embedder, index: Index) -> Arc<Self> {
        Arc::new(Self { generation, embedder, index, asked: Cache::new(ASKED) })
    }
}

/// The spaces that this process has open.
#[derive(Debug)]
pub(crate) struct Spaces {
    open: RwLock<Open>,
    /// Name of the configured model, which need not be the live one.
    configured: String,
    /// One change at a time.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Open {
    live: Arc<Space>,
    /// The one that is built, once somebody needs its model.
    building: Option<Arc<Space>>,
    /// The indexes of all generations.
    held: Vec<Held>,
    /// Forgotten by the database, but perhaps still searched.
    leaving: Vec<Held>,
}

/// The index of a generation. Its model is not needed to delete points.
#[derive(Debug, Clone)]
struct Held {
    generation: Generation,
    index: Index,
}

impl Spaces {
    /// Opens what the database says is there; a first generation is recorded
    /// for the configured model.
    pub(crate) async fn open(db: &PgPool, config: &Config) -> Result<Self> {
        let configured = open_embedder(&config.embedder).await?;
        let live = match find(&generations::list(db).await?, State::Live) {
            Some(live) => live,
            None => first(db, config, &configured).await?,
        };
        let model = configured.model().to_owned();
        let embedder = if live.model == model {
            let dimensions = int(configured.dimensions());
            generations::set_up(db, live.id, dimensions, &config.embedder.setup()).await?;
            configured
        } else {
            tracing::warn!(
                index = live.model,
                configured = model,
                "the index was built with another embedding model than the configured one and goes on with it; `footnote reembed` builds one for the configured model"
            );
            recorded(&live, config).await?
        };
        let index = open_index(&config.index.named(&live.suffix), embedder.dimensions(), config).await?;
        let held = vec![Held { generation: live.clone(), index: index.clone() }];
        let live = Space::new(live.id, embedder, index);
        sweep(&config.index, &generations::list(db).await?);
        let open = Open { live, building: None, held, leaving: Vec::new() };
        let spaces = Self { open: RwLock::new(open), configured: model, changing: Mutex::default() };
        if let Err(error) = spaces.refresh(db, config).await {
            tracing::warn!(%error, "the index beside the one in use cannot be opened");
        }
        Ok(spaces)
    }

    /// The space that queries use.
    pub(crate) fn live(&self) -> Arc<Space> {
        Arc::clone(&self.read().live)
    }

    /// Whether queries use the configured model.
    pub(crate) fn is_configured(&self) -> bool {
        self.read().live.embedder.model() == self.configured
    }

    /// The indexes of all generations.
    pub(crate) fn indexes(&self) -> Vec<Index> {
        self.read().held.iter().map(|held| held.index.clone()).collect()
    }

    /// The generation that is built, if one is.
    pub(crate) fn generation_in_building(&self) -> Option<GenerationId> {
        let open = self.read();
        let mut generations = open.held.iter().map(|held| &held.generation);
        generations.find(|generation| generation.state == State::Building).map(|generation| generation.id)
    }

    /// The space that is built beside the live one, if one is.
    pub(crate) async fn building(&self, config: &Config) -> Result<Option<Arc<Space>>> {
        let is_building = |held: &&Held| held.generation.state == State::Building;
        let Some(held) = self.read().held.iter().find(is_building).cloned() else { return Ok(None) };
        let known = || self.read().building.clone().filter(|space| space.generation == held.generation.id);
        if let Some(space) = known() {
            return Ok(Some(space));
        }
        let embedder = recorded(&held.generation, config).await?;
        let space = Space::new(held.generation.id, embedder, held.index);
        self.write().building = Some(Arc::clone(&space));
        Ok(Some(space))
    }

    /// Follows what the database says: opens what is new, changes over, and
    /// removes what is forgotten once nobody searches it any more.
    pub(crate) async fn refresh(&self, db: &PgPool, config: &Config) -> Result<()> {
        let _one = self.changing.lock().await;
        let listed = generations::list(db).await?;
        let known = self.read().held.clone();
        let mut held = Vec::with_capacity(listed.len());
        for generation in &listed {
            let index = match known.iter().find(|held| held.generation.id == generation.id) {
                Some(held) => held.index.clone(),
                None => {
                    let dimensions = usize::try_from(generation.dimensions).unwrap_or_default();
                    open_index(&config.index.named(&generation.suffix), dimensions, config).await?
                }
            };
            held.push(Held { generation: generation.clone(), index });
        }
        let live = match held.iter().find(|held| held.generation.state == State::Live) {
            Some(live) => Some(self.space_of(live, config).await?),
            None => None,
        };
        drop(known);
        let gone = self.write().follow(held, live);
        for held in gone {
            if let Err(error) = remove(held, config) {
                tracing::warn!(%error, "an index that is not used any more could not be removed");
            }
        }
        remove_discarded(db, config).await
    }

    /// The space of a generation that is to be live.
    async fn space_of(&self, held: &Held, config: &Config) -> Result<Arc<Space>> {
        let open = {
            let open = self.read();
            let all = std::iter::once(&open.live).chain(&open.building);
            all.into_iter().find(|space| space.generation == held.generation.id).map(Arc::clone)
        };
        match open {
            Some(space) => Ok(space),
            None => {
                let embedder = recorded(&held.generation, config).await?;
                Ok(Space::new(held.generation.id, embedder, held.index.clone()))
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Open> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Takes over what is listed now. Returns what nobody uses any more.
    fn follow(&mut self, held: Vec<Held>, live: Option<Arc<Space>>) -> Vec<Held> {
        let before = std::mem::replace(&mut self.held, held);
        let stays = |id: GenerationId| self.held.iter().any(|held| held.generation.id == id);
        let left = before.into_iter().filter(|held| !stays(held.generation.id));
        self.leaving.extend(left);
        if let Some(live) = live {
            self.live = live;
        }
        let built = |space: &Arc<Space>| {
            let is = |held: &Held| held.generation.id == space.generation && held.generation.state == State::Building;
            self.held.iter().any(is)
        };
        self.building = self.building.take().filter(built);
        self.leaving.extract_if(.., |held| !held.index.is_shared()).collect()
    }
}

/// Records a generation that is to be built with the configured model, beside
/// the live one.
///
/// # Errors
/// [`Error::Invalid`] when the index is built with that model already.
pub(crate) async fn plan(db: &PgPool, config: &Config) -> Result<()> {
    let embedder = open_embedder(&config.embedder).await?;
    let (model, dimensions) = (embedder.model().to_owned(), int(embedder.dimensions()));
    let listed = generations::list(db).await?;
    if find(&listed, State::Live).is_some_and(|live| live.model == model) {
        return Err(Error::Invalid {
            field: "model",
            problem: format!(
                "is `{model}`, and the index is built with it already; configure another embedding model first, such as with FOOTNOTE_EMBEDDING_MODEL or FOOTNOTE_MODEL_DIR"
            ),
        });
    }
    if find(&listed, State::Previous).is_some_and(|previous| previous.model == model) {
        generations::revive(db).await?;
        return Ok(());
    }
    if let Some(other) = find(&listed, State::Building).filter(|building| building.model != model) {
        return Err(Error::Invalid {
            field: "model",
            problem: format!(
                "is `{model}`, while an index is built for `{}`; finish that one, or remove it with `footnote reembed discard`",
                other.model
            ),
        });
    }
    // One beside the live one is enough: it takes as much room again.
    let mut tx = db.begin().await?;
    if let Some(previous) = find(&listed, State::Previous) {
        generations::delete(&mut *tx, &previous).await?;
    }
    let id = GenerationId::new();
    let suffix = id.0.simple().to_string();
    let setup = Some(Json(config.embedder.setup()));
    let new = Generation { id, model, dimensions, setup, suffix, state: State::Building };
    generations::insert(&mut *tx, &new).await?;
    tx.commit().await?;
    Ok(())
}

fn int(dimensions: usize) -> i32 {
    i32::try_from(dimensions).unwrap_or(i32::MAX)
}

fn find(listed: &[Generation], state: State) -> Option<Generation> {
    listed.iter().find(|generation| generation.state == state).cloned()
}

/// The first generation of all. Another process may be as quick.
async fn first(db: &PgPool, config: &Config, configured: &Embedder) -> Result<Generation> {
    let first = Generation {
        id: GenerationId::new(),
        model: configured.model().to_owned(),
        dimensions: int(configured.dimensions()),
        setup: Some(Json(config.embedder.setup())),
        suffix: String::new(),
        state: State::Live,
    };
    generations::insert(db, &first).await?;
    Ok(find(&generations::list(db).await?, State::Live).unwrap_or(first))
}

/// The embedder of a generation, as it was recorded.
async fn recorded(generation: &Generation, config: &Config) -> Result<Embedder> {
    let missing = |problem: &str| {
        Error::EmbedderSetup(format!(
            "the index was built with the embedding model `{}`, which cannot be had: {problem}; configure that model again until `footnote reembed` has built an index for the new one",
            generation.model
        ))
    };
    let Some(Json(setup)) = &generation.setup else {
        return Err(missing("it was not recorded how it is set up"));
    };
    let embedder = open_embedder(&config.embedder_of(setup)).await.map_err(|error| missing(&error.to_string()))?;
    match embedder.model() == generation.model {
        true => Ok(embedder),
        false => Err(missing(&format!("there is now `{}` in its place", embedder.model()))),
    }
}

#[cfg(test)]
mod tests;
