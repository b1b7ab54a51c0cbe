//! Phrases.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::condition::{Condition, Phrases};
use super::super::lists;
use super::super::phrase::Phrase;
use super::Reader;
use crate::document::{Fault, Faults, Node, Place, Value};
use crate::text::View;

/// `[phrase, …]`, or `{list: name, views: […]}`.
pub(super) fn phrases(
    node: &Node,
    reader: &mut Reader<'_>,
    faults: &mut Faults,
) -> Option<Condition> {
    let condition = |list, phrases, views| {
        Some(Condition::Phrases(Phrases {
            list,
            phrases,
            views,
        }))
    };
    if !matches!(node.value, Value::Map(_)) {
        return condition(None, inline(node, faults)?, vec![View::Folded]);
    }
    let mut map = node.map(faults)?;
    let list = map.required("list", faults);
    let views = map
        .optional("views")
        .map_or(Some(vec![View::Folded]), |node| views(node, faults));
    map.finish(faults);
    let name = list?.string(faults)?;
    let phrases = reader.lists.get(name, list?, faults)?;
    condition(Some(name.into()), phrases, views?)
}

fn views(node: &Node, faults: &mut Faults) -> Option<Vec<View>> {
    let mut views = Vec::new();
    let texts = node.strings(faults)?;
    let written = texts.len();
    for (name, node) in texts {
        match name {
            "deobfuscated" | "joined" => {
                let message = format!("the view `{name}` is not in this version");
                faults.push(
                    Fault::error("no-view", message, &node.place)
                        .label("not there yet")
                        .help("use `folded`"),
                );
            }
            _ => views.extend(node.one_of(&View::ALL.map(|view| (view.as_str(), view)), faults)),
        }
    }
    views.sort_unstable();
    views.dedup();
    if written == 0 {
        faults.push(Fault::error(
            "no-view",
            "expected at least one view, found none",
            &node.place,
        ));
    }
    (!views.is_empty()).then_some(views)
}

fn inline(node: &Node, faults: &mut Faults) -> Option<Arc<[Phrase]>> {
    let mut phrases = Vec::new();
    let mut seen: HashMap<Phrase, &Place> = HashMap::new();
    let Value::Seq(_) = node.value else {
        let fault = node.expected("wrong-type", "a list of phrases");
        faults
            .push(fault.help("write `[one, two words]`, or `{list: name}` for a file in `lists`"));
        return None;
    };
    for (written, node) in node.strings(faults)? {
        let Some(phrase) = lists::parse(written, &node.place, faults) else {
            continue;
        };
        if let Some(first) = seen.insert(phrase.clone(), &node.place) {
            lists::warn_twice(&node.place, first, faults);
            continue;
        }
        phrases.push(phrase);
    }
    if matches!(&node.value, Value::Seq(nodes) if nodes.is_empty()) {
        faults.push(Fault::error(
            "empty-list",
            "expected at least one phrase, found none",
            &node.place,
        ));
    }
    (!phrases.is_empty()).then(|| phrases.into())
}
