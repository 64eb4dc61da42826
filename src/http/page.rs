//! Lists by the page.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::error::ApiError;

/// Items of a page, at most.
const MOST: i64 = 200;
/// Items of a page, unless asked otherwise.
const USUAL: i64 = 50;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// For the next page; null on the last one.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// A page of which it is known whether there is another behind it.
    pub(super) fn new(items: Vec<T>, more: bool, cursor: impl Fn(&T) -> String) -> axum::Json<Self> {
        let next_cursor = items.last().filter(|_| more).map(cursor);
        axum::Json(Self { items, next_cursor })
    }
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Items, at most: 1 to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<i64>,
    /// Where the last page ended.
    pub(super) cursor: Option<Uuid>,
}

/// How many items a page shall have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(i64);

impl Size {
    /// Refuses what is no size.
    pub(super) fn new(limit: Option<i64>) -> Result<Self, ApiError> {
        match limit.unwrap_or(USUAL) {
            limit @ 1..=MOST => Ok(Self(limit)),
            _ => Err(ApiError::unprocessable("limit", format!("`limit` is from 1 to {MOST}"))),
        }
    }

    /// How many items the page has at most.
    pub(super) fn limit(self) -> i64 {
        self.0
    }

    /// How many items to load: one more than the page has tells whether there
    /// is another page.
    pub(super) fn to_load(self) -> i64 {
        self.0 + 1
    }

    /// The page, with where it ends.
    pub(super) fn cut<T>(self, mut items: Vec<T>, cursor: impl Fn(&T) -> String) -> axum::Json<Page<T>> {
        let size = usize::try_from(self.0).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        Page::new(items, more, cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_with_another_behind_it_has_a_cursor() {
        let size = Size::new(Some(2)).expect("a size");
        let cut = |items: Vec<u8>| {
            let page = size.cut(items, u8::to_string).0;
            (page.items, page.next_cursor)
        };
        assert_eq!(cut(vec![]), (vec![], None));
        assert_eq!(cut(vec![1, 2]), (vec![1, 2], None));
        assert_eq!(cut(vec![1, 2, 3]), (vec![1, 2], Some("2".into())));
    }

    #[test]
    fn a_page_has_from_one_to_two_hundred_items() {
        assert!(Size::new(Some(0)).is_err() && Size::new(Some(201)).is_err() && Size::new(Some(-1)).is_err());
        assert_eq!(Size::new(None).expect("the usual").to_load(), 51);
    }
}
