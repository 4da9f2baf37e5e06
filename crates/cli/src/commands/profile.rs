use crate::output::{Failure, say, thousands};
use crate::table::Table;
use std::time::Duration;
use striate::profile::Profile;

/// Ops that take a smaller fraction of the time are summed up.
const WORTH_A_ROW: f64 = 0.002;

/// Says where the time of a training run went.
pub fn print(profile: &Profile) -> Result<(), Failure> {
    let total: Duration = profile.phases.iter().map(|p| p.1).sum();
    let fraction = |time: Duration| time.as_secs_f64() / total.as_secs_f64().max(f64::MIN_POSITIVE);
    let cells = |time: Duration| [format!("{:.3}", time.as_secs_f64()), format!("{:.1}%", 100.0 * fraction(time))];
    let mut table = Table::new(&["phase", "seconds", "fraction"]);
    for (name, time) in &profile.phases {
        table.row([name.to_string()].into_iter().chain(cells(*time)).collect());
    }
    say(format_args!("\nWhere {:.1} s went:\n{table}", total.as_secs_f64()))?;

    let mut table = Table::new(&["op", "phase", "calls", "seconds", "fraction", "ms a call"]);
    let mut row = |op: &str, phase: &str, calls: u64, time: Duration| {
        let (number, each) = match calls {
            0 => Default::default(),
            n => (thousands(n), format!("{:.3}", time.as_secs_f64() * 1e3 / n as f64)),
        };
        let [seconds, percentage] = cells(time);
        table.row(vec![op.into(), phase.into(), number, seconds, percentage, each]);
    };
    let (worth, small): (Vec<_>, Vec<_>) = profile.ops.iter().partition(|op| fraction(op.time) >= WORTH_A_ROW);
    for op in worth {
        row(op.op, op.phase, op.calls, op.time);
    }
    let small_time = small.iter().map(|op| op.time).sum();
    row("smaller ops", "", small.iter().map(|op| op.calls).sum(), small_time);
    row("outside of ops", "", 0, total.saturating_sub(profile.ops.iter().map(|op| op.time).sum()));
    say(format_args!("\n{table}"))
}

/// The same as one JSON object.
pub fn print_json(profile: &Profile) -> Result<(), Failure> {
    let seconds = |time: Duration| time.as_secs_f64();
    let phases: serde_json::Map<_, _> =
        profile.phases.iter().map(|(name, time)| (name.to_string(), seconds(*time).into())).collect();
    let ops: Vec<_> = profile
        .ops
        .iter()
        .map(|op| serde_json::json!({ "op": op.op, "phase": op.phase, "calls": op.calls, "seconds": seconds(op.time) }))
        .collect();
    say(serde_json::json!({ "event": "profile", "phases": phases, "ops": ops }))
}
