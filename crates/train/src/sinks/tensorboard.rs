//! Scalars as TensorBoard's event files.

use prost::Message;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Writes scalars for TensorBoard.
///
/// The file is a sequence of records (TensorFlow's `TFRecord`), each an `Event` of `tensorflow/core/util/event.proto`. A number that comes two seconds or
/// more after the last write is written at once, with those that wait in memory. [`TensorBoard::flush`] writes them now: it is to be called when nothing
/// comes for a while, such as after an epoch.
///
/// The first error is returned. From then on nothing is written, and nothing fails: a full disk need not end a training.
///
/// ```
/// use striate_train::sinks::TensorBoard;
///
/// # fn main() -> std::io::Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let dir = dir.path().join("events");
/// let mut board = TensorBoard::create(&dir)?;
/// board.scalar("loss/train", 100, 0.25, 1_800_000_000.5)?;
/// board.flush()?;
/// # Ok(())
/// # }
/// ```
pub struct TensorBoard {
    /// None after an error.
    out: Option<BufWriter<Box<dyn Write + Send>>>,
    path: PathBuf,
    flush_every: Duration,
    flushed: Instant,
}

/// How old a number may become before it is in the file.
const FLUSH_EVERY: Duration = Duration::from_secs(2);
/// What the name of a file begins with; seconds since 1970 follow, by which TensorBoard orders files.
const PREFIX: &str = "events.out.tfevents.";
/// What it ends with.
const SUFFIX: &str = ".striate";
/// The version of files whose session logs say which steps are superseded.
const VERSION: &str = "brain.Event:2";

impl TensorBoard {
    /// A new file in this directory, which is made if it is not there. Other files in it stay, and come before it.
    pub fn create(dir: impl AsRef<Path>) -> io::Result<Self> {
        TensorBoard::begin(dir.as_ref(), None)
    }

    /// As [`TensorBoard::create`], for a run that goes on after `steps` steps. TensorBoard no longer shows what earlier files say of later ones.
    pub fn resume(dir: impl AsRef<Path>, steps: i64) -> io::Result<Self> {
        TensorBoard::begin(dir.as_ref(), Some(steps))
    }

    /// With numbers written at least this often, as long as they come.
    pub fn flush_every(self, flush_every: Duration) -> Self {
        TensorBoard { flush_every, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the value of `tag` after `step` steps, at `wall_time` in seconds since 1970. A tag's part before the first `/` is its group.
    ///
    /// # Errors
    /// If numbers cannot be written, once.
    pub fn scalar(&mut self, tag: &str, step: i64, value: f32, wall_time: f64) -> io::Result<()> {
        let value = Value { tag: tag.to_string(), simple_value: Some(value) };
        self.event(&Event { wall_time, step, summary: Some(Summary { value: vec![value] }), ..Default::default() })?;
        if self.flushed.elapsed() >= self.flush_every { self.flush() } else { Ok(()) }
    }

    /// Writes what waits in memory.
    ///
    /// # Errors
    /// If it cannot be written, once.
    pub fn flush(&mut self) -> io::Result<()> {
        self.flushed = Instant::now();
        self.write(|out| out.flush())
    }

    fn begin(dir: &Path, resumed_after: Option<i64>) -> io::Result<Self> {
        let named = |path: &Path, e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        fs::create_dir_all(dir).map_err(|e| named(dir, e))?;
        let (path, file) = new_file(dir).map_err(|e| named(dir, e))?;
        TensorBoard::start(Box::new(file), path, resumed_after)
    }

    fn start(out: Box<dyn Write + Send>, path: PathBuf, resumed_after: Option<i64>) -> io::Result<Self> {
        let out = Some(BufWriter::new(out));
        let mut board = TensorBoard { out, path, flush_every: FLUSH_EVERY, flushed: Instant::now() };
        let wall_time = now().as_secs_f64();
        board.event(&Event { wall_time, file_version: Some(VERSION.to_string()), ..Default::default() })?;
        if let Some(steps) = resumed_after {
            // This step and all after it are superseded.
            let step = steps.saturating_add(1);
            let session_log = Some(SessionLog { status: START });
            board.event(&Event { wall_time, step, session_log, ..Default::default() })?;
        }
        board.flush()?;
        Ok(board)
    }

    fn event(&mut self, event: &Event) -> io::Result<()> {
        self.write(|out| out.write_all(&record(&event.encode_to_vec())))
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        write(out).map_err(|e| {
            // What still waits is given up: half a record may lie before it.
            self.out.take().map(BufWriter::into_parts);
            io::Error::new(e.kind(), format!("{}: {e}", self.path.display()))
        })
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whether a file of this name has been written here.
pub(crate) fn is_event_file(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(PREFIX.as_bytes()) && name.ends_with(SUFFIX.as_bytes())
}

/// A file whose name comes after those in `dir`, also if the clock was set back or two are made within a second.
fn new_file(dir: &Path) -> io::Result<(PathBuf, File)> {
    let mut seconds = now().as_secs();
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('.').next());
        if let Some(other) = digits.and_then(|digits| digits.parse::<u64>().ok()) {
            seconds = seconds.max(other.saturating_add(1));
        }
    }
    loop {
        let path = dir.join(format!("{PREFIX}{seconds:010}{SUFFIX}"));
        match File::create_new(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && seconds < u64::MAX => seconds += 1,
            file => return file.map(|file| (path, file)),
        }
    }
}

/// The bytes as a record: their number, its checksum, they, their checksum.
fn record(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u64).to_le_bytes();
    let checksum = |bytes: &[u8]| masked(crc32c(bytes)).to_le_bytes();
    [&length[..], &checksum(&length), bytes, &checksum(bytes)].concat()
}

/// A checksum that is safe to be checksummed again: rotated, and with a constant added (`tensorflow/core/lib/hash/crc32c.h`).
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The CRC with Castagnoli's polynomial (RFC 3720, appendix B.4).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| TABLE[(crc as u8 ^ byte) as usize] ^ (crc >> 8))
}

/// What each byte makes of a CRC, the lowest bit first.
const TABLE: [u32; 256] = {
    const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = (crc >> 1) ^ (REVERSED_POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// `SessionLog.START`.
const START: i32 = 1;

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    // A oneof in the schema: 0 is written, too.
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn checksums_are_castagnolis() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// Takes this many bytes, and counts them.
    struct Full(usize, Arc<Mutex<usize>>);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            *self.1.lock().unwrap() += 1;
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::Error::from(io::ErrorKind::StorageFull))?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_error_is_told_once() {
        let writes = Arc::new(Mutex::new(0));
        let out = Box::new(Full(100, writes.clone()));
        let mut board = TensorBoard::start(out, "run/events".into(), None).unwrap().flush_every(Duration::ZERO);
        let errors: Vec<io::Error> =
            (0..9).filter_map(|step| board.scalar("loss", step, 1.0, 0.0).and_then(|()| board.flush()).err()).collect();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].kind(), io::ErrorKind::StorageFull);
        assert!(errors[0].to_string().starts_with("run/events: "), "{}", errors[0]);
        drop(board);
        // The file's head, one number, and the one that does not fit.
        assert_eq!(*writes.lock().unwrap(), 3);
    }
}
