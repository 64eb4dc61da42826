//! Lists by the page, as OpenAI pages them: after or before an item, of which
//! the last page says that there are no more.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::super::error::ApiError;
use super::ids;
use crate::storage::openai_files::Window;

/// Items of a page, unless asked otherwise.
pub(super) const USUAL: i64 = 20;
/// Items of a page, at most.
pub(super) const MOST: i64 = 100;

/// Which items to list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Items, at most.
    pub(super) limit: Option<i64>,
    /// `desc`, the latest first, or `asc`.
    pub(super) order: Option<String>,
    /// Id of the item that a page ended with.
    pub(super) after: Option<String>,
    /// Id of the item that a page began with.
    pub(super) before: Option<String>,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Listing<T> {
    /// `list`.
    object: &'static str,
    data: Vec<T>,
    /// Id of the first item.
    first_id: Option<String>,
    /// Id of the last item: the next page is `after` it.
    last_id: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

/// A page as it is asked of the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) window: Window,
    limit: usize,
    /// It was asked for from its end.
    backwards: bool,
}

impl Paging {
    /// The page, of items whose ids have this prefix.
    pub(super) fn cut(&self, prefix: &str, usual: i64, most: i64) -> Result<Cut, ApiError> {
        let id = |given: &Option<String>, field: &str| match given.as_deref().filter(|id| !id.is_empty()) {
            None => Ok(None),
            Some(id) => ids::read(prefix, id).map(Some).ok_or_else(|| {
                ApiError::bad_request(field, format!("`{field}` is the id of an item, such as a page's `last_id`"))
            }),
        };
        self.cut_at(id(&self.after, "after")?, id(&self.before, "before")?, usual, most)
    }

    /// The page between items whose places are known.
    pub(super) fn cut_at(
        &self,
        after: Option<Uuid>,
        before: Option<Uuid>,
        usual: i64,
        most: i64,
    ) -> Result<Cut, ApiError> {
        let limit = self.limit.unwrap_or(usual);
        if !(1..=most).contains(&limit) {
            return Err(ApiError::bad_request("limit", format!("`limit` is from 1 to {most}")));
        }
        let descending = match self.order.as_deref() {
            None | Some("desc") => true,
            Some("asc") => false,
            Some(_) => return Err(ApiError::bad_request("order", "`order` is `asc` or `desc`")),
        };
        if after.is_some() && before.is_some() {
            return Err(ApiError::bad_request("before", "give either `after` or `before`"));
        }
        let backwards = before.is_some();
        // One more than the page has tells whether there are more.
        let window = Window { from: after.or(before), descending: descending != backwards, limit: limit + 1 };
        Ok(Cut { window, limit: usize::try_from(limit).unwrap_or(usize::MAX), backwards })
    }
}

impl Cut {
    /// The page of what was loaded.
    pub(super) fn page<R, T>(self, mut rows: Vec<R>, show: impl Fn(R) -> (String, T)) -> axum::Json<Listing<T>> {
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        if self.backwards {
            rows.reverse();
        }
        let (ids, data): (Vec<String>, Vec<T>) = rows.into_iter().map(show).unzip();
        let (first_id, last_id) = (ids.first().cloned(), ids.last().cloned());
        axum::Json(Listing { object: "list", data, first_id, last_id, has_more })
    }
}

impl<T> Listing<T> {
    /// A list that is one page.
    pub(super) fn whole(data: Vec<T>) -> axum::Json<Self> {
        axum::Json(Self { object: "list", data, first_id: None, last_id: None, has_more: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(after: Option<Uuid>, before: Option<Uuid>) -> Paging {
        let show = |id: Option<Uuid>| id.map(|id| ids::show("x_", id));
        Paging { limit: Some(2), order: Some("asc".into()), after: show(after), before: show(before) }
    }

    #[test]
    fn a_page_before_an_item_is_read_backwards_and_shown_forwards() {
        let id = Uuid::now_v7();
        let cut = paging(None, Some(id)).cut("x_", USUAL, MOST).expect("a page");
        assert!(cut.window.descending && cut.window.from == Some(id) && cut.window.limit == 3);
        let page = cut.page(vec![3, 2, 1], |n| (n.to_string(), n)).0;
        assert_eq!((page.data, page.has_more), (vec![2, 3], true));
        assert_eq!((page.first_id.as_deref(), page.last_id.as_deref()), (Some("2"), Some("3")));
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let id = Some(Uuid::now_v7());
        assert!(paging(id, id).cut("x_", USUAL, MOST).is_err());
        assert!(paging(id, None).cut("y_", USUAL, MOST).is_err());
        for wrong in [Paging { limit: Some(0), ..Paging::default() }, Paging { limit: Some(101), ..Paging::default() }]
        {
            assert!(wrong.cut("x_", USUAL, MOST).is_err());
        }
        assert!(Paging { order: Some("up".into()), ..Paging::default() }.cut("x_", USUAL, MOST).is_err());
        assert!(paging(id, None).cut("x_", USUAL, MOST).is_ok_and(|cut| !cut.window.descending));
    }
}
