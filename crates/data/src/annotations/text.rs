//! Objects, masks and palettes as text in the list of a run, without loss.

use super::{MaskFile, MaskShapes, Palette, Rle, Shape, stated};
use crate::images::{escaped, unescaped};
use crate::mask::Mask;
use crate::object::Object;
use crate::source::{Source, path_of};
use std::collections::BTreeMap;
use std::str::{FromStr, SplitWhitespace};
use std::sync::Arc;
use striate_imaging::{Header, Image};

/// Objects: class, left, top, right, bottom and 1 for a crowd plus 2 for a difficult one; semicolons between objects.
pub fn objects(objects: &[Object]) -> String {
    let one = |o: &Object| {
        let [a, b, c, d] = o.bbox;
        format!("{} {a} {b} {c} {d} {}", o.class, u8::from(o.crowd) + 2 * u8::from(o.difficult))
    };
    objects.iter().map(one).collect::<Vec<_>>().join(";")
}

/// The objects that [`objects`] wrote, of a number of classes.
pub fn read_objects(text: &str, classes: usize) -> Option<Vec<Object>> {
    let one = |text: &str| {
        let mut words = text.split_whitespace();
        let class = next::<usize>(&mut words).filter(|class| *class < classes)?;
        let mut bbox = [0.0; 4];
        for edge in &mut bbox {
            *edge = next(&mut words)?;
        }
        let flags = next::<u8>(&mut words).filter(|flags| *flags < 4)?;
        words.next().is_none().then_some(Object { class, bbox, crowd: flags & 1 != 0, difficult: flags & 2 != 0 })
    };
    text.split(';').filter(|part| !part.is_empty()).map(one).collect()
}

/// The palettes of masks, each once.
#[derive(Default)]
pub struct Palettes(pub Vec<Arc<Palette>>);

impl Palettes {
    /// The number of a palette.
    pub fn number(&mut self, palette: &Arc<Palette>) -> usize {
        let known = self.0.iter().position(|other| Arc::ptr_eq(other, palette) || other == palette);
        known.unwrap_or_else(|| {
            self.0.push(palette.clone());
            self.0.len() - 1
        })
    }
}

/// A palette: values or colours with their classes.
pub fn palette(palette: &Palette) -> String {
    let pairs: Vec<String> = match palette {
        Palette::Values(of) => of.iter().map(|(value, class)| format!("{value}:{class}")).collect(),
        Palette::Colours(of) => of.iter().map(|([r, g, b], class)| format!("{r}.{g}.{b}:{class}")).collect(),
    };
    format!("{} {}", if matches!(palette, Palette::Values(_)) { "values" } else { "colours" }, pairs.join(" "))
}

/// The palette that [`palette`] wrote.
pub fn read_palette(text: &str) -> Option<Palette> {
    let mut words = text.split_whitespace();
    let kind = words.next()?;
    let pairs = words.map(|word| word.split_once(':')).map(|pair| Some((pair?.0, pair?.1.parse::<u8>().ok()?)));
    match kind {
        "values" => {
            let value = |pair: Option<(&str, u8)>| Some((pair?.0.parse().ok()?, pair?.1));
            pairs.map(value).collect::<Option<BTreeMap<_, _>>>().map(Palette::Values)
        }
        "colours" => {
            let colour = |pair: Option<(&str, u8)>| {
                let parts: Option<Vec<u8>> = pair?.0.split('.').map(|part| part.parse().ok()).collect();
                Some((<[u8; 3]>::try_from(parts?).ok()?, pair?.1))
            };
            pairs.map(colour).collect::<Option<BTreeMap<_, _>>>().map(Palette::Colours)
        }
        _ => None,
    }
}

/// A mask: where its file is and how it is read, or its outlines, or its pixels run by run.
pub fn mask(mask: &Mask, palettes: &mut Palettes) -> String {
    match mask {
        Mask::File(file) => {
            let header = file.image.map_or([0; 3], |h| [h.size[0], h.size[1], h.orientation.into()]);
            let present = match &file.present {
                None => "?".into(),
                Some(classes) if classes.is_empty() => "-".into(),
                Some(classes) => joined(classes, "."),
            };
            let path = escaped(path_of(&file.source).as_encoded_bytes(), true);
            format!("file {} {} {present} {path}", palettes.number(&file.palette), joined(&header, " "))
        }
        Mask::Shapes(drawn) => {
            let MaskShapes { size, orientation, shapes } = &**drawn;
            let mut text = format!("shapes {} {} {orientation}", size[0], size[1]);
            for (class, shape) in shapes {
                text += &format!(";{class} {}", shape_text(shape));
            }
            text
        }
        Mask::Classes(image) => {
            let runs = image.data.chunk_by(|a, b| a == b).map(|run| format!("{}:{}", run[0], run.len()));
            format!("pixels {} {} {}", image.height, image.width, runs.collect::<Vec<_>>().join(" "))
        }
    }
}

fn joined<T: ToString>(values: &[T], separator: &str) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(separator)
}

fn shape_text(shape: &Shape) -> String {
    match shape {
        Shape::Polygons(polygons) => {
            let polygons: Vec<String> = polygons.iter().map(|p| joined(p, " ")).collect();
            format!("polygons {}", polygons.join("/"))
        }
        Shape::Rle(rle) => format!("rle {} {} {}", rle.size[0], rle.size[1], joined(&rle.counts, " ")),
    }
}

/// The mask that [`mask`] wrote; `find` gives the file of a path.
pub fn read_mask(text: &str, palettes: &Palettes, find: &mut dyn FnMut(Vec<u8>) -> Option<Source>) -> Option<Mask> {
    let (kind, rest) = text.split_once(' ')?;
    match kind {
        "file" => {
            let parts: Vec<&str> = rest.splitn(6, ' ').collect();
            let [palette, height, width, orientation, present, path] = parts[..] else { return None };
            let palette = palettes.0.get(palette.parse::<usize>().ok()?)?.clone();
            let size = [height.parse().ok()?, width.parse().ok()?];
            let image = match orientation.parse().ok()? {
                0 => None,
                orientation @ 1..=8 => Some(Header { size, orientation }),
                _ => return None,
            };
            let present = match present {
                "?" => None,
                "-" => Some(Vec::new()),
                classes => Some(classes.split('.').map(|c| c.parse().ok()).collect::<Option<_>>()?),
            };
            let source = find(unescaped(path)?)?;
            Some(Mask::File(Arc::new(MaskFile { source, palette, image, present })))
        }
        "shapes" => {
            let mut parts = rest.split(';');
            let mut words = parts.next()?.split_whitespace();
            let size = stated(next(&mut words), next(&mut words)).or((rest == "0 0 1").then_some([0, 0]))?;
            let orientation = next(&mut words).filter(|o| (1..=8).contains(o))?;
            let shapes = parts.map(read_shape).collect::<Option<_>>()?;
            Some(Mask::Shapes(Arc::new(MaskShapes { size, orientation, shapes })))
        }
        "pixels" => {
            let mut words = rest.split_whitespace();
            let (height, width) = (next::<usize>(&mut words)?, next::<usize>(&mut words)?);
            let pixels = height.checked_mul(width)?;
            let mut data = Vec::new();
            for word in words {
                let (class, run) = word.split_once(':')?;
                let run = run.parse::<usize>().ok().filter(|run| *run <= pixels - data.len())?;
                data.resize(data.len() + run, class.parse().ok()?);
            }
            (data.len() == pixels).then(|| Mask::Classes(Arc::new(Image { width, height, channels: 1, data })))
        }
        _ => None,
    }
}

fn read_shape(text: &str) -> Option<(u8, Shape)> {
    let mut words = text.split_whitespace();
    let class = next(&mut words)?;
    match words.next()? {
        "polygons" => {
            let text = text.split_once("polygons")?.1;
            let polygon = |text: &str| text.split_whitespace().map(|v| v.parse().ok()).collect::<Option<Vec<f64>>>();
            Some((class, Shape::Polygons(text.split('/').map(polygon).collect::<Option<_>>()?)))
        }
        "rle" => {
            let size = [next(&mut words)?, next(&mut words)?];
            let counts = words.map(|v| v.parse().ok()).collect::<Option<_>>()?;
            Some((class, Shape::Rle(Rle { size, counts })))
        }
        _ => None,
    }
}

fn next<T: FromStr>(words: &mut SplitWhitespace) -> Option<T> {
    words.next()?.parse().ok()
}
