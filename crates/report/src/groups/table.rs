//! A table that says of images which group they belong to.

use std::collections::BTreeMap;
use std::path::Path;
use striate_imaging::shown;

/// Columns of the images, in the order in which they are looked for.
const NAMES: [&str; 6] = ["path", "image", "file", "filename", "file_name", "name"];

/// The field of `column` of each image of these names; none where the table has none.
pub(super) fn values(path: &Path, column: &str, names: &[&str]) -> Result<Vec<Option<String>>, String> {
    let failed = |e: csv::Error| e.to_string();
    let mut table = csv::ReaderBuilder::new().flexible(true).from_path(path).map_err(failed)?;
    let header = table.headers().map_err(failed)?.clone();
    let place = |name: &str| header.iter().position(|h| h.trim().eq_ignore_ascii_case(name));
    let columns = || header.iter().map(shown).collect::<Vec<_>>().join(", ");
    let value = place(column).ok_or_else(|| format!("no column '{}': the columns are {}", shown(column), columns()))?;
    let image = NAMES.iter().find_map(|name| place(name)).filter(|image| *image != value);
    let image = image.ok_or_else(|| format!("no column 'path' of images: the columns are {}", columns()))?;
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for (i, record) in table.records().enumerate() {
        let record = record.map_err(failed)?;
        let name = record.get(image).unwrap_or("").trim().replace('\\', "/");
        let row = Row { value: record.get(value).unwrap_or("").trim().to_string(), line: i + 2, name };
        rows.entry(last(&row.name).to_string()).or_default().push(row);
    }
    if rows.is_empty() {
        return Err("it has no rows".into());
    }
    let values = names.iter().map(|name| of_image(name, rows.get(last(name)).map_or(&[], Vec::as_slice)));
    let found = values.collect::<Result<Vec<Option<&Row>>, String>>()?;
    if found.iter().all(Option::is_none) {
        let first = rows.values().flatten().min_by_key(|row| row.line).map_or(String::new(), |row| row.name.clone());
        let name = names.first().copied().unwrap_or("");
        return Err(format!(
            "it names none of the images: '{}' is none of those such as '{}'",
            shown(first),
            shown(name)
        ));
    }
    let value = |row: Option<&Row>| row.map(|row| row.value.clone()).filter(|value| !value.is_empty());
    Ok(found.into_iter().map(value).collect())
}

struct Row {
    name: String,
    value: String,
    line: usize,
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The row of an image among those of its file name: that of its whole name, else those whose path ends as its own.
fn of_image<'a>(name: &str, rows: &'a [Row]) -> Result<Option<&'a Row>, String> {
    let whole = |row: &&Row| row.name == name;
    let ends =
        |long: &str, short: &str| long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'));
    let either = |row: &&Row| ends(&row.name, name) || ends(name, &row.name);
    let of = |is: &dyn Fn(&&Row) -> bool| rows.iter().filter(is).collect::<Vec<_>>();
    let found = Some(of(&whole)).filter(|found| !found.is_empty()).unwrap_or_else(|| of(&either));
    match found.iter().find(|row| row.value != found[0].value) {
        Some(other) => Err(format!(
            "lines {} and {} say two things of '{}': '{}' and '{}'",
            found[0].line,
            other.line,
            shown(name),
            shown(&found[0].value),
            shown(&other.value)
        )),
        None => Ok(found.first().copied()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: &str, names: &[&str]) -> Result<Vec<Option<String>>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sites.csv");
        std::fs::write(&path, table).unwrap();
        values(&path, "site", names)
    }

    #[test]
    fn images_are_known_by_the_ends_of_their_paths() {
        let named = |v: &str| Some(v.to_string());
        let table = "Site,path\nA,/data/x/1.jpg\nB,2.jpg\n,3.jpg\nC,other/5.jpg\n";
        assert_eq!(
            of(table, &["x/1.jpg", "x/2.jpg", "x/3.jpg", "x/4.jpg", "x/5.jpg"]),
            Ok(vec![named("A"), named("B"), None, None, None])
        );
        // The whole name comes before an end, and lines that agree are one.
        let table = "file,site\n1.jpg,A\na/1.jpg,B\na/1.jpg,B\n";
        assert_eq!(of(table, &["1.jpg", "a/1.jpg"]), Ok(vec![named("A"), named("B")]));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (table, part) in [
            ("path,place\n1.jpg,A\n", "no column 'site': the columns are path, place"),
            ("id,site\n1.jpg,A\n", "no column 'path' of images"),
            ("path,site\n7.jpg,A\n", "'7.jpg' is none of those such as '1.jpg'"),
            ("path,site\n1.jpg,A\nx/1.jpg,B\n", "lines 2 and 3 say two things of 'y/x/1.jpg': 'A' and 'B'"),
            ("path,site\n", "it has no rows"),
            ("", "no column"),
        ] {
            let names: &[&str] = if part.starts_with("lines") { &["y/x/1.jpg"] } else { &["1.jpg"] };
            let error = of(table, names).unwrap_err();
            assert!(error.contains(part), "{table:?}: {error}");
        }
        assert!(values(Path::new("no/such.csv"), "site", &[]).is_err());
    }
}
