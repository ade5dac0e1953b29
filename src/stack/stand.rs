//! Where a stack's data stands: here, and on servers that it was started with before.
//!
//! A stack may be started on one server today and on another tomorrow. What it made on the first is still its own: it is
//! found again there, and a purge removes it.

use mall::store::DataSources;
use serde::{Deserialize, Serialize};

use super::stack_file::{Data, StackFile};
use crate::topology::{CacheAt, StoreAt};

/// Places that are remembered beside the present one; the oldest is forgotten first, and said so.
const MOST: usize = 16;

/// Data, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    /// Which data.
    pub data: Data,
    /// Its databases.
    pub sources: DataSources,
    /// Where they are.
    pub store: StoreAt,
    /// Where its keys are.
    pub cache: CacheAt,
}

impl Stand {
    /// What the stack of a file works on; `None` before that was known, and without a shop.
    fn of(file: &StackFile) -> Option<Self> {
        let (data, sources, places) = (file.data.clone()?, file.data_sources.clone()?, file.places.as_ref()?);
        Some(Self { data, sources, store: places.store.clone(), cache: places.cache.clone() })
    }

    /// Whether anything of it is outside of the state folder.
    fn is_elsewhere(&self) -> bool {
        self.store != StoreAt::Sqlite || self.cache != CacheAt::Embedded
    }

    /// Everything that the stack of a file has made or found, the present place last.
    pub fn all(mut file: StackFile) -> Vec<Self> {
        let present = Self::of(&file);
        let mut stands = std::mem::take(&mut file.earlier);
        stands.extend(present);
        stands
    }

    /// What a stack that starts on `now` leaves behind, and what it knows of the data that it will find there. A stack
    /// without a shop starts nowhere.
    pub fn before(file: Option<StackFile>, now: Option<(&StoreAt, &CacheAt)>) -> (Vec<Self>, Option<Data>) {
        let stands = file.map(Self::all).unwrap_or_default();
        let is_here = |stand: &Self| now.is_some_and(|(store, _)| stand.store == *store);
        let known = stands.iter().rev().find(|stand| is_here(stand)).map(|stand| stand.data.clone());
        let is_now = |stand: &Self| now == Some((&stand.store, &stand.cache));
        let mut left: Vec<Self> = stands.into_iter().filter(|stand| stand.is_elsewhere() && !is_now(stand)).collect();
        for forgotten in left.drain(..left.len().saturating_sub(MOST)) {
            tracing::warn!(store = %forgotten.store, cache = %forgotten.cache, "more places were used than are remembered; a purge will not clean this one");
        }
        (left, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use crate::topology::Topology;

    fn mysql(server: &str) -> StoreAt {
        StoreAt::Mysql(format!("mysql://root@{server}/mall").into())
    }

    fn redis() -> CacheAt {
        CacheAt::Redis { host: "r:1".to_owned(), user: String::new(), pass: String::new().into() }
    }

    fn file(id: &str, store: StoreAt, cache: CacheAt, earlier: Vec<Stand>) -> StackFile {
        let data_sources = Some(store.sources(Path::new("/data")));
        let places = Some(Topology { store, cache, ..Topology::default() });
        let data = Some(Data { id: id.to_owned(), made_here: true });
        StackFile { data_sources, data, places, earlier, ..StackFile::blank("t") }
    }

    fn ids(stands: &[Stand]) -> Vec<&str> {
        stands.iter().map(|stand| stand.data.id.as_str()).collect()
    }

    #[test]
    fn who_moves_on_remembers_where_it_was_and_who_comes_back_knows_its_own() {
        let first = file("a", mysql("one:1"), CacheAt::Embedded, Vec::new());
        let (left, known) = Stand::before(Some(first), Some((&mysql("two:1"), &CacheAt::Embedded)));
        assert_eq!((ids(&left), known), (vec!["a"], None));
        let second = file("b", mysql("two:1"), CacheAt::Embedded, left);
        assert_eq!(ids(&Stand::all(second.clone())), ["a", "b"]);
        let (left, known) = Stand::before(Some(second), Some((&mysql("one:1"), &CacheAt::Embedded)));
        assert_eq!((ids(&left), known.map(|data| data.id)), (vec!["b"], Some("a".to_owned())));
    }

    #[test]
    fn another_cache_is_another_place_for_the_same_data() {
        let first = file("a", mysql("one:1"), redis(), Vec::new());
        let (left, known) = Stand::before(Some(first), Some((&mysql("one:1"), &CacheAt::Embedded)));
        assert_eq!((ids(&left), known.map(|data| data.id)), (vec!["a"], Some("a".to_owned())));
    }

    #[test]
    fn what_lies_in_the_folder_needs_no_memory_and_a_collector_alone_forgets_nothing() {
        let embedded = file("a", StoreAt::Sqlite, CacheAt::Embedded, Vec::new());
        assert_eq!(Stand::before(Some(embedded), Some((&mysql("one:1"), &redis()))), (Vec::new(), None));
        let (left, known) = Stand::before(Some(file("b", mysql("one:1"), redis(), Vec::new())), None);
        assert_eq!((ids(&left), known), (vec!["b"], None));
    }

    #[test]
    fn the_oldest_place_is_forgotten_first() {
        let mut left = Vec::new();
        for number in 0..=MOST {
            let now = file(&number.to_string(), mysql(&format!("m:{number}")), CacheAt::Embedded, left);
            left = Stand::before(Some(now), Some((&mysql("next:1"), &CacheAt::Embedded))).0;
        }
        assert_eq!((left.len(), left[0].data.id.as_str()), (MOST, "1"));
    }
}
