//! Event files, read back by a reader of their own.

use std::path::{Path, PathBuf};
use std::time::Duration;
use striate_imaging::Split;
use striate_train::sinks::{TensorBoard, WithTensorBoard};
use striate_train::{Direction, Event, Metric, Sink, Started};

/// What an event file says.
#[derive(Debug, PartialEq)]
enum Found {
    Version(String),
    Start { step: i64 },
    Scalar { tag: String, step: i64, value: f32, wall_time: f64 },
}

/// By the definition: bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= *byte as u32;
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// The first bytes of what is left.
fn take<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at(n);
    *rest = left;
    taken
}

fn checked<'a>(rest: &mut &'a [u8], n: usize) -> &'a [u8] {
    let bytes = take(rest, n);
    let stored = u32::from_le_bytes(take(rest, 4).try_into().unwrap());
    let crc = crc32c(bytes);
    assert_eq!(stored, crc.rotate_right(15).wrapping_add(0xa282_ead8));
    bytes
}

fn varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)[0];
        value |= ((byte & 0x7f) as u64) << shift;
        if byte < 0x80 {
            return value;
        }
    }
    panic!("a varint of more than ten bytes")
}

/// The fields of a message, of which a zero may be left out: number and bytes, those of a varint in little-endian order.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let bytes = match key & 7 {
            0 => varint(&mut message).to_le_bytes().to_vec(),
            1 => take(&mut message, 8).to_vec(),
            2 => {
                let n = varint(&mut message) as usize;
                take(&mut message, n).to_vec()
            }
            5 => take(&mut message, 4).to_vec(),
            wire => panic!("wire type {wire}"),
        };
        fields.push((key >> 3, bytes));
    }
    fields
}

fn field(message: &[u8], number: u64) -> Option<Vec<u8>> {
    fields(message).into_iter().find(|(n, _)| *n == number).map(|(_, bytes)| bytes)
}

fn read(path: &Path) -> Vec<Found> {
    let bytes = std::fs::read(path).unwrap();
    let (mut rest, mut found) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(checked(&mut rest, 8).try_into().unwrap());
        let event = checked(&mut rest, length as usize);
        let wall_time = field(event, 1).map_or(0.0, |b| f64::from_le_bytes(b.try_into().unwrap()));
        let step = field(event, 2).map_or(0, |b| i64::from_le_bytes(b.try_into().unwrap()));
        if let Some(version) = field(event, 3) {
            found.push(Found::Version(String::from_utf8(version).unwrap()));
        }
        if let Some(log) = field(event, 7) {
            assert_eq!(field(&log, 1).unwrap(), 1u64.to_le_bytes());
            found.push(Found::Start { step });
        }
        if let Some(summary) = field(event, 5) {
            let value = field(&summary, 1).unwrap();
            let tag = String::from_utf8(field(&value, 1).unwrap()).unwrap();
            let value = f32::from_le_bytes(field(&value, 2).unwrap().try_into().unwrap());
            found.push(Found::Scalar { tag, step, value, wall_time });
        }
    }
    found
}

fn version() -> Found {
    Found::Version("brain.Event:2".into())
}

fn scalar(tag: &str, step: i64, value: f32, wall_time: f64) -> Found {
    Found::Scalar { tag: tag.into(), step, value, wall_time }
}

/// The event files, as TensorBoard orders them.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn scalars_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(dir.path().join("new/events")).unwrap();
    board.scalar("loss/Übung", 0, 0.0, 1.5).unwrap();
    board.scalar("loss", 1 << 40, -0.1, 1_800_000_000.25).unwrap();
    board.scalar("loss", -1, f32::INFINITY, 0.0).unwrap();
    let path = board.path().to_path_buf();
    drop(board);
    let expected = [
        version(),
        scalar("loss/Übung", 0, 0.0, 1.5),
        scalar("loss", 1 << 40, -0.1, 1_800_000_000.25),
        scalar("loss", -1, f32::INFINITY, 0.0),
    ];
    assert_eq!(read(&path), expected);
}

#[test]
fn numbers_are_written_when_they_are_due() {
    let dir = tempfile::tempdir().unwrap();
    let mut board = TensorBoard::create(dir.path()).unwrap().flush_every(Duration::from_secs(3600));
    board.scalar("loss", 1, 1.0, 1.0).unwrap();
    assert_eq!(read(board.path()), [version()]);
    board.flush().unwrap();
    assert_eq!(read(board.path()).len(), 2);
    let mut board = board.flush_every(Duration::ZERO);
    board.scalar("loss", 2, 1.0, 1.0).unwrap();
    assert_eq!(read(board.path()).len(), 3);
}

#[test]
fn a_resumed_run_supersedes_later_steps() {
    let dir = tempfile::tempdir().unwrap();
    let late = dir.path().join("events.out.tfevents.9999999999.other.host");
    std::fs::write(&late, b"").unwrap();
    std::fs::write(dir.path().join("events.out.tfevents.x"), b"").unwrap();
    for steps in [20, 10] {
        let mut board = TensorBoard::resume(dir.path(), steps).unwrap();
        board.scalar("loss", steps + 1, 0.5, 1.0).unwrap();
    }
    let files: Vec<PathBuf> =
        files(dir.path()).into_iter().filter(|f| f.to_str().unwrap().ends_with(".striate")).collect();
    assert_eq!(files.len(), 2);
    for (file, steps) in files.iter().zip([20, 10]) {
        assert_eq!(
            read(file),
            [version(), Found::Start { step: steps + 1 }, scalar("loss", steps + 1, 0.5, 1.0)],
            "{}",
            file.display()
        );
    }
}

#[test]
fn an_error_names_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = TensorBoard::create(file.join("events")).err().unwrap().to_string();
    assert!(error.contains("file/events: "), "{error}");
}

fn started(run: Option<&Path>, resumed_at: Option<u64>) -> Event {
    Event::Started(Box::new(Started {
        task: "classification".into(),
        run: run.map(Path::to_path_buf),
        model: "lenet".into(),
        parameters: 10,
        data: None,
        measured: Split::Val,
        epochs: 2,
        steps: Some(10),
        batch_size: Some(4),
        seed: 0,
        threads: 1,
        isa: "scalar",
        resumed_at,
    }))
}

fn progress(steps_done: u64, loss: f64, grad_norm: f64) -> Event {
    let metrics = vec![Metric::number("loss", loss, Direction::Minimize), Metric::fraction("accuracy", f64::NAN)];
    Event::Progress { epoch: 1, epochs: 2, step: 5, steps: Some(10), steps_done, metrics, lr: 0.5, grad_norm }
}

fn measured(steps: u64) -> Event {
    let metrics = vec![Metric::fraction("accuracy", 0.75)];
    Event::Measured { epoch: 1, epochs: 2, steps, split: Split::Val, metrics, monitor: "accuracy".into() }
}

fn found(file: &Path) -> Vec<(String, i64, f32)> {
    let scalar = |found| match found {
        Found::Scalar { tag, step, value, .. } => (tag, step, value),
        Found::Start { step } => ("start".into(), step, 0.0),
        Found::Version(version) => (version, 0, 0.0),
    };
    read(file).into_iter().map(scalar).collect()
}

#[test]
fn the_numbers_of_events_are_written_into_the_run() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!WithTensorBoard::has_begun(dir.path()));
    let mut sink = WithTensorBoard::new(Vec::new());
    let events = [started(Some(dir.path()), None), progress(5, 0.5, 2.0), measured(10)];
    events.iter().for_each(|event| sink.event(event));
    drop(sink);
    assert!(WithTensorBoard::has_begun(dir.path()));
    let mut sink = WithTensorBoard::new(Vec::new());
    [started(Some(dir.path()), Some(7)), progress(8, 0.25, f64::NAN)].iter().for_each(|event| sink.event(event));
    sink.event(&Event::Stopped { run: None, steps: 8 });

    let files = files(&dir.path().join("tensorboard"));
    let of = |rows: &[(&str, i64, f32)]| rows.iter().map(|&(tag, s, v)| (tag.to_string(), s, v)).collect::<Vec<_>>();
    let version = ("brain.Event:2", 0, 0.0);
    let first = [version, ("train/loss", 5, 0.5), ("lr", 5, 0.5), ("grad_norm", 5, 2.0), ("val/accuracy", 10, 0.75)];
    assert_eq!(found(&files[0]), of(&first));
    // A number that is not defined is left out.
    assert_eq!(found(&files[1]), of(&[version, ("start", 8, 0.0), ("train/loss", 8, 0.25), ("lr", 8, 0.5)]));
}

#[test]
fn what_cannot_be_written_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tensorboard"), "a file").unwrap();
    for run in [Some(dir.path()), None] {
        let mut told: Vec<Event> = Vec::new();
        let mut sink = WithTensorBoard::new(&mut told);
        let events = [started(run, None), progress(5, 0.5, 2.0), measured(10)];
        events.iter().for_each(|event| sink.event(event));
        drop(sink);
        let notes: Vec<&str> = told
            .iter()
            .filter_map(|event| match event {
                Event::Note { text } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!((told.len(), notes.len()), (4, 1), "{notes:?}");
        assert!(notes[0].starts_with("cannot write for TensorBoard: ") && notes[0].ends_with("goes on without it"));
    }
}
