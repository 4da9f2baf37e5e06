use crate::advice;
use crate::args::{Check, Data, DataCommand, Listed, Show, Split, Stats};
use crate::output::{Failure, count_of, program, quoted, say, say_json, shown_path, thousands};
use crate::progress::images_bar;
use crate::settings::look;
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;
use striate::data::DataError;
use striate::data::images::{
    CheckReport, DataKind, Finding, ImageList, Source, SplitCause, SplitOptions, Survey, page, path_text, split,
    survey, write_manifest,
};
use striate::imaging::shown;
use striate::imaging::{DecodeOptions, Image};
use striate::train::{Config, ImageConfig, Preview};

pub fn run(args: Data) -> Result<ExitCode, Failure> {
    match args.command {
        DataCommand::Check(args) => check(&args),
        DataCommand::Split(args) => write_split(&args),
        DataCommand::Show(args) => show(&args),
        DataCommand::Stats(args) => stats(&args),
        DataCommand::Convert(args) => super::convert::run(&args),
    }
}

/// Reads all images, with a progress bar where somebody watches.
fn read(list: &ImageList, threads: usize) -> Survey {
    let bar = images_bar(list.entries.len());
    let found = survey(list, &DecodeOptions::default(), threads, &|_| bar.inc(1));
    bar.finish_and_clear();
    found
}

/// What the program's flags can do about an error of a list of images, to stand after it.
pub fn recovery_hint(error: &DataError) -> &'static str {
    match error {
        DataError::Columns { .. } => " (--path-column NAME, --label-column NAME)",
        DataError::Split { cause: SplitCause::Alike, .. } => {
            " (--split-near-duplicates splits by image; finetune --mode prototype needs none to be held out)"
        }
        DataError::Split { .. } => " (finetune --mode prototype needs none to be held out)",
        _ => "",
    }
}

fn failed(error: DataError) -> Failure {
    Failure::Message(format!("{error}{}", recovery_hint(&error)))
}

fn open(data: &Path, list: &Listed) -> Result<ImageList, Failure> {
    ImageList::open_with(data, &list.options()).map_err(failed)
}

/// Refuses to write over what is read.
fn check_output(out: &Path, data: &Path, list: &ImageList) -> Result<(), Failure> {
    if !out.exists() {
        return Ok(());
    }
    let is_out = |path: &Path| super::is_same_file(out, path);
    let source = |source: &Source| match source {
        Source::File(path) => is_out(path),
        Source::Tar { .. } => false,
    };
    if is_out(data) || is_out(&list.path) || list.entries.iter().any(|e| source(&e.source)) {
        return Err(format!("{}: it is read here, and would be written over: give another name", shown(out)).into());
    }
    Ok(())
}

/// What is to be said of a finding.
fn line(finding: &Finding) -> String {
    let sign = if finding.problem { "problem" } else { "note" };
    let flags = if finding.kind == "imbalance" { " (--balance, --class-weights)" } else { "" };
    format!("{sign}: {}{flags}", finding.line)
}

fn check(args: &Check) -> Result<ExitCode, Failure> {
    let threads = args.threads.map_or_else(striate::num_threads, |n| n as usize);
    let list = open(&args.data, &args.list)?;
    if let Some(file) = &args.html {
        check_output(file, &args.data, &list)?;
    }
    let report = CheckReport::new(&list, &read(&list, threads), threads);
    if let Some(file) = &args.html {
        striate::formats::write_atomic(file, page(&report, &list).as_bytes())?;
    }
    if args.json {
        say_json(&report)?;
    } else {
        print(&report, &list)?;
        for finding in &report.findings {
            say(line(finding))?;
            for group in finding.groups.iter().take(3).filter(|g| g.len() > 1) {
                let names: Vec<String> = group.iter().take(6).map(shown).collect();
                let more = if group.len() > 6 { format!(" and {} more", group.len() - 6) } else { String::new() };
                say(format_args!("    {}{more}", names.join(" = ")))?;
            }
        }
        say(match report.problems() {
            0 => "No problems found.".to_string(),
            1 => "1 problem found.".to_string(),
            n => format!("{n} problems found."),
        })?;
    }
    Ok(if report.problems() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn stats(args: &Stats) -> Result<ExitCode, Failure> {
    let list = open(&args.data, &args.list)?;
    let report = CheckReport::new(&list, &read(&list, striate::num_threads()), striate::num_threads());
    if args.json {
        say_json(&report)?;
    } else {
        print(&report, &list)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &CheckReport, list: &ImageList) -> Result<(), Failure> {
    let r = report;
    say(format_args!(
        "{}: {} of {}, {} unreadable; {} grey, {} in colour, {} of more than 8 bits, {} turned upright",
        r.path,
        count_of(r.images, "image"),
        count_of(r.classes.len(), "class"),
        r.unreadable,
        thousands(r.grey),
        thousands(r.colour),
        thousands(r.deep),
        thousands(r.turned)
    ))?;
    for (name, range) in [("width", r.width), ("height", r.height)] {
        say(format_args!("{name}: {:.0} to {:.0}, median {:.0}", range.min, range.max, range.median))?;
    }
    say(format_args!("width : height: {:.2} to {:.2}, median {:.2}", r.aspect.min, r.aspect.max, r.aspect.median))?;
    say(format_args!("mean {:.4?}, standard deviation {:.4?}", r.mean, r.std))?;
    let splits: Vec<&str> = list.splits().into_iter().map(|s| s.name()).collect();
    let mut table = Table::new(&[&["class", "images"], &splits[..]].concat());
    for c in &r.classes {
        let of = |s: &&str| thousands(c.splits.get(*s).unwrap_or(&0));
        table.row([shown(&c.class), thousands(c.images)].into_iter().chain(splits.iter().map(of)).collect());
    }
    say(format_args!("\n{table}\n"))?;
    r.notes.iter().try_for_each(|note| say(format_args!("note: {note}")))
}

fn write_split(args: &Split) -> Result<ExitCode, Failure> {
    let mut list = open(&args.data, &args.list)?;
    if DataKind::of(&args.data)? == DataKind::Archive {
        return Err(format!("{}: unpack it to split it, for a manifest names files", shown(&args.data)).into());
    }
    if !list.splits().is_empty() {
        return Err(format!("{} is split already", shown(&list.path)).into());
    }
    check_output(&args.out, &args.data, &list)?;
    list.for_training()?;
    let found = read(&list, striate::num_threads());
    let options = SplitOptions { fraction: args.val, seed: args.seed, near_duplicates: !args.split_near_duplicates };
    let mut notes = std::mem::take(&mut list.notes);
    notes.extend(split(&mut list, &found, &options, &|_| None, striate::num_threads()).map_err(failed)?);
    let unreadable = found.bad().len();
    if unreadable > 0 {
        notes.push(format!("{} cannot be read: see data check", count_of(unreadable, "image")));
    }
    striate::formats::write_atomic(&args.out, &write_manifest(&list))?;
    notes.iter().try_for_each(|note| say(format_args!("note: {note}")))?;
    let held_out = list.of(striate::imaging::Split::Val).len();
    let learnt = count_of(list.entries.len() - held_out, "image");
    say(format_args!("{}: {learnt} to learn from, {} held out", shown(&args.out), thousands(held_out)))?;
    say(format_args!("Train on it:  {} train {}", program(), quoted(&args.out)))?;
    Ok(ExitCode::SUCCESS)
}

fn show(args: &Show) -> Result<ExitCode, Failure> {
    let data = absolute(&args.data)?;
    let options = args.list.options();
    let images =
        ImageConfig { path_column: options.path_column, label_column: options.label_column, ..look(&args.look) };
    let task = args.list.task.unwrap_or_default();
    let config = Config::default().task(task).data(data).seed(args.seed).images(images);
    if args.out.exists() {
        check_output(&args.out, &args.data, &open(&args.data, &args.list)?)?;
    }
    let preview = Preview::open(config).map_err(advice::failure)?;
    let rows = preview.len().min(args.images as usize);
    // Images from all over the list, which is sorted by class.
    let chosen = (0..rows).map(|row| row * preview.len() / rows);
    let mut grid: Vec<Vec<Image>> = Vec::new();
    for index in chosen {
        let mut row = vec![preview.plain(index)?];
        for epoch in 0..args.epochs as usize {
            row.push(preview.in_epoch(epoch, index)?);
        }
        grid.push(row);
    }
    tiled(&grid).write_png(&args.out)?;
    let epochs = count_of(args.epochs as usize, "epoch");
    say(format_args!("{}: {}, each as it is and as in {epochs}", shown(&args.out), count_of(rows, "image")))?;
    Ok(ExitCode::SUCCESS)
}

/// A path that means the same wherever the program is started.
pub fn absolute(path: &Path) -> Result<String, Failure> {
    let full = std::fs::canonicalize(path).map_err(|e| format!("cannot read {}: {e}", shown_path(path)))?;
    Ok(path_text(&full))
}

/// Images of one size side by side, two pixels apart on white.
fn tiled(rows: &[Vec<Image>]) -> Image {
    const GAP: usize = 2;
    let first = &rows[0][0];
    let (w, h, c) = (first.width + GAP, first.height + GAP, first.channels);
    let (width, height) = (rows[0].len() * w + GAP, rows.len() * h + GAP);
    let mut data = vec![255; width * height * c];
    for (y, row) in rows.iter().enumerate() {
        for (x, image) in row.iter().enumerate() {
            for (line, pixels) in image.data.chunks_exact(image.width * c).enumerate() {
                let at = ((y * h + GAP + line) * width + x * w + GAP) * c;
                data[at..at + pixels.len()].copy_from_slice(pixels);
            }
        }
    }
    Image::new(width, height, c, data)
}
