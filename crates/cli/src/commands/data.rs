use crate::args_images::{Check, Data, DataCommand, Look, Show, Split, Stats};
use crate::output::{Failure, say, thousands};
use crate::progress::images_bar;
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;
use striate::data::images::{CheckReport, ImageList, Survey, page, split, survey, write_manifest};
use striate::data::{DecodeOptions, Image};
use striate::train::{Config, ImageSettings, Preview};

pub fn run(args: Data) -> Result<ExitCode, Failure> {
    match args.command {
        DataCommand::Check(args) => check(&args),
        DataCommand::Split(args) => write_split(&args),
        DataCommand::Show(args) => show(&args),
        DataCommand::Stats(args) => stats(&args),
    }
}

/// Reads all images, with a progress bar where somebody watches.
fn read(list: &ImageList, threads: usize) -> Survey {
    let bar = images_bar(list.entries.len());
    let found = survey(list, &DecodeOptions::default(), threads, &|_| bar.inc(1));
    bar.finish_and_clear();
    found
}

fn check(args: &Check) -> Result<ExitCode, Failure> {
    let threads = args.threads.map_or_else(striate::num_threads, |n| n as usize);
    let list = ImageList::open(&args.data)?;
    let report = CheckReport::new(&list, &read(&list, threads), threads);
    if let Some(file) = &args.html {
        striate::formats::write_atomic(file, page(&report, &list).as_bytes())?;
    }
    if args.json {
        say(serde_json::to_string(&report)?)?;
    } else {
        print(&report, &list)?;
        for finding in &report.findings {
            let sign = if finding.spoils { "spoils results" } else { "worth knowing" };
            say(format_args!("{sign}: {}", finding.line))?;
            for group in finding.groups.iter().take(3).filter(|g| g.len() > 1) {
                say(format_args!("    {}", group.join(" = ")))?;
            }
        }
        say(if report.spoils() {
            "Something would spoil a result."
        } else {
            "Nothing found that would spoil a result."
        })?;
    }
    Ok(if report.spoils() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn stats(args: &Stats) -> Result<ExitCode, Failure> {
    let list = ImageList::open(&args.data)?;
    let report = CheckReport::new(&list, &read(&list, striate::num_threads()), striate::num_threads());
    if args.json {
        say(serde_json::to_string(&report)?)?;
    } else {
        print(&report, &list)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &CheckReport, list: &ImageList) -> Result<(), Failure> {
    let r = report;
    say(format_args!(
        "{}: {} images of {} classes, {} unreadable; {} grey, {} in colour, {} of more than 8 bits, {} turned upright",
        r.path,
        thousands(r.images),
        r.classes.len(),
        r.unreadable,
        thousands(r.grey),
        thousands(r.colour),
        thousands(r.deep),
        thousands(r.turned)
    ))?;
    for (name, range) in [("width", r.width), ("height", r.height)] {
        say(format_args!("{name}: {:.0} to {:.0}, middle {:.0}", range.min, range.max, range.median))?;
    }
    say(format_args!("width : height: {:.2} to {:.2}, middle {:.2}", r.aspect.min, r.aspect.max, r.aspect.median))?;
    say(format_args!("mean {:.4?}, standard deviation {:.4?}", r.mean, r.std))?;
    let splits: Vec<&str> = list.splits().into_iter().map(|s| s.name()).collect();
    let mut table = Table::new(&[&["class", "images"], &splits[..]].concat());
    for c in &r.classes {
        let of = |s: &&str| thousands(c.splits.get(*s).unwrap_or(&0));
        table.row([c.class.clone(), thousands(c.images)].into_iter().chain(splits.iter().map(of)).collect());
    }
    say(format_args!("\n{table}\n"))?;
    r.notes.iter().try_for_each(|note| say(format_args!("note: {note}")))
}

fn write_split(args: &Split) -> Result<ExitCode, Failure> {
    let mut list = ImageList::open(&args.data)?;
    if list.path.extension().is_some_and(|e| e == "tar") {
        return Err(format!("{}: unpack it to split it, for a manifest names files", list.path.display()).into());
    }
    if !list.splits().is_empty() {
        return Err(format!("{} is split already", list.path.display()).into());
    }
    let found = read(&list, striate::num_threads());
    split(&mut list, &found.near_duplicates(striate::num_threads()), args.val, args.seed);
    striate::formats::write_atomic(&args.out, &write_manifest(&list))?;
    let held_out = list.of(striate::data::images::Split::Val).len();
    let file = args.out.display();
    say(format_args!("{file}: {} images to learn from, {held_out} held out", list.entries.len() - held_out))?;
    say(format_args!("Train on it:  {} train {file}", crate::output::program()))?;
    Ok(ExitCode::SUCCESS)
}

/// What was typed as settings.
pub fn settings(look: &Look) -> ImageSettings {
    ImageSettings {
        size: look.size.map(|s| s as usize),
        channels: look.channels,
        filter: look.filter,
        background: look.background,
        augment: look.augment.clone(),
        ..ImageSettings::default()
    }
}

fn show(args: &Show) -> Result<ExitCode, Failure> {
    let data = absolute(&args.data)?;
    let config = Config { data, seed: args.seed, images: settings(&args.look), ..Config::default() };
    let preview = Preview::open(&config)?;
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
    say(format_args!("{}: {rows} images, each as it is and as in {} epochs", args.out.display(), args.epochs))?;
    Ok(ExitCode::SUCCESS)
}

/// A path that means the same wherever the program is started.
pub fn absolute(path: &Path) -> Result<String, Failure> {
    let full = std::fs::canonicalize(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    Ok(full.to_str().ok_or_else(|| format!("{}: the path is not UTF-8", path.display()))?.to_string())
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
