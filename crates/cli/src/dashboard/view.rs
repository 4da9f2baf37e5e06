//! What the dashboard shows, drawn into a frame of any size.

use crate::output::thousands;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Paragraph};
use striate::imaging::Split;
use striate::train::{Metric, Scale};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Below this width there is room for one chart.
const TWO_CHARTS: u16 = 70;
/// The least height of a chart that shows anything.
const CHART: u16 = 6;
/// Lines of the log, with its frame: a fraction of the height, between these.
const LOG: [u16; 3] = [4, 4, 14];
/// A loss is drawn on a logarithmic axis if its largest value is this many times its smallest.
const WIDE: f64 = 50.0;

/// What the dashboard shows.
pub struct View {
    pub title: String,
    pub loss: Panel,
    pub metric: Panel,
    /// The fraction of the training that is done.
    pub done: Option<f64>,
    pub status: String,
    pub numbers: String,
    pub log: Vec<String>,
    pub stopping: bool,
}

/// A chart.
pub struct Panel {
    pub title: String,
    /// How a metric is shown; none of other numbers.
    pub scale: Option<Scale>,
    pub traces: Vec<Trace>,
}

/// A line of a chart.
pub struct Trace {
    pub split: Split,
    /// Steps and finite numbers.
    pub points: Vec<[f64; 2]>,
    pub last: Option<f64>,
}

impl Trace {
    /// Of these points `most` or fewer; each stands for its neighbours' lowest or highest.
    pub fn new(split: Split, points: &[[f64; 2]], most: usize) -> Self {
        let finite: Vec<[f64; 2]> = points.iter().copied().filter(|[x, y]| x.is_finite() && y.is_finite()).collect();
        let together = (2 * finite.len()).div_ceil(most.max(2)).max(1);
        let thinned = match together {
            1 | 2 => finite,
            _ => finite.chunks(together).flat_map(low_and_high).collect(),
        };
        Trace { split, points: thinned, last: points.last().map(|[_, y]| *y) }
    }

    fn colour(&self) -> Color {
        if self.split == Split::Train { Color::Cyan } else { Color::Yellow }
    }
}

fn low_and_high(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let by_height = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
    let both = [points.iter().min_by(by_height), points.iter().max_by(by_height)];
    let mut both: Vec<[f64; 2]> = both.into_iter().flatten().copied().collect();
    both.sort_by(|a, b| a[0].total_cmp(&b[0]));
    both
}

/// What a chart is called: `Balanced accuracy`, `Gradient norm`.
pub fn axis_title(name: &str) -> String {
    match name {
        "lr" => "Learning rate".into(),
        "grad_norm" => "Gradient norm".into(),
        _ => Metric::fraction(name, f64::NAN).heading(),
    }
}

/// Draws the dashboard over the whole frame, leaving out what has no room.
pub fn draw(frame: &mut Frame, view: &View) {
    let area = frame.area();
    let log = (area.height / LOG[0]).clamp(LOG[1], LOG[2]);
    const STATUS: u16 = 2;
    let fixed = 1 + STATUS + 1;
    let charts = area.height.saturating_sub(fixed + log);
    // Where little fits, what is said in words comes first.
    let (charts, log) = if charts >= CHART { (charts, log) } else { (0, area.height.saturating_sub(fixed)) };
    let rows = [1, charts, 1, 1, log, 1].map(Constraint::Length);
    let [title, charts, status, numbers, log, keys] = Layout::vertical(rows).areas(area);
    frame.render_widget(Line::from(fitted(&view.title, title.width)).bold(), title);
    if charts.height > 0 {
        draw_charts(frame, charts, view);
    }
    draw_status(frame, status, view);
    frame.render_widget(Line::from(fitted(&view.numbers, numbers.width)), numbers);
    draw_log(frame, log, view);
    let text = match view.stopping {
        true => "stopping after this step with a checkpoint; Ctrl-C again ends at once",
        false => "q or Ctrl-C stop safely   Tab ← → other curves",
    };
    frame.render_widget(Line::from(fitted(text, keys.width)).dim(), keys);
}

fn draw_status(frame: &mut Frame, area: Rect, view: &View) {
    let Some(done) = view.done else {
        return frame.render_widget(Line::from(fitted(&view.status, area.width)), area);
    };
    let label = format!("{}  {:>3.0}%", view.status, (100.0 * done).floor());
    let gauge = LineGauge::default().ratio(done).label(fitted(&label, area.width));
    let gauge = gauge.filled_symbol("█").unfilled_symbol("░").filled_style(Style::new().green());
    frame.render_widget(gauge, area);
}

fn draw_log(frame: &mut Frame, area: Rect, view: &View) {
    let framed = area.height > 3;
    let inside = if framed { area.height - 2 } else { area.height };
    let width = if framed { area.width.saturating_sub(2) } else { area.width };
    let first = view.log.len().saturating_sub(inside as usize);
    let lines: Vec<Line> = view.log[first..].iter().map(|line| Line::from(fitted(line, width))).collect();
    let log = Paragraph::new(lines);
    frame.render_widget(if framed { log.block(Block::bordered().title("Log")) } else { log }, area);
}

fn draw_charts(frame: &mut Frame, area: Rect, view: &View) {
    if area.width < TWO_CHARTS {
        let empty = view.metric.traces.iter().all(|trace| trace.points.is_empty());
        return draw_panel(frame, area, if empty { &view.loss } else { &view.metric });
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(1); 2]).areas(area);
    draw_panel(frame, left, &view.loss);
    draw_panel(frame, right, &view.metric);
}

/// The least and the largest, with the same number apart.
fn span(numbers: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return None;
    }
    let apart = if high > low { 0.0 } else { (low.abs() * 0.1).max(1e-6) };
    Some([low - apart, high + apart])
}

fn draw_panel(frame: &mut Frame, area: Rect, panel: &Panel) {
    let all = || panel.traces.iter().flat_map(|trace| &trace.points);
    let block = Block::bordered().title(heading(panel, area.width.saturating_sub(2)));
    let (Some(across), Some(up)) = (span(all().map(|p| p[0])), span(all().map(|p| p[1]))) else {
        return frame.render_widget(Paragraph::new("no numbers yet").dim().centered().block(block), area);
    };
    let is_log = panel.title == "Loss" && up[0] > 0.0 && up[1] > WIDE * up[0];
    let height = |y: f64| if is_log { y.log10() } else { y };
    let lines: Vec<Vec<(f64, f64)>> =
        panel.traces.iter().map(|trace| trace.points.iter().map(|&[x, y]| (x, height(y))).collect()).collect();
    let datasets = panel.traces.iter().zip(&lines).map(|(trace, points)| {
        let (marker, kind) = match points.len() {
            1 => (Marker::Dot, GraphType::Scatter),
            _ => (Marker::Braille, GraphType::Line),
        };
        Dataset::default().data(points).marker(marker).graph_type(kind).style(trace.colour())
    });
    let bounds = up.map(height);
    let middle = (bounds[0] + bounds[1]) / 2.0;
    let labels = [bounds[0], middle, bounds[1]].map(|y| number(if is_log { 10f64.powf(y) } else { y }, panel.scale));
    let steps = across.map(|x| x.max(0.0).round() as u64);
    let steps = [thousands(steps[0]), format!("step {}", thousands(steps[1]))];
    let chart = Chart::new(datasets.collect())
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().bounds(across).labels(steps).style(Style::new().dim()))
        .y_axis(Axis::default().bounds(bounds).labels(labels).style(Style::new().dim()));
    frame.render_widget(chart, area);
}

/// The panel's title, with the last number of each line in its colour.
fn heading(panel: &Panel, width: u16) -> Line<'static> {
    let mut spans = vec![Span::from(panel.title.clone()).bold()];
    let mut used = panel.title.width();
    for trace in &panel.traces {
        let Some(last) = trace.last else { continue };
        let text = format!("  {} {}", trace.split.adjective(), number(last, panel.scale));
        used += text.width();
        if used > width as usize {
            break;
        }
        spans.push(Span::from(text).fg(trace.colour()));
    }
    Line::from(spans)
}

/// A number of an axis.
fn number(y: f64, scale: Option<Scale>) -> String {
    match scale {
        _ if !y.is_finite() => "–".into(),
        Some(Scale::Fraction) => format!("{:.2}%", 100.0 * y),
        _ if y != 0.0 && !(0.001..10_000.0).contains(&y.abs()) => format!("{y:.1e}"),
        _ => format!("{y:.4}"),
    }
}

/// As much of a text as fits, with … where it is cut.
fn fitted(text: &str, width: u16) -> String {
    let width = width as usize;
    if text.width() <= width {
        return text.to_string();
    }
    let mut out = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        out.push(c);
    }
    if width == 0 { String::new() } else { out + "…" }
}
