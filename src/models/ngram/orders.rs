//! The losses of n-gram models of every order from 1 on, and the choice of an order and of the number
//! to add by dev data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::kneser_ney::{Discounts, Lower};
use super::model::Ngram;
use super::share::Share;
use super::smoothing::Smoothing;
use super::view::View;
use super::{additive, witten_bell};
use crate::counting::ngrams::{
    BYTES_IN_DEV, Gather, Owners, all_fit, count_gathered, no_memory_for,
};
use crate::counting::{NgramCounts, Row};
use crate::data::Vocabulary;
use crate::data::parts::Parts;
use crate::data::split::Part;
use crate::distributed::Processes;
use crate::distributed::processes::{gather_as, of_first};
use crate::error::{Error, Result};
use crate::memory::Memory;
use crate::sum::Sum;

/// The highest order that is tried where an order is chosen.
pub const HIGHEST: usize = 8;

/// The order where none can be chosen: that of the lecture's names.
pub const USUAL: usize = 6;

/// The counts of train and dev data, from which models of all orders are estimated. Of processes that share
/// them, each has those of some contexts; all call the same functions in the same order and get the same.
#[derive(Debug)]
pub struct Orders<'a> {
    vocabulary: Vocabulary,
    share: Share<'a>,
    /// Counts of the dev part, of the highest order.
    dev: Option<NgramCounts>,
    /// The characters of the longest word of the train data, if they were counted.
    longest_word: Option<usize>,
}

/// The losses of a model of one order: a row of the table of orders.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Order {
    /// The order: the length of the longest n-grams.
    pub order: usize,
    /// The number of n-grams of that length.
    pub ngrams: u64,
    /// The discounts of n-grams of this length in the model of the highest order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discounts: Option<Discounts>,
    /// The number added to every count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added: Option<f64>,
    /// The train NLL per character, in nats.
    pub train: f64,
    /// The dev NLL per character, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<f64>,
}

/// The dev NLLs of one kind of smoothing, for every order from 1 on.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The name of the smoothing, for a legend.
    pub name: String,
    /// Dev NLLs per character, in nats.
    pub dev: Vec<f64>,
}

/// A number that was tried in additive smoothing, and its dev NLL.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tried {
    /// The number added to every count.
    pub added: f64,
    /// The dev NLL per character, in nats.
    pub dev: f64,
}

impl Order {
    /// The names of the columns of a table of orders.
    pub fn heading(smoothing: Smoothing, has_dev: bool) -> String {
        let how = match smoothing {
            Smoothing::KneserNey => format!("{:>8}{:>8}{:>8}", "D1", "D2", "D3+"),
            Smoothing::WittenBell => String::new(),
            Smoothing::Additive(_) => format!("{:>12}", "added"),
        };
        let dev = if has_dev { "    dev NLL" } else { "" };
        format!("order{:>12}{how}{:>11}{dev}", "n-grams", "train NLL")
    }
}

impl fmt::Display for Order {
    /// A row under [`heading`](Order::heading).
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:>5}{:>12}", self.order, self.ngrams)?;
        for discount in self.discounts.iter().flat_map(|discounts| discounts.0) {
            write!(f, "{discount:>8.4}")?;
        }
        if let Some(added) = self.added {
            write!(f, " {added:>11}")?;
        }
        write!(f, "{:>11.4}", self.train)?;
        match self.dev {
            Some(dev) => write!(f, "{dev:>11.4}"),
            None => Ok(()),
        }
    }
}

impl<'a> Orders<'a> {
    /// Prepares the models of all orders up to that of the counts, those that this process owns.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] if they take more memory than there is; [`Error::Processes`].
    pub fn of(
        train: NgramCounts,
        dev: Option<NgramCounts>,
        memory: &Memory,
        processes: &'a dyn Processes,
    ) -> Result<Self> {
        // Room for the dev counts of one order at a time, and for its `DevCounts`.
        let fits = match &dev {
            Some(dev) if !memory.reserve(dev.bytes() + dev.len() as u64 * BYTES_IN_DEV) => {
                Err(no_memory_for(&train, dev, memory))
            }
            _ => Ok(()),
        };
        all_fit(fits, processes)?;
        Ok(Self {
            vocabulary: train.vocabulary().clone(),
            share: Share::of(&train, memory, processes)?,
            dev,
            longest_word: train.longest_word(),
        })
    }

    /// Counts the n-grams of the train part and, if it has words, of the dev part. `bigrams` are those
    /// of the whole list; `on_words` is told the number of words counted, from several threads.
    ///
    /// # Errors
    ///
    /// As [`count_shared_parts`](crate::counting::count_shared_parts).
    pub fn count(
        parts: &Parts,
        bigrams: &NgramCounts,
        order: usize,
        memory: &Memory,
        on_words: &(dyn Fn(u64) + Sync),
        processes: &'a dyn Processes,
    ) -> Result<Self> {
        // All bigrams of the list are counted already.
        let is_known = order == 2 && parts.is_whole();
        let mut wanted = Vec::new();
        wanted.extend((!is_known).then_some(Part::Train));
        wanted.extend((parts.words(Part::Dev) > 0).then_some(Part::Dev));
        let vocabulary = bigrams.vocabulary();
        let (mut counted, owners) = match wanted.is_empty() {
            true => (Vec::new(), Owners::of_counts(bigrams, processes.size())),
            false => count_gathered(
                (parts, &wanted),
                vocabulary,
                order,
                memory,
                on_words,
                (processes, Gather::Owners),
            )?,
        };
        let dev = wanted.contains(&Part::Dev).then(|| counted.pop()).flatten();
        let known = || owners.owned(bigrams, processes.rank());
        let train = counted.pop().unwrap_or_else(known);
        Self::of(train, dev, memory, processes)
    }

    /// Counts as [`count`](Self::count) does, up to the order with the lowest dev loss among those that fit
    /// into the memory, at most [`HIGHEST`]. `losses` has the losses of every order.
    ///
    /// # Errors
    ///
    /// As [`count_shared_parts`](crate::counting::count_shared_parts).
    pub fn chosen(
        parts: &Parts,
        bigrams: &NgramCounts,
        memory: &Memory,
        on_words: &(dyn Fn(u64) + Sync),
        losses: impl Fn(&Self) -> Result<Vec<Order>>,
        processes: &'a dyn Processes,
    ) -> Result<Self> {
        let mut order = HIGHEST;
        let tried = loop {
            // Forgotten before the chosen order is counted.
            let memory = Memory::new(memory.free());
            match Self::count(parts, bigrams, order, &memory, &|_| (), processes) {
                Err(Error::Memory { .. } | Error::Order { .. }) if order > 1 => order -= 1,
                tried => break tried,
            }
        };
        let tried = tried?;
        let rows = losses(&tried)?;
        drop(tried);
        // Without smoothing, only characters by themselves may have a finite loss.
        let is_finite = rows.iter().all(|row| row.dev.is_some_and(f64::is_finite));
        let best = lowest(&rows).filter(|_| is_finite);
        let best = best.map_or(order.min(USUAL), |(order, _)| order);
        Self::count(parts, bigrams, best, memory, on_words, processes)
    }

    /// The highest order.
    pub fn highest(&self) -> usize {
        self.share.order()
    }

    /// The model of the highest order: in process 0, and in the others one of single characters.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    pub fn model(self, smoothing: Smoothing) -> Result<Ngram> {
        let model = Ngram::of_share(self.vocabulary, self.share, smoothing)?;
        Ok(model.of_words_up_to(self.longest_word))
    }

    /// The losses of all orders with a smoothing; `each` is given each as it is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    pub fn with(&self, smoothing: Smoothing, mut each: impl FnMut(&Order)) -> Result<Vec<Order>> {
        let orders = 1..=self.highest();
        let mut told = |order: Result<Order>| {
            let order = order?;
            each(&order);
            Ok(order)
        };
        match smoothing {
            Smoothing::KneserNey => {
                let mut lower = Lower::new(&self.share);
                let order = |_| told(self.next_of_kneser_ney(&mut lower));
                orders.map(order).collect()
            }
            Smoothing::WittenBell => {
                let whole = witten_bell::estimate(&self.share);
                let order = |order| told(self.order(&whole.cut(order)));
                orders.map(order).collect()
            }
            Smoothing::Additive(added) => {
                let order = |order| told(self.additive(order, added));
                orders.map(order).collect()
            }
        }
    }

    /// The losses of additive models of all orders, each with the number that is best on dev; `each` is
    /// given each as it is computed.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] without dev data; [`Error::Processes`].
    pub fn best_additive(&self, mut each: impl FnMut(&Order)) -> Result<Vec<Order>> {
        let best = |order| {
            let (added, _) = self.search(order)?;
            let row = self.additive(order, added)?;
            each(&row);
            Ok(row)
        };
        (1..=self.highest()).map(best).collect()
    }

    /// Curves that compare rows with other smoothings: the best additive one if wanted, the rows' own,
    /// and modified Kneser–Ney.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if additive models are wanted without dev data; [`Error::Processes`].
    pub fn curves(
        &self,
        smoothing: Smoothing,
        rows: &[Order],
        with_additive: bool,
    ) -> Result<Vec<Curve>> {
        let mut curves = Vec::new();
        if with_additive {
            let best = self.best_additive(|_| ())?;
            curves.push(Curve::of("additive, the best number of each order", &best));
        }
        match smoothing {
            Smoothing::KneserNey => {}
            Smoothing::WittenBell => curves.push(Curve::of("Witten–Bell", rows)),
            Smoothing::Additive(added) => {
                let chosen = Curve::of(&format!("additive, {added}"), rows);
                let is_best = curves.iter().any(|curve| curve.dev == chosen.dev);
                if !is_best && chosen.dev.iter().all(|nll| nll.is_finite()) {
                    curves.push(chosen);
                }
            }
        }
        let kneser_ney = "modified Kneser–Ney";
        curves.push(match smoothing {
            Smoothing::KneserNey => Curve::of(kneser_ney, rows),
            _ => Curve::of(kneser_ney, &self.with(Smoothing::KneserNey, |_| ())?),
        });
        Ok(curves)
    }

    /// The losses of an additive model of an order.
    ///
    /// # Errors
    ///
    /// [`Error::Processes`].
    pub fn additive(&self, order: usize, added: f64) -> Result<Order> {
        let view = additive::estimate(&self.share, order, added);
        Ok(Order {
            added: Some(added),
            ..self.order(&view)?
        })
    }

    /// The losses of the model one order above the lower levels; its own level is then added to them.
    fn next_of_kneser_ney(&self, lower: &mut Lower) -> Result<Order> {
        let estimate = lower.with_top()?;
        let order = self.order(&estimate.view)?;
        let discounts = match order.order == self.highest() {
            true => estimate.discounts.last().copied(),
            false => Some(lower.add()?),
        };
        Ok(Order { discounts, ..order })
    }

    fn order(&self, view: &View) -> Result<Order> {
        let order = view.order();
        let dev = self.dev_of(order).map(|dev| self.dev_nats(view, &dev));
        let of_all = gather_as(self.share.processes, (self.train_nats(view), dev))?;
        let (mut train, mut of_dev) = (Nats::default(), None);
        for (own, dev) in of_all {
            train.add(own);
            if let Some(dev) = dev {
                of_dev.get_or_insert_with(Nats::default).add(dev);
            }
        }
        Ok(Order {
            order,
            ngrams: match order {
                1 => view.ngrams(1),
                _ => self.share.numbers[order - 1],
            },
            discounts: None,
            added: None,
            train: train.average(),
            dev: of_dev.map(Nats::average),
        })
    }

    fn dev_of(&self, order: usize) -> Option<NgramCounts> {
        self.dev.as_ref().map(|dev| dev.of_order(order))
    }

    /// The NLL of a model on its train data, from the counts of the longest n-grams and of shorter ones that
    /// begin with the start token.
    fn train_nats(&self, view: &View) -> Nats {
        let mut nats = Nats::default();
        for length in 1..=view.order() {
            let (p, counts) = (
                &view.levels[length - 1].p,
                &self.share.occurrences[length - 1].raw,
            );
            let ngrams = match length == view.order() {
                // Single characters, which all processes have, are those of process 0.
                true if length == 1 && self.share.processes.rank() > 0 => 0,
                true => p.len(),
                false if length == 1 => 0, // The start token alone.
                false => self.share.begun[length - 1],
            };
            for (&p, &count) in p[..ngrams].iter().zip(counts) {
                nats.sum.add(p, count);
                nats.total += count;
            }
        }
        nats
    }

    /// The NLL of counted n-grams of dev under a model of their order.
    fn dev_nats(&self, view: &View, dev: &NgramCounts) -> Nats {
        let mut nats = Nats::default();
        for Row { context, next } in dev.contexts() {
            let context = self.share.longest_context(&context);
            for (index, count) in next {
                nats.sum.add(view.after_context(context, index), count);
                nats.total += count;
            }
        }
        nats
    }

    /// Searches the number that gives the lowest dev NLL in additive smoothing of an order; returns it
    /// with all numbers that were tried.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] without dev data; [`Error::Processes`].
    pub fn search(&self, order: usize) -> Result<(f64, Vec<Tried>)> {
        let Some(dev) = self.dev_of(order) else {
            return Err(Error::Value {
                what: "the dev part",
                value: "empty".to_owned(),
                expected: "a number to add is chosen by it",
            });
        };
        let counts = DevCounts::of(&self.share, &dev);
        let mut tried: Vec<Tried> = Vec::new();
        let mut attempt = |added: f64| {
            // Three digits, as a user would type it. Another machine may round logarithms otherwise, so
            // process 0 names the number.
            let added: f64 = of_first(self.share.processes, || {
                Ok::<_, Error>(format!("{added:.2e}").parse().unwrap_or(added))
            })?;
            let dev = match tried.iter().find(|tried| tried.added == added) {
                Some(tried) => tried.dev,
                None => {
                    let dev = counts.nll(added, self.share.processes)?;
                    tried.push(Tried { added, dev });
                    dev
                }
            };
            Ok::<_, Error>((added, dev))
        };
        // Powers of ten, then a golden-section search of the logarithm around the best of them.
        let powers = (-6..=4).map(|power| 10.0_f64.powi(power));
        let powers: Vec<(f64, f64)> = powers.map(&mut attempt).collect::<Result<_>>()?;
        let best = powers
            .into_iter()
            .min_by(|one, other| one.1.total_cmp(&other.1));
        let (best, _) = best.unwrap_or((1.0, f64::INFINITY));
        let (mut low, mut high) = ((best / 10.0).ln(), (best * 10.0).ln());
        while high - low > PRECISION {
            let step = (high - low) * GOLDEN;
            let (one, other) = (high - step, low + step);
            match attempt(one.exp())?.1 <= attempt(other.exp())?.1 {
                true => high = other,
                false => low = one,
            }
        }
        let best = tried
            .iter()
            .min_by(|one, other| one.dev.total_cmp(&other.dev));
        Ok((best.map_or(1.0, |best| best.added), tried))
    }
}

impl Curve {
    fn of(name: &str, rows: &[Order]) -> Self {
        Self {
            name: name.to_owned(),
            dev: rows.iter().filter_map(|row| row.dev).collect(),
        }
    }
}

/// The order of the lowest dev NLL, and that.
fn lowest(rows: &[Order]) -> Option<(usize, f64)> {
    let losses = rows.iter().filter_map(|row| Some((row.order, row.dev?)));
    losses.min_by(|one, other| one.1.total_cmp(&other.1))
}

/// The order of the lowest dev NLL, if it is clearly lower than that of the highest order.
pub fn better_order(rows: &[Order]) -> Option<usize> {
    let (order, lowest) = lowest(rows)?;
    let last = rows.last()?.dev?;
    (lowest < last - CLEARLY).then_some(order)
}

/// The smallest difference of dev NLLs, in nats, for which another order is advised.
const CLEARLY: f64 = 0.005;

/// The relative precision of the search.
const PRECISION: f64 = 0.01;

/// The golden ratio less 1: each step of the search uses a point of the step before again.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// The counts that the dev NLL of additive smoothing is computed from.
struct DevCounts {
    v: f64,
    /// For each n-gram of the dev data: its count and that of its context in the train data, and its
    /// count in the dev data.
    ngrams: Vec<(f64, f64, u64)>,
}

impl DevCounts {
    fn of(share: &Share, dev: &NgramCounts) -> Self {
        let (trie, occurrences, mut ngrams) = (&share.trie, &share.occurrences, Vec::new());
        for Row { context, next } in dev.contexts() {
            let node = share.context(&context);
            let counts = node.map(|node| {
                let children = trie.children(node);
                (
                    node,
                    occurrences[node.length].raw[children].iter().sum::<u64>(),
                )
            });
            for (index, times) in next {
                let (count, sum) = counts.map_or((0, 0), |(node, sum)| {
                    let child = trie.child(node, index);
                    let count =
                        child.map_or(0, |child| occurrences[child.length - 1].raw[child.index]);
                    (count, sum)
                });
                ngrams.push((count as f64, sum as f64, times));
            }
        }
        Self {
            v: dev.vocabulary().len() as f64,
            ngrams,
        }
    }

    /// The dev NLL per character with a number added to every count, of the n-grams of all processes.
    fn nll(&self, added: f64, processes: &dyn Processes) -> Result<f64> {
        let mut nats = Nats::default();
        for &(count, sum, times) in &self.ngrams {
            let ln = ((count + added) / (sum + added * self.v)).ln();
            nats.sum.add_ln(ln, times);
            nats.total += times;
        }
        let mut of_all = Nats::default();
        for own in gather_as(processes, nats)? {
            of_all.add(own);
        }
        Ok(of_all.average())
    }
}

/// An exact sum of negative logarithms, and the number of summands.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Nats {
    sum: Sum,
    total: u64,
}

impl Nats {
    fn add(&mut self, other: Self) {
        self.sum += other.sum;
        self.total += other.total;
    }

    fn average(self) -> f64 {
        self.sum.nats() / self.total as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counting::count_shared;
    use crate::counting::tests::ngrams_of;
    use crate::data::{List, Shares, Source, Split, Words};
    use crate::distributed::Alone;
    use crate::score::evaluate;

    fn memory() -> Memory {
        Memory::new(1 << 30)
    }

    fn names(order: usize) -> (Parts, Orders<'static>) {
        names_of(order, Shares::USUAL, &Alone)
    }

    fn names_of(order: usize, shares: Shares, processes: &dyn Processes) -> (Parts, Orders<'_>) {
        let counted = count_shared(&Source::lecture(), Some('.'), processes).unwrap();
        let list = List {
            source: Source::lecture(),
            digest: counted.digest,
        };
        let split = Split::new(shares, 420, counted.digest.words);
        let parts = Parts::new(list, split).shared(Part::Train, &counted.sections);
        let (bigrams, quiet) = (&counted.counts, &|_| ());
        let orders = Orders::count(&parts, bigrams, order, &memory(), quiet, processes);
        (parts, orders.unwrap())
    }

    /// Each of these processes is a thread here.
    #[cfg(feature = "distributed")]
    #[test]
    fn processes_estimate_the_models_of_one_process() {
        use crate::distributed::group::tests::each;

        let estimated = |order, shares, processes: &dyn Processes| {
            let all = [
                Smoothing::KneserNey,
                Smoothing::WittenBell,
                Smoothing::Additive(0.5),
            ];
            let estimated = all.map(|smoothing| {
                let (_, orders) = names_of(order, shares, processes);
                let mut rows = orders.with(smoothing, |_| ()).unwrap();
                if shares != Shares::ALL && smoothing == all[2] {
                    rows.extend(orders.best_additive(|_| ()).unwrap());
                }
                let levels = orders.share.trie.levels.iter();
                let own: u64 = levels.map(|level| level.last.len() as u64).sum();
                let model = orders.model(smoothing).unwrap();
                (rows, own, model)
            });
            Vec::from(estimated)
        };
        // In numbers of 64 and of 128 bits, and bigrams of the whole list, which are known.
        for (order, shares, size) in [
            (1, Shares::USUAL, 2),
            (2, Shares::ALL, 2),
            (5, Shares::USUAL, 3),
            (13, Shares::USUAL, 2),
        ] {
            let alone = estimated(order, shares, &Alone);
            let together = each(size, |group| estimated(order, shares, group));
            for (rank, of_process) in together.into_iter().enumerate() {
                for ((rows, own, model), (expected, all, whole)) in of_process.iter().zip(&alone) {
                    assert_eq!(rows, expected, "{order} by {size}");
                    if order > 4 {
                        assert!(*own < all / size as u64 * 3 / 2, "{own} of {all}");
                    }
                    if rank == 0 {
                        let (view, whole) = (model.view(), whole.view());
                        assert!(view.trie == whole.trie, "{order} by {size}");
                        assert!(view.levels == whole.levels, "{order} by {size}");
                    }
                }
            }
        }
    }

    /// Too little memory for the whole model was once found after all losses were computed.
    #[cfg(feature = "distributed")]
    #[test]
    fn process_0_has_room_for_the_whole_model() {
        use crate::counting::ngrams::Owners;
        use crate::distributed::group::tests::each;

        let all = ngrams_of(&Words::lecture('.').unwrap(), 8);
        let orders_of = |order, limit, group: &dyn Processes| {
            let (counts, memory) = (all.of_order(order), Memory::new(limit));
            let own = Owners::of_counts(&counts, 2).owned(&counts, group.rank());
            let highest = Orders::of(own, None, &memory, group).map(|orders| orders.highest());
            (highest, limit - memory.free())
        };
        let taken = each(2, |group| orders_of(8, 1 << 30, group).1)[0];
        each(2, |group| {
            // The whole is reserved last, so the share fits.
            let limit = match group.rank() {
                0 => taken - 1,
                _ => 1 << 30,
            };
            let Err(Error::Memory {
                order: 8,
                fits: Some(fits),
                ..
            }) = orders_of(8, limit, group).0
            else {
                panic!("the whole model fits");
            };
            assert_eq!(orders_of(fits, limit, group).0.unwrap(), fits);
        });
    }

    #[cfg(feature = "distributed")]
    #[test]
    fn an_order_is_chosen_whose_whole_model_fits_into_process_0() {
        use crate::distributed::group::tests::each;

        let source = Source::lecture();
        let highest = [12_000_000, 20_000_000, 1 << 30].map(|limit| {
            let highest = each(2, |group| {
                let counted = count_shared(&source, Some('.'), group).unwrap();
                let list = List {
                    source: Source::lecture(),
                    digest: counted.digest,
                };
                let split = Split::new(Shares::USUAL, 420, counted.digest.words);
                let parts = Parts::new(list, split).shared(Part::Train, &counted.sections);
                let memory = Memory::new(if group.rank() == 0 { limit } else { 1 << 30 });
                let tried = std::cell::Cell::new(0);
                let losses = |orders: &Orders| {
                    tried.set(orders.highest());
                    orders.with(Smoothing::KneserNey, |_| ())
                };
                let bigrams = &counted.counts;
                let orders = Orders::chosen(&parts, bigrams, &memory, &|_| (), losses, group);
                let order = orders.unwrap().model(Smoothing::KneserNey).unwrap().order();
                (tried.get(), order)
            });
            assert_eq!(highest[0], highest[1]);
            highest[0].0
        });
        assert!(highest.is_sorted() && highest[0] < 8, "{highest:?}");
        assert_eq!(highest[2], 8);
    }

    /// The NLLs from counts are those of the words, evaluated one by one.
    #[test]
    fn the_highest_order_is_the_model() {
        for smoothing in [
            Smoothing::KneserNey,
            Smoothing::WittenBell,
            Smoothing::Additive(0.1),
        ] {
            let (parts, orders) = names(4);
            let rows = orders.with(smoothing, |_| ()).unwrap();
            let model = orders.model(smoothing).unwrap();
            let last = rows.last().unwrap();
            let nll = |part| {
                evaluate::parts(&model, &parts, &[part], &Alone)
                    .unwrap()
                    .nll()
            };
            assert_eq!((last.order, last.train), (4, nll(Part::Train)));
            assert_eq!(last.dev, Some(nll(Part::Dev)));
        }
    }

    /// The error once named no order where memory was too small for the dev counts.
    #[test]
    fn a_dev_part_that_does_not_fit_is_an_error_with_the_order_that_fits() {
        let all = Words::lecture('.').unwrap();
        let [train, dev] = [(); 2].map(|()| ngrams_of(&all, 10));
        let error = Orders::of(
            train.clone(),
            Some(dev.clone()),
            &Memory::new(7_000_000),
            &Alone,
        );
        let Err(Error::Memory {
            order: 10,
            fits: Some(fits),
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
        assert!((2..10).contains(&fits), "{fits}");
        let [train, dev] = [train, dev].map(|counts| counts.of_order(fits));
        assert!(Orders::of(train, Some(dev), &Memory::new(7_000_000), &Alone).is_ok());
    }

    #[test]
    fn each_row_is_a_model_of_its_order() {
        let (_, orders) = names(5);
        for smoothing in [Smoothing::KneserNey, Smoothing::WittenBell] {
            let rows = orders.with(smoothing, |_| ()).unwrap();
            for shorter in 1..5 {
                let (_, orders) = names(shorter);
                let last = orders.with(smoothing, |_| ()).unwrap().pop().unwrap();
                assert_eq!(
                    (last.train, last.dev),
                    (rows[shorter - 1].train, rows[shorter - 1].dev)
                );
            }
        }
        let dev: Vec<f64> = orders
            .with(Smoothing::KneserNey, |_| ())
            .unwrap()
            .iter()
            .filter_map(|row| row.dev)
            .collect();
        assert!(dev.windows(2).all(|pair| pair[1] < pair[0]), "{dev:?}");
    }

    #[test]
    fn the_search_finds_the_lowest_dev_nll() {
        let (_, orders) = names(3);
        let (best, tried) = orders.search(3).unwrap();
        let dev = |added| orders.additive(3, added).unwrap().dev.unwrap();
        let lowest = dev(best);
        assert!(
            tried
                .iter()
                .all(|tried| (dev(tried.added) - tried.dev).abs() < 1e-5)
        );
        for factor in [0.5, 0.9, 1.1, 2.0] {
            assert!(dev(best * factor) >= lowest - 1e-9, "{factor}");
        }
        let without = Orders {
            dev: None,
            ..orders
        };
        assert!(without.search(3).is_err());
    }
}
