//! The little of YAML that YOLO's `data.yaml` is written in: keys with texts, lists and maps of texts. Anchors and aliases are refused.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Text(String),
    List(Vec<String>),
    Map(Vec<(String, String)>),
}

/// The keys of the outermost map with their values. What is nested deeper is left out.
pub fn parse(text: &str) -> Result<Vec<(String, Yaml)>, String> {
    let mut all = Vec::<(String, Yaml)>::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        let bad = |what: &str| format!("line {}: {what}", number + 1);
        let content = without_comment(line);
        let content = content.trim_end();
        if content.is_empty() || content == "---" || content.starts_with('%') {
            continue;
        }
        if content == "..." {
            break;
        }
        if content.starts_with([' ', '\t']) {
            // Part of a value that is nested deeper.
            continue;
        }
        let (key, rest) = pair(content).ok_or_else(|| bad("it must be 'key: value'"))?;
        if all.iter().any(|(other, _)| *other == key) {
            return Err(bad("the key stands there before"));
        }
        let mut rest = rest.trim().to_string();
        if rest.starts_with(['&', '*']) {
            return Err(bad("anchors and aliases are not read: write the value out"));
        }
        if rest.starts_with(['[', '{']) {
            // A list in brackets may go on over several lines.
            while depth(&rest) > 0 {
                let Some((_, next)) = lines.next() else { return Err(bad("a bracket is never closed")) };
                rest.push(' ');
                rest.push_str(without_comment(next).trim());
            }
            all.push((key, flow(&rest).ok_or_else(|| bad("its brackets are not those of a list or map of texts"))?));
            continue;
        }
        if !rest.is_empty() {
            all.push((key, Yaml::Text(unquoted(&rest))));
            continue;
        }
        let (mut list, mut map, mut indent) = (Vec::new(), Vec::new(), None);
        while let Some((_, line)) = lines.peek() {
            let content = without_comment(line);
            let own = content.len() - content.trim_start().len();
            let text = content.trim();
            if !text.is_empty() {
                if own == 0 && !text.starts_with("- ") {
                    break;
                }
                if *indent.get_or_insert(own) == own {
                    match text.strip_prefix('-') {
                        Some(item) => list.push(unquoted(item.trim())),
                        None => map.extend(pair(text).map(|(key, value)| (key, unquoted(value.trim())))),
                    }
                }
            }
            lines.next();
        }
        all.push((key, if list.is_empty() { Yaml::Map(map) } else { Yaml::List(list) }));
    }
    Ok(all)
}

/// A line up to a `#` that stands outside quotes after a space.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before.is_whitespace() => return &line[..at],
            (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line
}

fn pair(text: &str) -> Option<(String, &str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = text[1..].find(quote)? + 1;
        let rest = text[end + 1..].trim_start().strip_prefix(':')?;
        return Some((text[1..end].to_string(), rest));
    }
    let at = text
        .match_indices(':')
        .map(|(at, _)| at)
        .find(|at| text[at + 1..].is_empty() || text[at + 1..].starts_with(' '))?;
    Some((text[..at].trim().to_string(), &text[at + 1..]))
}

fn unquoted(text: &str) -> String {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote)).filter(|_| text.len() > 1);
    match (inner('\''), inner('"')) {
        (Some(text), _) => text.replace("''", "'"),
        (_, Some(text)) => text.replace("\\\"", "\"").replace("\\\\", "\\"),
        _ => text.to_string(),
    }
}

/// How many brackets are open at the end of a text.
fn depth(text: &str) -> i64 {
    let (mut depth, mut quote) = (0, None);
    for c in text.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            _ => {}
        }
    }
    if quote.is_some() { depth.max(1) } else { depth }
}

/// A list or a map in brackets.
fn flow(text: &str) -> Option<Yaml> {
    let (inner, is_map) = match text.strip_prefix('[') {
        Some(rest) => (rest.strip_suffix(']')?, false),
        None => (text.strip_prefix('{')?.strip_suffix('}')?, true),
    };
    let (mut items, mut quote, mut start) = (Vec::new(), None, 0);
    for (at, c) in inner.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '[' | '{' | ']' | '}') => return None,
            (None, ',') => {
                items.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(inner[start..].trim());
    items.retain(|item| !item.is_empty());
    if !is_map {
        return Some(Yaml::List(items.into_iter().map(unquoted).collect()));
    }
    let pairs = items.into_iter().map(|item| pair(item).map(|(key, value)| (key, unquoted(value.trim()))));
    pairs.collect::<Option<_>>().map(Yaml::Map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_yolo_has() {
        let texts = |list: &[&str]| Yaml::List(list.iter().map(|t| t.to_string()).collect());
        let get = |text: &str, key: &str| parse(text).unwrap().into_iter().find(|(k, _)| k == key).unwrap().1;
        let file = "# a comment\npath: ../data # root\ntrain: images/train\nval:\n  - a\n  - 'b # c'\n\nnc: 2\nnames: ['it''s', \"b, c\"]\n";
        assert_eq!(get(file, "path"), Yaml::Text("../data".into()));
        assert_eq!(get(file, "val"), texts(&["a", "b # c"]));
        assert_eq!(get(file, "names"), texts(&["it's", "b, c"]));
        let map = Yaml::Map(vec![("0".into(), "person".into()), ("1".into(), "traffic light".into())]);
        assert_eq!(
            get("names:\n  0: person\n  1: traffic light\ndownload: |\n  from x import y\n  z: 1\n", "names"),
            map
        );
        assert_eq!(get("names: {0: person, 1: 'traffic light'}", "names"), map);
        assert_eq!(get("names: [a,\n  b,  # two\n  c]\nnc: 3", "names"), texts(&["a", "b", "c"]));
        assert_eq!(get("names:\n- a\n- b\nnc: 2", "names"), texts(&["a", "b"]));
        for bad in ["names: [a, b", "names: [[a], b]", "a\n", "names: *x", "a: 1\na: 2"] {
            assert!(parse(bad).unwrap_err().starts_with("line "), "{bad}");
        }
    }
}
