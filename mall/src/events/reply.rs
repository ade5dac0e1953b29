//! What Redis answers about streams, as bytes: nothing that somebody wrote into a stream may keep the rest from being read.

/// Fields of an entry, in order.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;
/// An entry's id and its fields; none when the entry was deleted.
pub type Entry = (String, Fields);
/// Answer of XREAD and XREADGROUP: entries by stream, none when nothing came in time.
pub type Read = Vec<(String, Vec<Entry>)>;
/// Answer of XAUTOCLAIM: where to go on, what is claimed, ids of entries that are no more.
pub type Claimed = (String, Vec<Entry>, Vec<String>);
