//! Axes: which values they span, and where they have ticks.

/// What the numbers of an axis are.
#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    /// Any numbers.
    Number,
    /// Whole numbers, such as epochs.
    Whole,
    /// Fractions from 0 to 1, shown as percentages.
    Percent,
}

/// An axis that spans some values.
#[derive(Clone, Copy)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    unit: Unit,
}

/// Beyond this a number is not drawn, so that differences stay finite.
const LARGEST: f64 = 1e100;
/// The ratio of the largest value to the smallest from which on a logarithmic axis shows more.
const WIDE: f64 = 50.0;
/// Round steps that are almost as long as wanted are taken.
const ALMOST: f64 = 0.8;
/// The fraction of the span that stays free at both ends.
const MARGIN: f64 = 0.04;

/// Whether a number is drawn.
pub fn is_drawn(x: f64) -> bool {
    x.abs() <= LARGEST
}

impl Axis {
    /// From `low` to `high`.
    pub fn new(low: f64, high: f64, unit: Unit) -> Self {
        Axis { low, high, log: false, unit }
    }

    /// Spans the values that are drawn, end to end.
    pub fn spanning(values: impl Iterator<Item = f64>, unit: Unit) -> Self {
        let (low, high) = values
            .filter(|&x| is_drawn(x))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        if low > high {
            return Axis::new(0.0, 1.0, unit);
        }
        // Values that are nearly equal are shown as equal.
        let largest = high.abs().max(low.abs());
        let least = (largest * 1e-6).max(if unit == Unit::Whole { 1.0 } else { 1e-12 });
        if high - low >= least {
            return Axis::new(low, high, unit);
        }
        let half = (largest * 0.1).max(least);
        Axis::new(low - half, high + half, unit)
    }

    /// With room at both ends. Fractions stay fractions.
    pub fn with_margin(self) -> Self {
        if self.log {
            let margin = (self.high / self.low).powf(MARGIN);
            return Axis { low: self.low / margin, high: self.high * margin, ..self };
        }
        let margin = (self.high - self.low) * MARGIN;
        let (low, high) = (self.low - margin, self.high + margin);
        let fraction = self.unit == Unit::Percent;
        let low = if fraction && self.low >= 0.0 { low.max(0.0) } else { low };
        let high = if fraction && self.high <= 1.0 { high.min(1.0) } else { high };
        Axis { low, high, ..self }
    }

    /// Logarithmic, if all values are positive and far apart.
    pub fn log_if_wide(self) -> Self {
        Axis { log: self.low > 0.0 && self.high / self.low > WIDE, ..self }
    }

    /// Logarithmic, if all values are positive.
    pub fn log(self) -> Self {
        Axis { log: self.low > 0.0, ..self }
    }

    /// Whether it is logarithmic.
    pub fn is_log(&self) -> bool {
        self.log
    }

    /// The lowest and the highest value.
    pub fn ends(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// Where a value is: 0 at the low end, 1 at the high end.
    pub fn at(&self, x: f64) -> f64 {
        if self.log {
            return (x / self.low).ln() / (self.high / self.low).ln();
        }
        (x - self.low) / (self.high - self.low)
    }

    /// Values with their labels, about as many as `wanted`.
    pub fn ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        if self.log { self.log_ticks(wanted) } else { self.linear_ticks(wanted) }
    }

    fn linear_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let rough = (self.high - self.low) / wanted as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&s| s >= ALMOST * rough).unwrap_or(rough);
        let step = if self.unit == Unit::Whole { step.max(1.0) } else { step };
        let first = (self.low / step - 1e-9).ceil();
        let ticks = (0..=2 * wanted).map(|i| (first + i as f64) * step);
        ticks
            .take_while(|&x| x <= self.high + 1e-9 * step)
            .map(|x| (x, self.label(if x.abs() < step / 2.0 { 0.0 } else { x }, step)))
            .collect()
    }

    fn log_ticks(&self, wanted: usize) -> Vec<(f64, String)> {
        let (low, high) = (self.low.log10(), self.high.log10());
        let every = ((high - low) / wanted as f64).ceil().max(1.0);
        let mantissas: &[f64] = if high - low < wanted as f64 / 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = (low / every).floor() * every;
        let powers = (0..=2 * wanted).map(|i| first + i as f64 * every).take_while(|&p| p <= high);
        let ticks = powers.flat_map(|power| mantissas.iter().map(move |m| m * 10f64.powf(power)));
        let inside = |x: &f64| (self.low * (1.0 - 1e-9)..=self.high * (1.0 + 1e-9)).contains(x);
        ticks.filter(inside).map(|x| (x, label_alone(x))).collect()
    }

    /// The label of a tick that is `step` from the next.
    fn label(&self, x: f64, step: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        let (scale, suffix) = match self.unit {
            Unit::Percent => (0.01, "%"),
            _ if !(1e-4..1e12).contains(&largest) => return exponent(x, step),
            _ if largest >= 1e9 => (1e9, "G"),
            _ if largest >= 1e6 => (1e6, "M"),
            _ if largest >= 1e4 => (1e3, "k"),
            _ => (1.0, ""),
        };
        let decimals = (-(step / scale * 1.001).log10().floor()).clamp(0.0, 8.0) as usize;
        if x == 0.0 && scale > 1.0 {
            return "0".into();
        }
        format!("{:.decimals$}{suffix}", x / scale).replace('-', "\u{2212}")
    }
}

/// A number with as many digits as tell ticks apart.
fn exponent(x: f64, step: f64) -> String {
    if x == 0.0 {
        return "0".into();
    }
    let power = |x: f64| (x * 1.001).log10().floor();
    let digits = (power(x.abs()) - power(step)).clamp(0.0, 6.0) as usize;
    format!("{x:.digits$e}").replace('-', "\u{2212}")
}

/// A number of one digit.
fn label_alone(x: f64) -> String {
    match x {
        _ if (0.999e-3..0.999e4).contains(&x) => format!("{}", (x * 1e6).round() / 1e6),
        _ => format!("{x:.0e}").replace('-', "\u{2212}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> String {
        axis.ticks(5).into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_numbers() {
        for (low, high, unit, expected) in [
            (0.0, 1.0, Unit::Percent, "0% 20% 40% 60% 80% 100%"),
            (0.981, 0.9935, Unit::Percent, "98.5% 99.0%"),
            (-0.3, 0.31, Unit::Number, "−0.3 −0.2 −0.1 0.0 0.1 0.2 0.3"),
            (1.0, 3.0, Unit::Whole, "1 2 3"),
            (0.0, 93_750.0, Unit::Whole, "0 20k 40k 60k 80k"),
            (0.0, 2_500_000.0, Unit::Whole, "0 0.5M 1.0M 1.5M 2.0M 2.5M"),
            (0.0, 3e-7, Unit::Number, "0 5e−8 1.0e−7 1.5e−7 2.0e−7 2.5e−7 3.0e−7"),
            (-2e20, 3e20, Unit::Number, "−2e20 −1e20 0 1e20 2e20 3e20"),
        ] {
            assert_eq!(labels(Axis::new(low, high, unit)), expected);
        }
        let wide = |low, high| labels(Axis::new(low, high, Unit::Number).log_if_wide());
        assert_eq!(wide(0.02, 2.0), "0.02 0.05 0.1 0.2 0.5 1 2");
        assert_eq!(wide(1e-6, 1e3), "1e−6 1e−4 0.01 1 100");
        assert_eq!(wide(1e-30, 1e30).split(' ').count(), 5);
    }

    #[test]
    fn any_values_make_an_axis() {
        let cases: [&[f64]; 8] = [
            &[],
            &[f64::NAN, f64::INFINITY],
            &[3.0],
            &[0.0, 0.0],
            &[-1e99, 1e99],
            &[1e30, 1e30 + 1.0],
            &[5e-324, 1e-320],
            &[1.0, 1.0 + 1e-15],
        ];
        for values in cases {
            for unit in [Unit::Number, Unit::Whole, Unit::Percent] {
                let axis = Axis::spanning(values.iter().copied(), unit).log_if_wide().with_margin();
                let ticks = axis.ticks(5);
                assert!((1..=11).contains(&ticks.len()), "{values:?}: {ticks:?}");
                for &x in values.iter().filter(|&&x| is_drawn(x)) {
                    assert!((-0.01..=1.01).contains(&axis.at(x)), "{values:?}: {x} {:?}", axis.ends());
                }
            }
        }
    }
}
