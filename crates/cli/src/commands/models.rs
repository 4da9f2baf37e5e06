use crate::args::Models;
use crate::output::{Failure, say};
use std::process::ExitCode;
use striate::zoo::ARCHITECTURES;

pub fn run(args: Models) -> Result<ExitCode, Failure> {
    if args.json {
        for a in ARCHITECTURES {
            say(serde_json::json!({"name": a.name, "about": a.about, "input": a.input, "min_size": a.min_size}))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let line = |name: &str, input: &str, smallest: &str, about: &str| {
        say(format_args!("{name:21} {input:11} {smallest:9} {about}"))
    };
    line("name", "input", "smallest", "what it is")?;
    for a in ARCHITECTURES {
        let [channels, height, width] = a.input;
        let smallest = a.min_size.map_or_else(String::new, |side| format!("{side}×{side}"));
        line(a.name, &format!("{channels}×{height}×{width}"), &smallest, a.about)?;
    }
    say("Parameters, multiply-adds and layers of one: striate inspect NAME")?;
    Ok(ExitCode::SUCCESS)
}
