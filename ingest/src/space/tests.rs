use super::*;
use crate::disk::DiskGuard;
use crate::embed::HashEmbedder;
use crate::index::EdgeIndex;

#[tokio::test]
async fn what_one_asked_is_not_remembered_for_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let embedder = HashEmbedder::default();
    let disk = DiskGuard::new(folder.path(), 0);
    let index = EdgeIndex::open(folder.path(), embedder.dimensions(), disk).await.expect("an index");
    let space = Space::new(GenerationId::new(), Embedder::Hash(embedder), Index::Edge(index));
    let (one, other) = (Scope::stored(UserId::new()), Scope::stored(UserId::new()));
    let asked = Arc::clone(&space).query(one, "the secret of the pump").await.expect("a vector");
    let remembered = |scope: Scope| space.asked.get(&(scope.owner(), "the secret of the pump".to_owned()));
    assert_eq!(remembered(one).expect("it is remembered").to_vec(), asked.vector);
    assert!(remembered(other).is_none());
    // It is the same vector, made anew.
    let again = Arc::clone(&space).query(other, "the secret of the pump").await.expect("a vector");
    assert_eq!(again.vector, asked.vector);
}
