//! The table of answers that a cross-validation writes.

use super::LabelledProbabilities;
use std::path::{Path, PathBuf};

/// What stands before the classes.
const COLUMNS: [&str; 4] = ["image", "fold", "target", "answer"];

/// Why a table of answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is something else.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// The probabilities of a table of answers of a classification, such as a cross-validation's `predictions.csv`: columns `image`, `fold`, `target`, `answer` and one for
/// each class. Each image is answered by the model of the fold that held it out.
///
/// # Errors
/// If it cannot be read, is no such table, or has a target that is none of the classes, as of other tasks.
pub fn read_predictions(path: &Path) -> Result<LabelledProbabilities, PredictionsError> {
    let unusable = |reason: String| PredictionsError::Unusable { path: path.to_path_buf(), reason };
    let failed = |e: csv::Error| match e.kind() {
        csv::ErrorKind::Io(_) => PredictionsError::Read { path: path.to_path_buf(), reason: e.to_string() },
        _ => unusable(e.to_string()),
    };
    let mut table = csv::Reader::from_path(path).map_err(failed)?;
    let header = table.headers().map_err(failed)?.clone();
    if header.len() <= COLUMNS.len() || !header.iter().zip(COLUMNS).all(|(found, wanted)| found == wanted) {
        let wanted = COLUMNS.join(", ");
        return Err(unusable(format!(
            "no table of answers: its first columns should be {wanted} and then the classes"
        )));
    }
    let classes: Vec<String> = header.iter().skip(COLUMNS.len()).map(String::from).collect();
    let mut given = LabelledProbabilities { classes, ..LabelledProbabilities::default() };
    for (i, row) in table.records().enumerate() {
        let (row, line) = (row.map_err(failed)?, i + 2);
        let target = &row[2];
        let Some(label) = given.classes.iter().position(|class| class == target) else {
            return Err(unusable(format!(
                "line {line}: the target '{target}' is none of the classes; labels are checked of one class for each image"
            )));
        };
        for cell in row.iter().skip(COLUMNS.len()) {
            match cell.parse::<f64>() {
                Ok(p) if (0.0..=1.0 + 1e-6).contains(&p) => given.probabilities.push(p),
                _ => return Err(unusable(format!("line {line}: '{cell}' is no probability"))),
            }
        }
        given.labels.push(label);
        given.names.push(row[0].to_string());
    }
    if given.labels.is_empty() {
        return Err(unusable("it has no images".into()));
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(text: &str) -> Result<LabelledProbabilities, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("predictions.csv");
        fs::write(&path, text).unwrap();
        read_predictions(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn a_table_is_read() {
        let given =
            read("image,fold,target,answer,cat,\"a, b\"\n1.png,1,cat,cat,0.75,0.25\n2.png,2,\"a, b\",cat,0.6,0.4\n")
                .unwrap();
        assert_eq!(
            (&given.labels[..], given.classes[1].as_str(), given.names[1].as_str()),
            (&[0, 1][..], "a, b", "2.png")
        );
        assert_eq!(given.probabilities, [0.75, 0.25, 0.6, 0.4]);
    }

    #[test]
    fn what_is_none_is_said() {
        for (text, part) in [
            ("", "no table of answers"),
            ("image,fold,target,answer\n", "no table of answers"),
            ("a,b,c,d,e\n", "no table of answers"),
            ("image,fold,target,answer,cat\n", "no images"),
            ("image,fold,target,answer,cat,dog\n1,1,cat;dog,cat,0.5,0.5\n", "line 2: the target 'cat;dog'"),
            ("image,fold,target,answer,cat\n1,1,cat,cat,NaN\n", "line 2: 'NaN'"),
            ("image,fold,target,answer,cat\n1,1,cat,cat,17\n", "line 2: '17'"),
            ("image,fold,target,answer,cat\n1,1,cat\n", "predictions.csv"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part) && error.contains("predictions.csv"), "{text:?}: {error}");
        }
        assert!(
            read_predictions(Path::new("no/such.csv")).unwrap_err().to_string().starts_with("cannot read no/such.csv")
        );
    }
}
