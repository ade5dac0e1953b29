//! Histories of load runs, read from files that may end anywhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use collector_api::history::{Header, Kind, Record};

/// What one run did.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// First line of the file.
    pub header: Header,
    /// The rest, in order.
    pub records: Vec<Record>,
}

impl History {
    /// The operations: what was invoked and how it ended. An operation without an end is `info`; an end without a
    /// beginning (which a whole file cannot hold) stands alone.
    pub fn operations(&self) -> Vec<Operation<'_>> {
        let mut operations: BTreeMap<u64, Operation<'_>> = BTreeMap::new();
        for record in &self.records {
            let entry =
                operations.entry(record.index).or_insert(Operation { asked: record, end: record, kind: Kind::Info });
            if record.kind != Kind::Invoke {
                entry.end = record;
                entry.kind = record.kind;
            }
        }
        operations.into_values().collect()
    }
}

/// One operation of a history.
#[derive(Debug, Clone, Copy)]
pub struct Operation<'a> {
    /// Its `invoke`.
    pub asked: &'a Record,
    /// Its end; the `invoke` again when it has none.
    pub end: &'a Record,
    /// How it ended.
    pub kind: Kind,
}

/// Reads every `*.ndjson` of a folder that was written against the data `data_id`, by name. A folder that does not exist
/// holds none. A file's last line may be torn; other lines that cannot be read are an error, because they would hide
/// what was acknowledged.
pub fn read_histories(folder: &Path, data_id: &str) -> io::Result<Vec<History>> {
    let mut paths = Vec::new();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                paths.push(entry?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    paths.sort();
    let mut histories = Vec::new();
    for path in paths {
        let read = read(&path, data_id)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        histories.extend(read);
    }
    Ok(histories)
}

fn read(path: &Path, data_id: &str) -> io::Result<Option<History>> {
    let mut lines = BufReader::new(File::open(path)?).split(b'\n').enumerate().peekable();
    let Some((_, first)) = lines.next() else { return Ok(None) };
    // A run that died before its first line was whole acknowledged nothing.
    let Ok(header) = serde_json::from_slice::<Header>(&first?) else { return Ok(None) };
    if header.data_id != data_id {
        return Ok(None);
    }
    let mut records = Vec::new();
    while let Some((at, line)) = lines.next() {
        let line = line?;
        match serde_json::from_slice::<Record>(&line) {
            Ok(record) => records.push(record),
            Err(_) if lines.peek().is_none() => break,
            Err(_) if line.is_empty() => {}
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {}: {error}", at + 1))),
        }
    }
    Ok(Some(History { header, records }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"schema":1,"run_id":"r","scenario":"s","data_id":"d","started_unix_ns":1}"#;
    const INVOKE: &str = r#"{"run_id":"r","index":0,"kind":"invoke","op":"order.create","unix_ns":2}"#;
    const OK: &str = r#"{"run_id":"r","index":0,"kind":"ok","op":"order.create","result":{"order_id":5},"unix_ns":3}"#;

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("r.ndjson"), text).expect("writes");
        folder
    }

    #[test]
    fn a_torn_last_line_leaves_its_operation_open() {
        let folder = folder(&format!("{HEADER}\n{INVOKE}\n{}", &OK[..40]));
        let histories = read_histories(folder.path(), "d").expect("reads");
        let operations = histories[0].operations();
        assert_eq!((operations.len(), operations[0].kind), (1, Kind::Info));
    }

    #[test]
    fn ends_meet_their_beginnings() {
        let folder = folder(&format!("{HEADER}\n{INVOKE}\n{OK}\n"));
        let histories = read_histories(folder.path(), "d").expect("reads");
        let operations = histories[0].operations();
        assert_eq!((operations.len(), operations[0].kind), (1, Kind::Ok));
        assert_eq!(operations[0].end.result["order_id"], 5);
    }

    #[test]
    fn histories_of_other_data_are_left_out() {
        let folder = folder(&format!("{HEADER}\n{INVOKE}\n"));
        assert!(read_histories(folder.path(), "other").expect("reads").is_empty());
        assert!(read_histories(&folder.path().join("none"), "d").expect("reads").is_empty());
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error_with_its_place() {
        let folder = folder(&format!("{HEADER}\n{{}}\n{INVOKE}\n"));
        let error = read_histories(folder.path(), "d").expect_err("broken");
        assert!(error.to_string().contains("r.ndjson: line 2"), "{error}");
    }
}
