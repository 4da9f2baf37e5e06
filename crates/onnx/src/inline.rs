//! A file's own functions, put in the place of the nodes that call them.

use crate::error::{Fault, OnnxError};
use crate::import::DOMAINS;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto};
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use striate_formats::shown;

/// The most nodes of functions, calls among them: each function may call the one before it twice.
const MOST_NODES: usize = 1 << 16;
/// The most bytes of these nodes.
const MOST_BYTES: usize = 1 << 26;
/// How deep functions, and graphs in them, may lie in one another.
const MOST_DEPTH: usize = 64;

/// Domain, name and overload.
type Key = (String, String, String);

fn domain(name: &str) -> &str {
    if DOMAINS.contains(&name) { "" } else { name }
}

fn key_of_call(node: &NodeProto) -> Key {
    (domain(node.domain()).into(), node.op_type().into(), node.overload().into())
}

/// Puts the nodes of functions where they are called. Values and nodes of a call have its name before theirs.
///
/// # Errors
/// If functions call each other in a circle, become too many nodes, or use other versions of operators than the file.
pub(crate) fn inline(model: &mut ModelProto, opset: i64, path: &Path) -> Result<(), OnnxError> {
    let functions = std::mem::take(&mut model.functions);
    let Some(graph) = model.graph.as_mut() else { return Ok(()) };
    if functions.is_empty() {
        return Ok(());
    }
    let mut by_key = HashMap::new();
    for f in &functions {
        let key = (domain(f.domain()).into(), f.name().into(), f.overload().into());
        if by_key.insert(key, f).is_some() {
            let reason = format!("two functions are called '{}'", shown(f.name()));
            return Err(OnnxError::File { path: path.into(), reason });
        }
    }
    let mut names = HashSet::new();
    names_of(graph, &mut names);
    let mut inliner = Inliner { functions: by_key, opset, names, nodes: 0, bytes: 0, calls: 0, open: Vec::new() };
    let mut done = Vec::new();
    for node in std::mem::take(&mut graph.node) {
        let place = OnnxError::at_node(path, &node);
        inliner.expand(node, &mut done, 0).map_err(place)?;
    }
    graph.node = done;
    Ok(())
}

/// The names of all values of a graph and of the graphs in it.
fn names_of(graph: &GraphProto, names: &mut HashSet<String>) {
    names.extend(graph.initializer.iter().map(|t| t.name().to_string()));
    names.extend(graph.input.iter().chain(&graph.output).map(|v| v.name().to_string()));
    for node in &graph.node {
        names.extend(node.input.iter().chain(&node.output).cloned());
        graphs(node).for_each(|g| names_of(g, names));
    }
}

fn graphs(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs))
}

struct Inliner<'a> {
    functions: HashMap<Key, &'a FunctionProto>,
    opset: i64,
    names: HashSet<String>,
    nodes: usize,
    bytes: usize,
    calls: usize,
    /// The functions that are being put in, the outermost first.
    open: Vec<Key>,
}

/// What the names and attributes of one call are.
struct Call<'a> {
    prefix: String,
    values: HashMap<String, String>,
    attributes: HashMap<&'a str, &'a AttributeProto>,
}

impl<'a> Inliner<'a> {
    /// Adds a node to `out`, or what the function that it calls consists of.
    fn expand(&mut self, mut node: NodeProto, out: &mut Vec<NodeProto>, depth: usize) -> Result<(), Fault> {
        let key = key_of_call(&node);
        if let Some(&function) = self.functions.get(&key) {
            return self.call(&node, key, function, out, depth);
        }
        for a in &mut node.attribute {
            for graph in a.g.iter_mut().chain(&mut a.graphs) {
                check_depth(depth)?;
                let mut inside = Vec::new();
                for node in std::mem::take(&mut graph.node) {
                    self.expand(node, &mut inside, depth + 1)?;
                }
                graph.node = inside;
            }
        }
        out.push(node);
        Ok(())
    }

    fn call(
        &mut self,
        node: &NodeProto,
        key: Key,
        function: &'a FunctionProto,
        out: &mut Vec<NodeProto>,
        depth: usize,
    ) -> Result<(), Fault> {
        let name = shown(function.name());
        check_depth(depth)?;
        if self.open.contains(&key) {
            return Err(Fault::new(format!("function '{name}' calls itself")));
        }
        let version = function.opset_import.iter().find(|o| DOMAINS.contains(&o.domain())).map(|o| o.version());
        if let Some(version) = version.filter(|&v| v != self.opset) {
            return Err(Fault::new(format!("function '{name}' uses opset {version}, but the file {}", self.opset)));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return Err(Fault::new(format!(
                "function '{name}' takes {} and gives {} values, not {} and {}",
                function.input.len(),
                function.output.len(),
                node.input.len(),
                node.output.len()
            )));
        }
        self.open.push(key);
        let lists = [function.input.len(), function.output.len(), function.attribute.len(), node.attribute.len()];
        self.count(lists.iter().sum::<usize>() * size_of::<String>())?;
        let mut call = self.prepare(node, function);
        for inner in &function.node {
            let inner = self.instance(inner, &mut call)?;
            self.expand(inner, out, depth + 1)?;
        }
        self.open.pop();
        // A function may give back what it takes.
        for (i, given) in function.output.iter().enumerate().filter(|(_, name)| function.input.contains(name)) {
            let wanted = node.output.get(i).filter(|name| !name.is_empty());
            let (Some(from), Some(wanted)) = (call.values.get(given), wanted) else { continue };
            let identity = NodeProto {
                input: vec![from.clone()],
                output: vec![wanted.clone()],
                op_type: Some("Identity".into()),
                ..NodeProto::default()
            };
            out.push(identity);
        }
        Ok(())
    }

    /// The values that a call gives to a function and takes from it, under the function's names, and its attributes.
    fn prepare<'n>(&mut self, node: &'n NodeProto, function: &'n FunctionProto) -> Call<'n> {
        self.calls += 1;
        let label = Some(node.name()).filter(|name| !name.is_empty()).unwrap_or(function.name());
        let mut values = HashMap::new();
        let outputs = function.output.iter().zip(&node.output).filter(|(name, _)| !function.input.contains(name));
        values.extend(outputs.filter(|(_, outer)| !outer.is_empty()).map(|(a, b)| (a.clone(), b.clone())));
        let missing = std::iter::repeat(String::new());
        values.extend(function.input.iter().cloned().zip(node.input.iter().cloned().chain(missing)));
        let mut attributes: HashMap<&str, &AttributeProto> =
            function.attribute_proto.iter().map(|a| (a.name(), a)).collect();
        let names: HashSet<&str> =
            function.attribute.iter().map(String::as_str).chain(attributes.keys().copied()).collect();
        attributes.extend(node.attribute.iter().map(|a| (a.name(), a)).filter(|(name, _)| names.contains(name)));
        Call { prefix: label.to_string(), values, attributes }
    }

    /// A node of a function as this call has it.
    fn instance(&mut self, node: &NodeProto, call: &mut Call) -> Result<NodeProto, Fault> {
        let mut node = node.clone();
        if let Some(name) = node.name.as_mut().filter(|name| !name.is_empty()) {
            *name = format!("{}/{name}", call.prefix);
        }
        for name in node.input.iter_mut().chain(&mut node.output) {
            self.rename(name, call);
        }
        let mut attributes = Vec::with_capacity(node.attribute.len());
        for mut a in node.attribute {
            if a.ref_attr_name().is_empty() {
                for graph in a.g.iter_mut().chain(&mut a.graphs) {
                    self.rename_graph(graph, call)?;
                }
                attributes.push(a);
            } else if let Some(given) = call.attributes.get(a.ref_attr_name()) {
                // Without it the operator's own default holds.
                attributes.push(AttributeProto { name: a.name, ..(*given).clone() });
            }
        }
        node.attribute = attributes;
        self.count(node.encoded_len())?;
        Ok(node)
    }

    fn rename_graph(&mut self, graph: &mut GraphProto, call: &mut Call) -> Result<(), Fault> {
        for name in graph.initializer.iter_mut().filter_map(|t| t.name.as_mut()) {
            self.rename(name, call);
        }
        for name in graph.input.iter_mut().chain(&mut graph.output).filter_map(|v| v.name.as_mut()) {
            self.rename(name, call);
        }
        for node in &mut graph.node {
            *node = self.instance(node, call)?;
        }
        Ok(())
    }

    /// The name of a function's value in this call; the empty one means none.
    fn rename(&mut self, name: &mut String, call: &mut Call) {
        if name.is_empty() {
            return;
        }
        if let Some(outer) = call.values.get(name) {
            name.clone_from(outer);
            return;
        }
        let mut fresh = format!("{}/{name}", call.prefix);
        if self.names.contains(&fresh) {
            fresh = format!("{}.{}/{name}", call.prefix, self.calls);
        }
        while !self.names.insert(fresh.clone()) {
            fresh.push('_');
        }
        call.values.insert(std::mem::replace(name, fresh.clone()), fresh);
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.nodes += 1;
        self.bytes += bytes;
        if self.nodes > MOST_NODES || self.bytes > MOST_BYTES {
            let names: Vec<String> =
                self.open.iter().take(3).map(|(_, name, _)| format!("'{}'", shown(name))).collect();
            return Err(Fault::new(format!(
                "functions that call each other ({}) become more than {MOST_NODES} nodes or {MOST_BYTES} bytes",
                names.join(", ")
            )));
        }
        Ok(())
    }
}

fn check_depth(depth: usize) -> Result<(), Fault> {
    match depth < MOST_DEPTH {
        true => Ok(()),
        false => Err(Fault::new(format!("functions and graphs lie more than {MOST_DEPTH} deep in one another"))),
    }
}

#[cfg(test)]
#[path = "inline_tests.rs"]
mod tests;
