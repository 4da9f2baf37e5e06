//! What can be typed about images of a folder.

use super::choice::one_of;
use clap::{Args, Subcommand, value_parser};
use std::path::PathBuf;
use striate::data::annotations::Format;
use striate::data::images::ListOptions;
use striate::data::transforms::Augmentations;
use striate::imaging::Filter;
use striate::train::{ImageCache, NO_CHANGES, SMALL_DATA, TaskKind, target_kind};

/// How images of a folder become what the network sees.
#[derive(Clone, Debug, Args)]
pub struct Look {
    /// Pixels of a side of what the network sees, for folders of images [default: the images' own size up to 96, or what the network
    /// or backbone needs, or 96]. The shorter side is scaled to 8/7 of it, or as much as the backbone's, and the middle cut out.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=4096))]
    pub size: Option<u32>,
    /// 1 for grey, 3 for colour [default: as the images are].
    #[arg(long, value_name = "1|3", value_parser = channels)]
    pub channels: Option<usize>,
    /// How images are scaled, antialiased either way: bilinear or bicubic [default: bilinear; finetune takes the backbone's].
    #[arg(long, value_name = "NAME", value_parser = filter)]
    pub filter: Option<Filter>,
    /// The colour behind transparent parts, as red, green and blue in hexadecimal [default: ffffff].
    #[arg(long, value_name = "RRGGBB", value_parser = colour)]
    pub background: Option<[u8; 3]>,
    /// Random changes of training images, such as "pad-crop 4, flip, jitter 0.2": crop-resize, pad-crop, flip, vflip, rotate, affine,
    /// perspective, jitter, grey, blur, erase, randaugment, trivialaugment, mixup, cutmix. What is drawn depends on the seed, the epoch and the
    /// image alone.
    #[arg(long, value_name = "CHANGES", value_parser = augment)]
    pub augment: Option<String>,
}

/// How images of a folder are read and drawn.
#[derive(Clone, Debug, Args)]
pub struct Images {
    #[command(flatten)]
    pub look: Look,
    /// The fraction of each class that is held out to measure on, where the data has no split.
    #[arg(long, value_name = "FRACTION", value_parser = fraction, allow_negative_numbers = true)]
    pub val: Option<f64>,
    /// Hold out image by image where images are nearly the same, such as frames of a video, which otherwise stay on one side. Results then look too good
    /// for new videos.
    #[arg(long)]
    pub split_near_duplicates: bool,
    #[command(flatten)]
    pub list: Listed,
    /// Keep decoded and scaled images: none, ram or disk [default: none].
    #[arg(long, value_name = "PLACE", value_parser = cache)]
    pub cache: Option<ImageCache>,
    /// The largest fraction of images that may be unreadable; they are left out and listed [default: 5%].
    #[arg(long, value_name = "FRACTION", value_parser = fraction, allow_negative_numbers = true)]
    pub max_bad: Option<f64>,
    /// Do not mix images (mixup, cutmix) in the last N epochs, which then see images as they are [default: 0].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32))]
    pub mix_off_epochs: Option<u32>,
    /// Draw images of rare classes more often, so that all classes are as frequent.
    #[arg(long)]
    pub balance: bool,
    /// Let losses of rare classes weigh more, so that all classes weigh the same.
    #[arg(long, conflicts_with = "balance")]
    pub class_weights: bool,
}

/// What the images of a list have, and in which columns of a manifest.
#[derive(Clone, Debug, Default, Args)]
pub struct Listed {
    /// What images have, and so what a network learns: classification (one class each), multi-label (any number of labels, "cat;dog" in one column or a column
    /// of 0 and 1 for each), regression (numbers), detection (objects with boxes: Pascal VOC, COCO, YOLO or a table) or segmentation (a mask for each image) [default: classification].
    #[arg(long, value_name = "TASK", value_parser = task)]
    pub task: Option<TaskKind>,
    #[command(flatten)]
    pub columns: Columns,
}

impl Listed {
    /// As options of a list.
    pub fn options(&self) -> ListOptions {
        ListOptions { target: target_kind(self.task.unwrap_or_default()), ..self.columns.options() }
    }
}

fn task(name: &str) -> Result<TaskKind, String> {
    one_of(name, &TaskKind::ALL.map(|task| (task.name(), task)))
}

/// Which columns of a manifest are meant.
#[derive(Clone, Debug, Default, Args)]
pub struct Columns {
    /// The column of a manifest that names the images [default: path, or the one called filename, image, id or the like].
    #[arg(long, value_name = "NAME")]
    pub path_column: Option<String>,
    /// The column of a manifest that holds the classes [default: label, or the one called class, target, category or the like]. Of labels and numbers it may be
    /// several, as in width,height.
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
}

impl Columns {
    /// As options of a list.
    pub fn options(&self) -> ListOptions {
        ListOptions {
            path_column: self.path_column.clone(),
            label_column: self.label_column.clone(),
            ..ListOptions::default()
        }
    }
}

fn channels(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("it is 1 or 3".into()),
    }
}

fn filter(name: &str) -> Result<Filter, String> {
    one_of(name, &[("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)])
}

fn colour(text: &str) -> Result<[u8; 3], String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6 && digits.is_ascii());
    number
        .map(|n| [(n >> 16) as u8, (n >> 8) as u8, n as u8])
        .ok_or_else(|| "it must be six digits, such as ffffff".into())
}

fn cache(name: &str) -> Result<ImageCache, String> {
    one_of(name, &[("none", ImageCache::None), ("ram", ImageCache::Ram), ("disk", ImageCache::Disk)])
}

fn augment(text: &str) -> Result<String, String> {
    if text == SMALL_DATA || text == NO_CHANGES {
        return Ok(text.to_string());
    }
    text.parse::<Augmentations>().map(|a| a.to_string())
}

/// `5%` or `0.05`.
fn fraction(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|v| v / 100.0),
        None => text.parse::<f64>(),
    };
    value.ok().filter(|v| (0.0..=1.0).contains(v)).ok_or_else(|| "it must be a fraction from 0% to 100%".to_string())
}

/// A fraction of which something is left on both sides.
fn part(text: &str) -> Result<f64, String> {
    fraction(text)
        .ok()
        .filter(|v| *v > 0.0 && *v < 1.0)
        .ok_or_else(|| "it must be more than 0% and less than 100%".to_string())
}

/// The name of a PNG file.
fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        true => Ok(path),
        false => Err("a PNG file is written: its name must end in .png".into()),
    }
}

/// Look at images before training, and convert their annotations: check, split, show, stats, convert.
#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    pub command: DataCommand,
}

#[derive(Debug, Subcommand)]
pub enum DataCommand {
    Check(Check),
    Split(Split),
    Show(Show),
    Stats(Stats),
    Convert(Convert),
}

/// Write the boxes of images in another format: Pascal VOC, COCO, YOLO or a table; or their masks as PNG files with a palette.
///
/// The format that is there is told by the files. What the new one cannot hold is counted. The folder is complete or not there at all.
#[derive(Debug, Args)]
pub struct Convert {
    /// Annotated images: a folder with Pascal VOC's XML, COCO's JSON, YOLO's text files or masks, or one such file, or a table.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// The format to write: voc, coco, yolo, csv (a line for each box) or masks.
    #[arg(long, value_name = "voc|coco|yolo|csv|masks", value_parser = target_format)]
    pub to: TargetFormat,
    /// The folder to write, which must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Copy the images. Without, they are linked where the file system can: the same file under two names.
    #[arg(long)]
    pub copy: bool,
    /// Leave the images where they are and name them by their whole paths; for csv.
    #[arg(long, conflicts_with = "copy")]
    pub reference: bool,
}

/// What annotations are converted to.
#[derive(Clone, Copy, Debug)]
pub enum TargetFormat {
    Objects(Format),
    Masks,
}

fn target_format(text: &str) -> Result<TargetFormat, String> {
    if text == "masks" {
        return Ok(TargetFormat::Masks);
    }
    Format::named(text).map(TargetFormat::Objects).ok_or_else(|| "it must be voc, coco, yolo, csv or masks".into())
}

/// Find problems: unreadable files, the same or nearly the same image in two splits or under two labels, data that cannot be trained on.
///
/// Also notes files that are not what their name says, duplicates, classes that are rare, sizes, grey among colour. The exit code is 1 if
/// there is a problem.
#[derive(Debug, Args)]
pub struct Check {
    /// A folder with a folder of images for each class (or these under train, val and test), or with images and a table of their classes; a
    /// .csv or .tsv manifest; or a .tar of any of these.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub list: Listed,
    /// Write a page with the images.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Threads that read [default: what this process may use].
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
}

/// Write a manifest that holds out a fraction of each class, with near duplicates on one side.
#[derive(Debug, Args)]
pub struct Split {
    /// The images: see data check --help.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub list: Listed,
    /// The manifest to write: train on it.
    #[arg(long, value_name = "FILE.csv")]
    pub out: PathBuf,
    /// The fraction that is held out, of each class as nearly as its duplicates allow.
    #[arg(long, value_name = "FRACTION", default_value = "20%", value_parser = part, allow_negative_numbers = true)]
    pub val: f64,
    /// Split near duplicates too, such as frames of a video: results look better than they are.
    #[arg(long)]
    pub split_near_duplicates: bool,
    /// What the sides come from, with the contents of the images: those that are added later move no others.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// Write an image of what the network will see, random changes included: a row for each image, as it is and then as in some epochs.
#[derive(Debug, Args)]
pub struct Show {
    /// The images: see data check --help.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub list: Listed,
    /// The PNG file to write.
    #[arg(long, value_name = "FILE.png", value_parser = png)]
    pub out: PathBuf,
    /// How many images.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=1000))]
    pub images: u32,
    /// How many epochs of each.
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = value_parser!(u32).range(1..=100))]
    pub epochs: u32,
    /// What the random numbers come from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub look: Look,
}

/// Print counts, sizes, and the mean and standard deviation of each channel.
#[derive(Debug, Args)]
pub struct Stats {
    /// The images: see data check --help.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub list: Listed,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
