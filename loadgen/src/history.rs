//! The history file: every operation's begin and end, in order, written by a thread of its own.
//!
//! Workers hand their lines over and go on; when the writer cannot keep up they wait, because a lost line would make
//! the history lie. Lines reach the file at least every 100 ms and at the end.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use collector_api::history::{Header, Record};
use flume::{Receiver, RecvTimeoutError, Sender};

use crate::error::LoadError;

/// Lines that may wait for the writer.
const QUEUE: usize = 16_384;
/// Longest time that a line waits in the buffer.
const FLUSH: Duration = Duration::from_millis(100);

/// What the writer is told. `None` ends the file: a worker that was given up may hold its handle for ever.
type Line = Option<Box<Record>>;

/// Hands lines to the writer.
#[derive(Debug, Clone)]
pub struct History {
    lines: Sender<Line>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    lines: Sender<Line>,
    thread: JoinHandle<std::io::Result<u64>>,
}

/// Creates the file with its header and starts its writer.
pub fn create(path: &Path, header: &Header) -> Result<(History, Writer), LoadError> {
    let failed = |source: std::io::Error| LoadError::File { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new().create_new(true).write(true).open(path).map_err(failed)?;
    writeln!(file, "{}", serde_json::to_string(header).map_err(|error| failed(error.into()))?).map_err(failed)?;
    let (lines, received) = flume::bounded(QUEUE);
    let thread =
        std::thread::Builder::new().name("history".into()).spawn(move || write(file, &received)).map_err(failed)?;
    Ok((History { lines: lines.clone() }, Writer { path: path.to_owned(), lines, thread }))
}

impl History {
    /// Appends a line. A writer that failed is reported by [`Writer::finish`].
    pub async fn append(&self, record: Record) {
        let _ = self.lines.send_async(Some(Box::new(record))).await;
    }
}

impl Writer {
    /// Waits until every line that was handed over is in the file; tells how many.
    pub fn finish(self) -> Result<u64, LoadError> {
        let _ = self.lines.send(None);
        let written = self.thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the writer stopped")));
        written.map_err(|source| LoadError::File { path: self.path, source })
    }
}

fn write(file: File, lines: &Receiver<Line>) -> std::io::Result<u64> {
    let mut out = BufWriter::with_capacity(64 << 10, file);
    let mut flushed = Instant::now();
    let mut count = 0;
    loop {
        match lines.recv_deadline(flushed + FLUSH) {
            Ok(Some(record)) => {
                serde_json::to_writer(&mut out, &record)?;
                out.write_all(b"\n")?;
                count += 1;
                if flushed.elapsed() < FLUSH {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Ok(None) | Err(RecvTimeoutError::Disconnected) => break,
        }
        out.flush()?;
        flushed = Instant::now();
    }
    out.flush()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use collector_api::history::Kind;

    use super::*;

    #[tokio::test]
    async fn lines_follow_the_header_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history/r1.ndjson");
        let header =
            Header { schema: 1, run_id: "r1".into(), scenario: "s".into(), data_id: "d".into(), started_unix_ns: 1 };
        let (history, writer) = create(&path, &header).unwrap();
        for index in 0..100 {
            let record = Record {
                run_id: "r1".into(),
                index,
                kind: Kind::Invoke,
                op: "o".into(),
                key: String::new(),
                args: [].into(),
                result: [].into(),
                unix_ns: index,
                trace_id: String::new(),
                reason: String::new(),
            };
            history.append(record).await;
        }
        assert_eq!(writer.finish().unwrap(), 100);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        assert_eq!(serde_json::from_str::<Header>(lines.next().unwrap()).unwrap(), header);
        let indices: Vec<u64> = lines.map(|line| serde_json::from_str::<Record>(line).unwrap().index).collect();
        assert_eq!(indices, (0..100).collect::<Vec<_>>());
        assert!(create(&path, &header).is_err(), "a run never writes into another run's history");
    }
}
