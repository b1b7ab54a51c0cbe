//! Reading the merged settings by path.
//!
//! Every value was checked against the table before, so the getters report nothing: where a value
//! is wrong, its fault is already there, and they give something harmless.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use dmwatch_core::document::{Faults, Key, Node, Origin, Place, Value};

/// A place in the merged settings.
#[derive(Clone)]
pub(super) struct View<'a> {
    node: Option<&'a Node>,
    key: Option<&'a Key>,
    /// As in the table, with `<name>` and `[]`.
    path: String,
    /// Every path that was read, so that a test can compare them with the table.
    reads: &'a RefCell<BTreeSet<String>>,
}

impl<'a> View<'a> {
    /// The whole.
    pub(super) fn root(node: &'a Node, reads: &'a RefCell<BTreeSet<String>>) -> Self {
        Self {
            node: Some(node),
            key: None,
            path: String::new(),
            reads,
        }
    }

    /// What is at that path below.
    pub(super) fn at(&self, path: &str) -> Self {
        path.split('.').fold(self.clone(), |view, segment| {
            let entry = view.written().iter().find(|(key, _)| key.name == segment);
            let path = if view.path.is_empty() {
                segment.to_owned()
            } else {
                format!("{}.{segment}", view.path)
            };
            Self {
                node: entry.map(|(_, node)| node),
                key: entry.map(|(key, _)| key),
                path,
                reads: view.reads,
            }
        })
    }

    fn written(&self) -> &'a [(Key, Node)] {
        match self.node.map(|node| &node.value) {
            Some(Value::Map(entries)) => entries,
            _ => &[],
        }
    }

    /// The entries of a mapping whose keys are the user's; `placeholder` as in the table.
    pub(super) fn entries(&self, placeholder: &str) -> Vec<(&'a Key, View<'a>)> {
        let entry = |(key, node): &'a (Key, Node)| {
            let view = Self {
                node: Some(node),
                key: Some(key),
                path: format!("{}.{placeholder}", self.path),
                reads: self.reads,
            };
            (key, view)
        };
        self.written().iter().map(entry).collect()
    }

    /// The items of a list of mappings.
    pub(super) fn items(&self) -> Vec<View<'a>> {
        let nodes: &[Node] = match self.node.map(|node| &node.value) {
            Some(Value::Seq(items)) => items,
            _ => &[],
        };
        let item = |node: &'a Node| Self {
            node: Some(node),
            key: self.key,
            path: format!("{}[]", self.path),
            reads: self.reads,
        };
        nodes.iter().map(item).collect()
    }

    /// The node, if there is a value.
    pub(super) fn node(&self) -> Option<&'a Node> {
        self.reads.borrow_mut().insert(self.path.clone());
        self.node.filter(|node| node.value != Value::Null)
    }

    /// Where the value is, or where its mapping would be.
    pub(super) fn place(&self) -> Place {
        let default = || Place::elsewhere(Origin::Default);
        self.node.map_or_else(default, |node| node.place.clone())
    }

    /// Where the key is, which for a mapping says more than its first value.
    pub(super) fn key_place(&self) -> Place {
        self.key
            .map_or_else(|| self.place(), |key| key.place.clone())
    }

    /// Whether somebody set it.
    pub(super) fn is_set(&self) -> bool {
        self.node()
            .is_some_and(|node| node.place.origin != Origin::Default)
    }

    /// Whether there is a value, be it a default.
    pub(super) fn has_value(&self) -> bool {
        self.node().is_some()
    }

    /// Text, if any.
    pub(super) fn text(&self) -> Option<&'a str> {
        self.node()?.string(&mut Faults::new())
    }

    /// Text, or nothing.
    pub(super) fn text_or_empty(&self) -> String {
        self.text().unwrap_or_default().to_owned()
    }

    /// Texts, each with its node.
    pub(super) fn texts(&self) -> Vec<(&'a str, &'a Node)> {
        let texts = self
            .node()
            .and_then(|node| node.strings(&mut Faults::new()));
        texts.unwrap_or_default()
    }

    /// Texts, if there is such a list.
    pub(super) fn owned_texts(&self) -> Option<Vec<String>> {
        let texts = self.node()?.strings(&mut Faults::new())?;
        Some(texts.into_iter().map(|(text, _)| text.to_owned()).collect())
    }

    /// A truth value.
    pub(super) fn boolean(&self) -> bool {
        let read = |node: &Node| node.boolean(&mut Faults::new());
        self.node().and_then(read).unwrap_or_default()
    }

    /// A whole number that is not negative, if any.
    pub(super) fn integer<T: TryFrom<i64>>(&self) -> Option<T> {
        let number = self.node()?.integer(0..=i64::MAX, &mut Faults::new())?;
        T::try_from(number).ok()
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self) -> usize {
        self.integer().unwrap_or_default()
    }

    /// A number.
    pub(super) fn number(&self) -> f64 {
        let read = |node: &Node| node.number(f64::MIN..=f64::MAX, &mut Faults::new());
        self.node().and_then(read).unwrap_or_default()
    }

    /// A duration, if any.
    pub(super) fn duration(&self) -> Option<Duration> {
        self.node()?.duration(&mut Faults::new())
    }

    /// A size in bytes.
    pub(super) fn size(&self) -> usize {
        let size = self.node().and_then(|node| node.size(&mut Faults::new()));
        size.and_then(|size| usize::try_from(size).ok())
            .unwrap_or_default()
    }
}
