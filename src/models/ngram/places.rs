//! The places that words come through, with what is likely to follow there.
//!
//! There are tens of thousands, and fetching the distribution of each from memory would take most of
//! the time. So the few characters that are likely at a place are kept in one line of the
//! processor's cache, each with the range of uniform numbers that certainly draws it, and with the
//! place that comes then. Numbers in no such range are looked up in the whole distribution.

use tch::Tensor;

use super::trie::{Node, fetch};
use super::{Ngram, View};
use crate::error::Result;
use crate::models::draw::{Method, Shaping, cumulative_sums};

/// The most numbers of whole distributions that are kept, 64 MB; after that all are forgotten.
const MOST: usize = 1 << 24;

/// Where nothing is kept.
const NONE: u32 = u32::MAX;

/// How many characters are kept as likely.
const LIKELY: usize = 6;

/// Into how many parts the uniform numbers are divided.
const PARTS: f64 = 65_536.0;

/// The places that words came through, by their numbers in the order in which they came first.
#[derive(Debug)]
pub(super) struct Places<'m> {
    pub view: &'m View,
    v: usize,
    method: Method,
    shaping: Shaping,
    /// By the length of a context, where the first one is in `numbers`.
    first: Vec<usize>,
    /// For each context its number, if words came through it.
    numbers: Vec<u32>,
    /// By that number, the context.
    nodes: Vec<Node>,
    /// By that number, what is likely there; of [`Method::Cumulative`].
    likely: Vec<Likely>,
    /// By that number, where its whole distribution is, by rows.
    rows: Vec<u32>,
    /// Whole distributions, `[V]` each; of [`Method::Cumulative`] their cumulative sums.
    whole: Vec<f32>,
}

/// The likely characters at a place, in one line of the cache.
#[derive(Debug, Clone)]
#[repr(align(64))]
struct Likely {
    /// From which to which part of the uniform numbers each is certainly drawn.
    from: [u16; LIKELY],
    to: [u16; LIKELY],
    index: [u16; LIKELY],
    /// The number of the place after it, where that is known.
    next: [u32; LIKELY],
}

impl Likely {
    /// The most probable characters of a distribution.
    fn of(sums: &[f32]) -> Self {
        let sum = |index: usize| f64::from(sums[index]);
        let below = |index: usize| index.checked_sub(1).map(sum);
        let p = |index: usize| sum(index) - below(index).unwrap_or(0.0);
        let mut indices: Vec<usize> = (0..sums.len()).collect();
        let by_p = |&one: &usize, &other: &usize| p(other).total_cmp(&p(one));
        if indices.len() > LIKELY {
            indices.select_nth_unstable_by(LIKELY, by_p);
            indices.truncate(LIKELY);
        }
        indices.sort_by(by_p);
        // Empty ranges, where none are.
        let mut likely = Self {
            from: [1; LIKELY],
            to: [0; LIKELY],
            index: [0; LIKELY],
            next: [NONE; LIKELY],
        };
        for (entry, &index) in indices.iter().enumerate() {
            // A number is drawn as this character if it is above the sum before and not above its
            // own: all of the numbers in its part have to be.
            let from = below(index).map_or(0.0, |below| (below * PARTS).floor() + 1.0);
            let to = (sum(index) * PARTS).floor() - 1.0;
            if from <= to {
                likely.from[entry] = from as u16;
                likely.to[entry] = to as u16;
                likely.index[entry] = index as u16;
            }
        }
        likely
    }

    /// Which of the likely characters a uniform number draws, if it is certain.
    #[inline(always)]
    fn find(&self, uniform: f64) -> Option<usize> {
        let part = (uniform * PARTS) as u16;
        (0..LIKELY).find(|&entry| (self.from[entry]..=self.to[entry]).contains(&part))
    }
}

impl<'m> Places<'m> {
    pub fn new(model: &'m Ngram, method: Method, shaping: Shaping) -> Self {
        let view = &model.view;
        // The root, then the n-grams that may be contexts, level after level.
        let mut first = vec![0, 1];
        for length in 1..view.order() {
            first.push(first[length] + view.trie.level(length).last.len());
        }
        Self {
            view,
            v: model.vocabulary.len(),
            method,
            shaping,
            numbers: vec![NONE; first[view.order()]],
            first,
            nodes: Vec::new(),
            likely: Vec::new(),
            rows: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// The number of a place, which is computed where it is a new one; none where there is no
    /// distribution.
    pub fn number(&mut self, node: Node) -> Result<Option<u32>> {
        let place = self.first[node.length] + node.index;
        if self.numbers[place] == NONE {
            let Some(row) = self.distribution(node)? else {
                return Ok(None);
            };
            self.numbers[place] = self.nodes.len() as u32;
            self.nodes.push(node);
            self.rows.push(NONE);
            if self.method == Method::Cumulative {
                self.likely.push(Likely::of(&row));
            }
        }
        Ok(Some(self.numbers[place]))
    }

    /// The distribution of a place, [`Method::Cumulative`] its cumulative sums; none where it has
    /// none.
    fn distribution(&self, node: Node) -> Result<Option<Vec<f32>>> {
        let mut row = vec![0.0; self.v];
        self.view.fill(node, &mut row);
        if !self.shaping.is_none() {
            let p = Tensor::f_from_slice(&row)?.f_view([1, -1])?;
            row = Vec::try_from(self.shaping.shape(&p)?.f_view([-1])?)?;
        }
        if !row.iter().any(|&p| p > 0.0) {
            return Ok(None);
        }
        Ok(Some(match self.method {
            Method::Multinomial => row,
            Method::Cumulative => cumulative_sums(&row).collect(),
        }))
    }

    /// The whole distribution of a place.
    pub fn whole(&mut self, number: u32) -> Result<&[f32]> {
        let number = number as usize;
        if self.rows[number] == NONE {
            let row = self.distribution(self.nodes[number])?.unwrap_or_default();
            if self.whole.len() + self.v > MOST {
                self.rows.fill(NONE);
                self.whole.clear();
            }
            self.rows[number] = (self.whole.len() / self.v) as u32;
            self.whole.extend_from_slice(&row);
        }
        let begin = self.rows[number] as usize * self.v;
        Ok(&self.whole[begin..begin + self.v])
    }

    /// What a uniform number draws at a place, of [`Method::Cumulative`], and the place after it;
    /// none after the end, or where there is no distribution.
    #[inline(always)]
    pub fn draw(&mut self, number: u32, uniform: f64) -> Result<(usize, Option<u32>)> {
        let likely = &self.likely[number as usize];
        if let Some(entry) = likely.find(uniform) {
            let (index, next) = (usize::from(likely.index[entry]), likely.next[entry]);
            if next != NONE {
                return Ok((index, Some(next)));
            }
            let next = self.after(number, index)?;
            self.likely[number as usize].next[entry] = next.unwrap_or(NONE);
            return Ok((index, next));
        }
        let sums = self.whole(number)?;
        let index = sums.partition_point(|&sum| f64::from(sum) < uniform);
        Ok((index, self.after(number, index)?))
    }

    /// The place after a character; none after the end.
    fn after(&mut self, number: u32, index: usize) -> Result<Option<u32>> {
        if index == 0 {
            return Ok(None);
        }
        let (_, after) = self.view.step(self.nodes[number as usize], index);
        self.number(after)
    }

    /// Has a place fetched from memory, for when it is asked for.
    #[inline(always)]
    pub fn fetch(&self, number: u32) {
        fetch(&self.likely, number as usize);
    }
}
