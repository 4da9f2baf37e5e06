//! [`Palette`]: which class a value or a colour of a mask is.

use super::tree::{self, quoted};
use crate::error::DataError;
use crate::images::table;
use crate::mask::VOID;
use crate::source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use striate_imaging::{AnyImage, Image, Values};

/// The most classes of a mask.
pub const CLASSES: usize = VOID as usize;

/// Which class a value or a colour of a mask is; [`VOID`] for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Palette {
    /// By grey values, or indices of a PNG file's palette.
    Values(BTreeMap<u16, u8>),
    /// By red, green and blue.
    Colours(BTreeMap<[u8; 3], u8>),
}

/// A palette with the names of its classes.
pub struct Named {
    pub classes: Vec<String>,
    pub palette: Palette,
}

const NAMES: [&str; 4] = ["name", "class", "label", "class_name"];
const COLUMNS: [&[&str]; 3] = [&["red", "r"], &["green", "g"], &["blue", "b"]];
const VALUES: [&str; 7] = ["value", "index", "id", "grey", "gray", "class_id", "pixel"];
const VOIDS: [&str; 4] = ["void", "ignore", "ignored", "unlabeled"];

impl Named {
    /// Reads a table `name,red,green,blue` or `name,value`. A class named `void` or `ignore` is none.
    pub fn read(source: &Source) -> Result<Named, DataError> {
        let path = source.path();
        let text = tree::text(source)?;
        Named::parse(&text).map_err(|reason| DataError::images(&path, reason))
    }

    fn parse(text: &str) -> Result<Named, String> {
        let mut reader = table::Reader::new(text, table::delimiter(text));
        let header = reader.next().ok_or("it is empty")??;
        let at =
            |names: &[&str]| header.fields.iter().position(|f| names.contains(&f.text.trim().to_lowercase().as_str()));
        let name = at(&NAMES).ok_or("a palette needs the columns name, red, green, blue or name, value")?;
        let colours = COLUMNS.map(&at);
        let value = at(&VALUES);
        let by_colour = colours.iter().all(Option::is_some);
        if !by_colour && value.is_none() {
            return Err("a palette needs the columns name, red, green, blue or name, value".into());
        }
        let mut classes = Vec::<String>::new();
        let (mut by_colours, mut by_values) = (BTreeMap::new(), BTreeMap::new());
        for row in reader {
            let row = row?;
            let line = row.line;
            let field = |at: usize| row.fields.get(at).map_or("", |f| f.text.as_str());
            let number = |at: usize, most: u16| {
                let value = field(at).parse::<u16>().ok().filter(|v| *v <= most);
                value.ok_or_else(|| format!("line {line}: {}, it must be a number from 0 to {most}", quoted(field(at))))
            };
            let class = field(name).to_string();
            if class.is_empty() {
                return Err(format!("line {line}: the name is empty"));
            }
            let place = match classes.iter().position(|other| *other == class) {
                _ if VOIDS.contains(&class.to_lowercase().as_str()) => VOID,
                Some(place) => place as u8,
                None if classes.len() == CLASSES => return Err(format!("line {line}: more than {CLASSES} classes")),
                None => {
                    classes.push(class);
                    classes.len() as u8 - 1
                }
            };
            let again = match colours {
                [Some(r), Some(g), Some(b)] => {
                    let colour = [number(r, 255)? as u8, number(g, 255)? as u8, number(b, 255)? as u8];
                    by_colours.insert(colour, place).is_some_and(|other| other != place)
                }
                _ => by_values.insert(number(value.unwrap_or(0), u16::MAX)?, place).is_some_and(|other| other != place),
            };
            if again {
                return Err(format!("line {line}: its value is that of another class too"));
            }
        }
        if classes.is_empty() {
            return Err("it names no class".into());
        }
        let palette = if by_colour { Palette::Colours(by_colours) } else { Palette::Values(by_values) };
        Ok(Named { classes, palette })
    }
}

impl Palette {
    /// The classes of a mask's pixels.
    pub fn classes(&self, values: Values, path: &Path) -> Result<Image, DataError> {
        let bad = |reason: String| DataError::images(path, reason);
        let Values { image, palette } = values;
        let (width, height) = (image.width(), image.height());
        let missing = |at: usize, value: String| {
            bad(format!("its pixel in column {} of row {} is {value}, which the palette lacks", at % width, at / width))
        };
        let data = match (self, image) {
            (Palette::Colours(_), AnyImage::U8(image)) => {
                let colours = colours(&image, palette.as_deref());
                self.of_colours(&colours).map_err(|at| missing(at, format!("{:?}", colours[at])))?
            }
            (Palette::Colours(_), AnyImage::U16(_)) => {
                return Err(bad("a mask of 16 bits, where the palette has colours of 8".into()));
            }
            (Palette::Values(of), AnyImage::U8(image)) => {
                let grey = grey(&image).ok_or_else(|| bad("a mask in colours, where a palette of red, green and blue is needed: palette.csv with the columns name, red, green, blue".into()))?;
                mapped(grey.iter().copied(), |v| of.get(&v.into()).copied())
                    .map_err(|at| missing(at, grey[at].to_string()))?
            }
            (Palette::Values(of), AnyImage::U16(image)) if image.channels == 1 => {
                mapped(image.data.iter().copied(), |v| of.get(&v).copied())
                    .map_err(|at| missing(at, image.data[at].to_string()))?
            }
            (Palette::Values(_), AnyImage::U16(_)) => {
                return Err(bad("a mask in colours of 16 bits cannot be read".into()));
            }
        };
        Ok(Image { width, height, channels: 1, data })
    }

    fn of_colours(&self, colours: &[[u8; 3]]) -> Result<Vec<u8>, usize> {
        let Palette::Colours(of) = self else { return Err(0) };
        mapped(colours.iter().copied(), |c| of.get(&c).copied())
    }
}

/// The class of each value, or the place of the first that has none. Neighbours are mostly of one class.
fn mapped<T: Copy + PartialEq>(
    values: impl Iterator<Item = T>,
    of: impl Fn(T) -> Option<u8>,
) -> Result<Vec<u8>, usize> {
    let mut last = None::<(T, u8)>;
    let class = |(at, value): (usize, T)| match last {
        Some((before, class)) if before == value => Ok(class),
        _ => {
            let class = of(value).ok_or(at)?;
            last = Some((value, class));
            Ok(class)
        }
    };
    values.enumerate().map(class).collect()
}

/// The colours of a mask's pixels; indices are looked up in the file's palette.
fn colours(image: &Image, palette: Option<&[[u8; 3]]>) -> Vec<[u8; 3]> {
    match palette {
        Some(palette) => image.data.iter().map(|&i| palette.get(usize::from(i)).copied().unwrap_or_default()).collect(),
        None if image.channels == 1 => image.data.iter().map(|&v| [v; 3]).collect(),
        None => image.data.as_chunks::<3>().0.to_vec(),
    }
}

/// The values of a mask that has one channel, or three equal ones.
pub fn grey(image: &Image) -> Option<Vec<u8>> {
    match image.channels {
        1 => Some(image.data.clone()),
        _ => image.data.as_chunks::<3>().0.iter().map(|&[r, g, b]| (r == g && g == b).then_some(r)).collect(),
    }
}
