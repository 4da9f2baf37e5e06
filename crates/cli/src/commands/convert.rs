//! Annotations in another format.

use crate::args::{Convert, TargetFormat};
use crate::output::{Failure, count_of, note, program, quoted, say, shown_path};
use std::process::ExitCode;
use striate::data::TargetKind;
use striate::data::annotations::{Annotations, ConvertOptions, Placement, convert, convert_masks};
use striate::data::images::{ImageList, ListOptions};

/// How many lines of what is odd are printed.
const LINES: usize = 10;

pub fn run(args: &Convert) -> Result<ExitCode, Failure> {
    let images = match (args.copy, args.reference) {
        (true, _) => Placement::Copy,
        (_, true) => Placement::Reference,
        _ => Placement::Link,
    };
    let options = ConvertOptions { images };
    let (report, task) = match args.to {
        TargetFormat::Objects(format) => {
            let annotations = Annotations::open(&args.data)?;
            (convert(&annotations, format, &args.out, &options)?, "detection")
        }
        TargetFormat::Masks => {
            let list = ListOptions { target: TargetKind::Mask, ..ListOptions::default() };
            (convert_masks(&ImageList::open_with(&args.data, &list)?, &args.out, &options)?, "segmentation")
        }
    };
    let lines: Vec<String> = report.lines().into_iter().chain(report.notes.iter().cloned()).collect();
    lines.iter().take(LINES).for_each(|line| note(line));
    if lines.len() > LINES {
        note(&format!("and {} more", lines.len() - LINES));
    }
    let images = count_of(report.images, "image");
    let objects = match args.to {
        TargetFormat::Objects(_) => format!(" with {}", count_of(report.objects, "object")),
        TargetFormat::Masks => String::new(),
    };
    say(format_args!("{}: {images}{objects}", shown_path(&report.path)))?;
    say(format_args!("Train on it:  {} train {} --task {task}", program(), quoted(&report.path)))?;
    Ok(ExitCode::SUCCESS)
}
