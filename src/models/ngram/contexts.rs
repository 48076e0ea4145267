//! The contexts of an n-gram model, numbered in the order in which they are met.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::trie::Node;
use super::view::View;
use crate::models::language_model::Contexts;

/// Contexts with their numbers.
#[derive(Debug)]
pub(super) struct NumberedContexts<'m> {
    view: &'m View,
    v: usize,
    numbers: HashMap<Node, usize, RandomState>,
    contexts: Vec<Node>,
}

impl<'m> NumberedContexts<'m> {
    /// The contexts of a view over `v` characters.
    pub fn of(view: &'m View, v: usize) -> Self {
        Self {
            view,
            v,
            numbers: HashMap::default(),
            contexts: Vec::new(),
        }
    }

    fn number(&mut self, context: Node) -> usize {
        let contexts = &mut self.contexts;
        *self.numbers.entry(context).or_insert_with(|| {
            contexts.push(context);
            contexts.len() - 1
        })
    }
}

impl Contexts for NumberedContexts<'_> {
    fn start(&mut self) -> usize {
        self.number(self.view.start())
    }

    fn after(&mut self, context: usize, index: usize) -> usize {
        self.number(self.view.step(self.contexts[context], index).1)
    }

    fn distribution(&self, context: usize) -> Vec<f32> {
        let mut p = vec![0.0; self.v];
        self.view.fill(self.contexts[context], &mut p);
        p
    }
}
