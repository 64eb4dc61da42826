//! Sharing: who else may read or write a collection.
//!
//! A service. Other accounts are looked up by name, which row-level security
//! keeps from callers: it works with the service's own rights, and names the
//! owner in each query.

use footnote_ingest::rights::as_system;
use footnote_ingest::scope::Scope;
use footnote_ingest::store::members::{self, Access, Invitation, Member};

use crate::accounts::checked_name;
use crate::app::App;
use crate::error::{Error, Result};
use crate::ids::{CollectionId, DocumentId, UserId};
use crate::storage::users;

/// Members of a collection, at most.
const MAX_MEMBERS: i64 = 1000;

/// Members of the scope's collection, from after `after`.
///
/// # Errors
/// [`Error::NotFound`] for what the scope may not see, [`Error::Forbidden`] for
/// what it does not own.
pub async fn members(
    app: &App,
    scope: Scope,
    collection: CollectionId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<Member>> {
    let owner = access(app, scope, collection, Access::Owner).await?;
    Ok(as_system(members::list(&app.db, owner, collection, after, limit)).await?)
}

/// Invites the account of that name, or changes what it may do. It is in once it
/// has [accepted](accept): nobody puts documents into somebody's answers unasked.
///
/// # Errors
/// As [`members()`]; [`Error::NotFound`] for an account that is not there,
/// [`Error::Invalid`] for the owner's own.
pub async fn admit(app: &App, scope: Scope, collection: CollectionId, name: &str, role: Access) -> Result<Member> {
    if role == Access::Owner {
        let problem = "is `reader` or `writer`; a collection has one owner".to_owned();
        return Err(Error::Invalid { field: "role", problem });
    }
    let owner = access(app, scope, collection, Access::Owner).await?;
    as_system(async {
        // What cannot be a name is nobody's.
        let found = match checked_name(name) {
            Ok(name) => users::find_by_name(&app.db, &name).await?,
            Err(_) => None,
        };
        let user = found.ok_or(Error::NotFound("account"))?;
        if members::list(&app.db, owner, collection, None, MAX_MEMBERS).await?.len()
            >= usize::try_from(MAX_MEMBERS).unwrap_or(usize::MAX)
        {
            let problem = format!("has {MAX_MEMBERS} members, which is the most");
            return Err(Error::Conflict { what: "collection", problem });
        }
        if !members::admit(&app.db, owner, collection, user.id, role).await? {
            let problem = "is the owner's own account".to_owned();
            return Err(Error::Invalid { field: "name", problem });
        }
        members::find(&app.db, collection, user.id).await?.ok_or(Error::NotFound("member"))
    })
    .await
}

/// Invitations that the scope's account has not answered, from after `after`.
///
/// # Errors
/// What the database says.
pub async fn invitations(app: &App, scope: Scope, after: Option<CollectionId>, limit: i64) -> Result<Vec<Invitation>> {
    Ok(as_system(members::invitations(&app.db, scope, after, limit)).await?)
}

/// Accepts an invitation: from now on the collection is searched, and read.
///
/// # Errors
/// [`Error::NotFound`] where there is none.
pub async fn accept(app: &App, scope: Scope, collection: CollectionId) -> Result<()> {
    if as_system(members::accept(&app.db, scope, collection)).await? {
        return Ok(());
    }
    Err(Error::NotFound("invitation"))
}

/// Ends a membership or an invitation: by the owner, or by the member itself.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn remove(app: &App, scope: Scope, collection: CollectionId, user: UserId) -> Result<()> {
    if as_system(members::remove(&app.db, scope, collection, user)).await? {
        return Ok(());
    }
    Err(Error::NotFound("member"))
}

/// The scope of a collection's owner, if the caller may do with it what needs
/// `least`: to work on it in the owner's stead.
///
/// # Errors
/// [`Error::NotFound`] for what the caller may not see, [`Error::Forbidden`] for
/// what it may only see.
pub async fn access(app: &App, scope: Scope, collection: CollectionId, least: Access) -> Result<Scope> {
    let found = members::access(&app.db, scope, collection).await?.ok_or(Error::NotFound("collection"))?;
    allowed(found, least)
}

/// The same of a document.
///
/// # Errors
/// As [`access`].
pub async fn access_to_document(app: &App, scope: Scope, document: DocumentId, least: Access) -> Result<Scope> {
    let found = members::access_to_document(&app.db, scope, document).await?.ok_or(Error::NotFound("document"))?;
    allowed(found, least)
}

fn allowed((access, owner): (Access, Scope), least: Access) -> Result<Scope> {
    if access >= least {
        return Ok(owner);
    }
    let problem = match least {
        Access::Owner => "belongs to somebody else; only its owner may do this",
        _ => "is shared with you to be read; ask its owner to make you a writer",
    };
    Err(Error::Forbidden { what: "collection", problem: problem.into() })
}
