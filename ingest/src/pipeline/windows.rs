//! How many points are made and written together. The points of a large document
//! are never in memory all at once, nor is its metadata, which each of them carries.

use serde_json::Value;

/// Points, at most.
const POINTS: usize = 2048;
/// Bytes of metadata as JSON in them, at most.
const META_BYTES: usize = 4 * 1024 * 1024;

/// Points at once, where these are the metadata of their documents.
pub(super) fn points_at_once<'a>(metas: impl IntoIterator<Item = &'a Value>) -> usize {
    let largest = metas.into_iter().map(|meta| meta.to_string().len()).max().unwrap_or_default();
    (META_BYTES / largest.max(1)).clamp(1, POINTS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::documents::MAX_META_BYTES;

    #[test]
    fn what_carries_much_goes_in_smaller_windows() {
        assert_eq!(points_at_once([]), POINTS);
        assert_eq!(points_at_once([&json!({}), &json!({ "year": 2026 })]), POINTS);
        let large = json!({ "notes": "x".repeat(MAX_META_BYTES - 12) });
        assert_eq!(points_at_once([&json!({}), &large]), META_BYTES / MAX_META_BYTES);
    }
}
