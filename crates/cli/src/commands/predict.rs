use crate::args::Predict;
use crate::output::{Failure, complain, say};
use std::process::ExitCode;
use striate::data::decode_image;
use striate::train::Model;

/// How many of the likeliest classes JSON lists.
const TOP: usize = 3;

pub fn run(args: Predict) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let model = Model::load(&args.model)?;
    let mut failed = false;
    for path in &args.images {
        let image = match decode_image(path, &model.card.preprocessing.decoding()) {
            Ok(image) => image,
            Err(e) => {
                complain(&e.to_string());
                failed = true;
                continue;
            }
        };
        let (x, prepared) = model.card.preprocessing.apply_image(&image);
        let probabilities = model.probabilities(x).to_vec::<f32>();
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
        let name = |c: usize| &model.card.classes[c];
        if args.json {
            let top: Vec<_> = order
                .iter()
                .take(TOP)
                .map(|&c| serde_json::json!({"class": name(c), "probability": probabilities[c]}))
                .collect();
            say(serde_json::json!({
                "image": path,
                "class": name(order[0]),
                "probability": probabilities[order[0]],
                "top": top,
                "inverted": prepared.inverted,
            }))?;
            continue;
        }
        let mut line = format!("{}: {} ({:.1}%)", path.display(), name(order[0]), 100.0 * probabilities[order[0]]);
        if let Some(&second) = order.get(1) {
            line += &format!(", next {} ({:.1}%)", name(second), 100.0 * probabilities[second]);
        }
        if model.card.preprocessing.channels == 1 && model.card.preprocessing.light_on_dark {
            line += if prepared.inverted { "; dark on light, so inverted" } else { "; light on dark" };
        }
        say(line)?;
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
