//! A check's report as one HTML page.

use super::check::{CheckReport, Finding};
use super::list::ImageList;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fmt::Write;
use striate_imaging::{DecodeOptions, Image};

/// Groups, and images of a group, that are shown.
const GROUPS: usize = 12;
const IMAGES: usize = 6;
/// Lines of annotation files that are shown.
const DETAILS: usize = 50;
/// Pixels of the shorter side of a small image.
const THUMB: usize = 96;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left}.group{display:flex;flex-wrap:wrap;gap:.5rem;margin:.5rem 0;padding:.5rem;background:#f4f4f4}\
figure{margin:0;width:9rem;font-size:.75rem;overflow-wrap:anywhere}img{max-width:9rem;max-height:9rem}.problem{color:#b00020}";

/// A page that needs no other file.
pub fn page(report: &CheckReport, list: &ImageList) -> String {
    let mut out = String::new();
    let _ = write_page(&mut out, report, list);
    out
}

fn write_page(out: &mut String, r: &CheckReport, list: &ImageList) -> std::fmt::Result {
    let title = escaped(&r.path);
    write!(
        out,
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>{} images of {} classes, {} unreadable; {} grey, {} in colour, {} of more than 8 bits, {} turned upright.</p>",
        r.images,
        r.classes.len(),
        r.unreadable,
        r.grey,
        r.colour,
        r.deep,
        r.turned
    )?;
    let splits: Vec<&str> = list.splits().into_iter().map(|s| s.name()).collect();
    let heads: String = splits.iter().map(|s| format!("<th>{s}</th>")).collect();
    write!(out, "<table><tr><th>class</th><th>images</th>{heads}</tr>")?;
    for c in &r.classes {
        let cells: String = splits.iter().map(|s| format!("<td>{}</td>", c.splits.get(s).unwrap_or(&0))).collect();
        write!(out, "<tr><td>{}</td><td>{}</td>{cells}</tr>", escaped(&c.class), c.images)?;
    }
    if !r.objects.is_empty() {
        write!(
            out,
            "</table><h2>Objects</h2><table><tr><th>class</th><th>objects</th>{heads}<th>small</th><th>medium</th><th>large</th>\
             <th>crowd</th><th>difficult</th></tr>"
        )?;
    }
    for c in &r.objects {
        let cells: String = splits.iter().map(|s| format!("<td>{}</td>", c.splits.get(s).unwrap_or(&0))).collect();
        write!(out, "<tr><td>{}</td><td>{}</td>{cells}", escaped(&c.class), c.objects)?;
        for n in [c.small, c.medium, c.large, c.crowd, c.difficult] {
            write!(out, "<td>{n}</td>")?;
        }
        out.push_str("</tr>");
    }
    if !r.pixels.is_empty() {
        write!(out, "</table><h2>Pixels</h2><table><tr><th>class</th><th>pixels</th><th>fraction</th></tr>")?;
    }
    for c in &r.pixels {
        let percent = 100.0 * c.fraction;
        write!(out, "<tr><td>{}</td><td>{}</td><td>{percent:.2}%</td></tr>", escaped(&c.class), c.pixels)?;
    }
    write!(out, "</table><h2>Sizes</h2><table><tr><th></th><th>smallest</th><th>median</th><th>largest</th></tr>")?;
    for (name, range, digits) in [("width", r.width, 0), ("height", r.height, 0), ("width : height", r.aspect, 2)] {
        let [a, b, c] = [range.min, range.median, range.max];
        write!(out, "<tr><td>{name}</td><td>{a:.digits$}</td><td>{b:.digits$}</td><td>{c:.digits$}</td></tr>")?;
    }
    write!(out, "</table><p>Mean {:.4?}, standard deviation {:.4?} (values 0 to 1).</p>", r.mean, r.std)?;
    for note in &r.notes {
        write!(out, "<p>{}</p>", escaped(note))?;
    }
    for finding in &r.findings {
        write_finding(out, finding, list)?;
    }
    out.push_str("</html>\n");
    Ok(())
}

fn write_finding(out: &mut String, finding: &Finding, list: &ImageList) -> std::fmt::Result {
    let class = if finding.problem { " class=\"problem\"" } else { "" };
    write!(out, "<h2{class}>{}</h2><p>{}</p>", escaped(finding.kind), escaped(&finding.line))?;
    if finding.details.len() > 1 {
        out.push_str("<ul>");
        for line in finding.details.iter().take(DETAILS) {
            write!(out, "<li>{}</li>", escaped(line))?;
        }
        out.push_str("</ul>");
    }
    if finding.details.len() > DETAILS {
        write!(out, "<p>and {} more</p>", finding.details.len() - DETAILS)?;
    }
    for group in finding.places.iter().take(GROUPS) {
        out.push_str("<div class=\"group\">");
        for &place in group.iter().take(IMAGES) {
            let entry = &list.entries[place];
            let caption = format!("{} ({})", entry.name, list.described(&entry.target));
            let image = entry.source.decode(&DecodeOptions::default()).ok().and_then(|p| small(&p.into_bytes()));
            let shown = image.map_or_else(String::new, |uri| format!("<img src=\"{uri}\" alt=\"\">"));
            write!(out, "<figure>{shown}<figcaption>{}</figcaption></figure>", escaped(&caption))?;
        }
        out.push_str("</div>");
    }
    let more = finding.places.len().saturating_sub(GROUPS);
    if more > 0 {
        write!(out, "<p>and {more} more</p>")?;
    }
    Ok(())
}

/// The image as part of a page's text.
fn small(image: &Image) -> Option<String> {
    let jpeg = image.thumbnail(THUMB).to_jpeg().ok()?;
    Some(format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg)))
}

/// A name as part of a page.
fn escaped(text: &str) -> String {
    let text = striate_imaging::shown(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
