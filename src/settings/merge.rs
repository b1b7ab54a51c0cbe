//! Layers → one document, merged by the `config` crate.
//!
//! `config` decides which layer's value wins; it does not keep lines and columns. So every value
//! goes in under the number of its node, as its origin, and what comes out is that node again,
//! with its place.

use config::{Config, ConfigError, Map, Source, Value as Merged, ValueKind};
use dmwatch_core::document::{Key, Node, Origin, Place, Value};

/// The key that everything is put under: `config` reads top-level keys as paths, and a key of a
/// settings file is not one.
const ROOT: &str = "settings";

/// Merges layers, the strongest last. Mappings are merged key by key; everything else is replaced
/// whole. A key without a value changes nothing.
pub(super) fn merge(layers: &[Node]) -> Result<Node, ConfigError> {
    let mut nodes = Vec::new();
    let mut builder = Config::builder();
    for layer in layers {
        let table = to_config(layer, &mut nodes);
        builder = builder.add_source(Layer(table));
    }
    let merged = builder.build()?;
    let table = merged.get_table(ROOT)?;
    let layers: Vec<&Node> = layers.iter().rev().collect();
    Ok(from_table(&table, &layers, &nodes))
}

/// One layer, as `config` takes it.
#[derive(Debug, Clone)]
struct Layer(Merged);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, ConfigError> {
        Ok(Map::from_iter([(ROOT.to_owned(), self.0.clone())]))
    }
}

fn to_config<'a>(node: &'a Node, nodes: &mut Vec<&'a Node>) -> Merged {
    let Value::Map(entries) = &node.value else {
        let origin = nodes.len().to_string();
        nodes.push(node);
        // Only that something is set counts here, and by which node.
        return Merged::new(Some(&origin), ValueKind::Boolean(true));
    };
    let entries = entries.iter();
    let table: Map<String, Merged> = entries
        .filter(|(_, value)| value.value != Value::Null)
        .map(|(key, value)| (key.name.clone(), to_config(value, nodes)))
        .collect();
    Merged::new(None, ValueKind::Table(table))
}

/// Back to nodes. `layers` are the nodes at this path, strongest first.
fn from_table(table: &Map<String, Merged>, layers: &[&Node], nodes: &[&Node]) -> Node {
    let mut entries: Vec<(Key, Node)> = Vec::with_capacity(table.len());
    // The order of the weakest layer that has a key, so that a region keeps its position whatever
    // overrides it.
    for layer in layers.iter().rev() {
        let Value::Map(written) = &layer.value else {
            continue;
        };
        for (key, _) in written {
            let known = entries.iter().any(|(seen, _)| seen.name == key.name);
            let Some(value) = table.get(&key.name).filter(|_| !known) else {
                continue;
            };
            let places = layers.iter().filter_map(|layer| entry(layer, &key.name));
            let strongest = places.clone().next().map(|(key, _)| key.clone());
            let inner: Vec<&Node> = places.map(|(_, value)| value).collect();
            let value = from_value(value, &inner, nodes);
            entries.push((strongest.unwrap_or_else(|| key.clone()), value));
        }
    }
    let place = layers.first().map_or_else(
        || Place::elsewhere(Origin::Default),
        |node| node.place.clone(),
    );
    Node {
        value: Value::Map(entries),
        place,
    }
}

fn from_value(value: &Merged, layers: &[&Node], nodes: &[&Node]) -> Node {
    if let ValueKind::Table(table) = &value.kind {
        return from_table(table, layers, nodes);
    }
    let number = value
        .origin()
        .and_then(|origin| origin.parse::<usize>().ok());
    match number.and_then(|number| nodes.get(number)) {
        Some(node) => (*node).clone(),
        None => Node {
            value: Value::Null,
            place: Place::elsewhere(Origin::Default),
        },
    }
}

fn entry<'a>(node: &'a Node, name: &str) -> Option<&'a (Key, Node)> {
    match &node.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(key, value)| key.name == name && value.value != Value::Null),
        _ => None,
    }
}
