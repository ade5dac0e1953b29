//! Log files of the stack's processes: written with a cap, read back with a prefix.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A log larger than this is moved to `<name>.old`, so a process keeps at most twice as much.
pub const MAX_BYTES: u64 = 8 << 20;

/// Longest line that is kept; the rest of a longer one is cut, and said to be.
const MAX_LINE: usize = 16 << 10;

/// A log file that never grows beyond its cap.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
    written: u64,
    limit: u64,
}

impl LogFile {
    /// Opens a log for appending.
    pub fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        let written = file.metadata()?.len();
        Ok(Self { path: path.to_owned(), file, written, limit })
    }

    /// Appends a line.
    pub fn line(&mut self, line: &str) -> io::Result<()> {
        if self.written > self.limit {
            fs::rename(&self.path, self.path.with_extension("log.old"))?;
            *self = Self::open(&self.path, self.limit)?;
        }
        let (kept, cut) = collector_api::text::truncate(line, MAX_LINE);
        let ending = if cut { " … (cut)\n" } else { "\n" };
        self.file.write_all(kept.as_bytes())?;
        self.file.write_all(ending.as_bytes())?;
        self.written += (kept.len() + ending.len()) as u64;
        Ok(())
    }
}

/// Reads a log line by line, across rotations; a line without its end is left for later.
#[derive(Debug)]
pub struct LogReader {
    path: PathBuf,
    open: Option<(u64, BufReader<File>)>,
    partial: String,
}

impl LogReader {
    /// A reader of what the file holds and of what it will hold; the file need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, open: None, partial: String::new() }
    }

    /// Skips what is there already, but for the last `lines`.
    pub fn skip_to_last(&mut self, lines: usize) {
        let mut kept = std::collections::VecDeque::new();
        while let Some(line) = self.next_line() {
            if kept.len() == lines {
                kept.pop_front();
            }
            kept.push_back(line);
        }
        let tail: usize = kept.iter().map(|line| line.len() + 1).sum();
        if let Some((_, reader)) = &mut self.open {
            // The tail was just read, so it lies right before the reader's place.
            let back = i64::try_from(tail + self.partial.len()).unwrap_or(0);
            if reader.seek(SeekFrom::Current(-back)).is_ok() {
                self.partial.clear();
            }
        }
    }

    /// The next whole line, or `None` when there is none at present.
    pub fn next_line(&mut self) -> Option<String> {
        loop {
            if self.open.is_none() {
                let file = File::open(&self.path).ok()?;
                let inode = file.metadata().ok()?.ino();
                self.open = Some((inode, BufReader::new(file)));
            }
            let (inode, reader) = self.open.as_mut()?;
            let mut bytes = Vec::new();
            reader.read_until(b'\n', &mut bytes).ok()?;
            self.partial.push_str(&String::from_utf8_lossy(&bytes));
            if self.partial.ends_with('\n') {
                let mut line = std::mem::take(&mut self.partial);
                line.truncate(line.trim_end_matches(['\n', '\r']).len());
                return Some(line);
            }
            let current = fs::metadata(&self.path).map(|metadata| metadata.ino());
            if current.is_ok_and(|current| current != *inode) {
                // The file was rotated and read to its end: go on with its successor.
                self.open = None;
                self.partial.clear();
                continue;
            }
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_rotated_once_and_the_reader_follows() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("pay-rpc-1.log");
        let mut log = LogFile::open(&path, 20).expect("opens");
        let mut reader = LogReader::new(path.clone());
        let mut seen = Vec::new();
        for number in 0..12 {
            log.line(&format!("line {number}")).expect("writes");
            seen.extend(std::iter::from_fn(|| reader.next_line()));
        }
        assert_eq!(seen, (0..12).map(|number| format!("line {number}")).collect::<Vec<_>>());
        assert!(fs::metadata(&path).expect("exists").len() <= 40);
        assert!(path.with_extension("log.old").exists());
    }

    #[test]
    fn half_a_line_is_not_shown() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.log");
        let mut reader = LogReader::new(path.clone());
        assert_eq!(reader.next_line(), None);
        let mut file = File::create(&path).expect("creates");
        file.write_all(b"hal").expect("writes");
        assert_eq!(reader.next_line(), None);
        file.write_all(b"f\nnext").expect("writes");
        assert_eq!(reader.next_line().as_deref(), Some("half"));
        assert_eq!(reader.next_line(), None);
    }

    #[test]
    fn a_reader_can_start_near_the_end() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.log");
        fs::write(&path, "a\nbb\nccc\n").expect("writes");
        let mut reader = LogReader::new(path);
        reader.skip_to_last(2);
        assert_eq!(reader.next_line().as_deref(), Some("bb"));
        assert_eq!(reader.next_line().as_deref(), Some("ccc"));
        assert_eq!(reader.next_line(), None);
    }
}
