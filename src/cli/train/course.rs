//! The course of a training on words: evaluated from time to time, shown, and its best network kept.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use makemore_tch::Error;
use makemore_tch::checkpoint::sha256_of;
use makemore_tch::data::WordList;
use makemore_tch::models::Network;
use makemore_tch::score::evaluate;
use makemore_tch::train::tensorboard::EventFile;
use makemore_tch::train::word_batches::{Best, STEP, Training, WordStep, copies};
use serde::Serialize;
use tch::Tensor;

use crate::cli::interrupt::Interrupt;
use crate::cli::output;

/// How many points of the curve of train losses there are at most.
const POINTS: f64 = 100.0;

/// The losses up to a step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Losses {
    pub step: u64,
    /// The mean of the batches since the losses before.
    pub train: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<f64>,
}

impl std::fmt::Display for Losses {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Step: {}, train loss: {:.6}", self.step, self.train)?;
        match self.dev {
            Some(dev) => write!(f, ", dev loss: {dev:.6}"),
            None => Ok(()),
        }
    }
}

/// The network that is kept: that with the lowest dev loss so far; without dev data the last one.
pub struct Kept {
    /// How many steps were made.
    pub step: u64,
    /// The loss of the batches before it.
    pub train: f64,
    pub dev: Option<f64>,
    /// Its parameters and buffers, by their names.
    pub parameters: BTreeMap<String, Tensor>,
}

impl Kept {
    /// By which it is recognised.
    pub fn best(&self) -> makemore_tch::Result<Best> {
        Ok(Best {
            step: self.step,
            dev: self.dev,
            sha256: sha256_of(&self.parameters)?,
        })
    }
}

/// What is seen of a training.
pub struct Course<'a> {
    pub network: &'a Network,
    /// Of the dev part; empty if there is none.
    pub dev: &'a WordList,
    /// After how many steps dev is evaluated.
    pub every: u64,
    /// Whether losses are printed as they come.
    pub prints: bool,
    pub bar: ProgressBar,
    pub events: Option<EventFile>,
    /// What became of the events; after a fault none are written.
    pub written: makemore_tch::Result<()>,
    pub losses: Vec<Losses>,
    pub kept: Option<Kept>,
    /// Step by step, the means of some batches.
    pub curve: Vec<(u64, f64)>,
    /// What the steps took, without evaluation on dev.
    pub stepping: Duration,
    /// When the last step was seen.
    seen: Instant,
    /// The step that was evaluated last; 0 if none was.
    pub evaluated: u64,
    /// The sum and number of the batch losses since then.
    pub since: (f64, u32),
    /// The same since the last point of the curve, and how much was done there.
    point: (f64, u32, f64),
}

impl<'a> Course<'a> {
    pub fn new(network: &'a Network, dev: &'a WordList, bar: ProgressBar) -> Self {
        Self {
            network,
            dev,
            every: 1,
            prints: false,
            bar,
            events: None,
            written: Ok(()),
            losses: Vec::new(),
            kept: None,
            curve: Vec::new(),
            stepping: Duration::ZERO,
            seen: Instant::now(),
            evaluated: 0,
            since: (0.0, 0),
            point: (0.0, 0, 0.0),
        }
    }

    /// Keeps the network as it is before the first step, until a better one is found.
    pub fn keep_first(&mut self) -> makemore_tch::Result<()> {
        let dev = match self.dev.is_empty() {
            true => None,
            false => Some(evaluate::word_list(self.network, self.dev, &mut || Ok(()))?.nll()),
        };
        self.kept = Some(Kept {
            step: 0,
            train: 0.0,
            dev,
            parameters: copies(self.network)?,
        });
        Ok(())
    }

    /// Trains until the end, Ctrl-C or a fault, which is returned; what was reached before is kept.
    pub fn run(&mut self, training: &mut Training, interrupt: &Interrupt) -> Option<Error> {
        self.seen = Instant::now();
        let trained = training.run(|step| self.observe(step, interrupt));
        self.bar.finish_and_clear();
        trained.err()
    }

    fn observe(
        &mut self,
        step: WordStep,
        interrupt: &Interrupt,
    ) -> makemore_tch::Result<ControlFlow<()>> {
        self.stepping += self.seen.elapsed();
        let made = step.number + 1;
        self.since = (self.since.0 + step.loss, self.since.1 + 1);
        self.add_to_curve(step);
        let stops = interrupt.is_pressed();
        // What is interrupted shall go on as if it had not been, without another evaluation.
        let is_due = made.is_multiple_of(self.every) || step.done >= 1.0;
        if is_due || (stops && self.kept.is_none()) {
            self.evaluate(step)?;
        }
        self.show(step);
        self.seen = Instant::now();
        Ok(match stops {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }

    fn add_to_curve(&mut self, step: WordStep) {
        let (sum, number, begin) = self.point;
        let (sum, number) = (sum + step.loss, number + 1);
        self.point = (sum, number, begin);
        if step.done - begin >= 1.0 / POINTS || step.done >= 1.0 || self.curve.is_empty() {
            self.curve.push((step.number + 1, sum / f64::from(number)));
            self.point = (0.0, 0, step.done);
        }
    }

    fn evaluate(&mut self, step: WordStep) -> makemore_tch::Result<()> {
        let dev = match self.dev.is_empty() {
            true => None,
            false => Some(evaluate::word_list(self.network, self.dev, &mut || Ok(()))?.nll()),
        };
        let now = Losses {
            step: step.number + 1,
            train: self.since.0 / f64::from(self.since.1),
            dev,
        };
        (self.evaluated, self.since) = (now.step, (0.0, 0));
        self.print(now);
        self.losses.push(now);
        if self.written.is_ok() {
            self.written = self.write_events(now, step.learning_rate);
        }
        let parameters = copies(self.network)?;
        let loss = dev.unwrap_or(now.train);
        if !loss.is_finite() || !are_finite(&parameters)? {
            return Err(Error::Diverged {
                stage: STEP,
                number: step.number,
                learning_rate: step.learning_rate,
                regularization: 0.0,
                loss: loss as f32,
            });
        }
        let before = self.kept.as_ref().and_then(|kept| kept.dev);
        if before.is_none_or(|before| dev.is_none_or(|dev| dev < before)) {
            self.kept = Some(Kept {
                step: now.step,
                train: now.train,
                dev,
                parameters,
            });
        }
        Ok(())
    }

    fn write_events(&mut self, now: Losses, learning_rate: f64) -> makemore_tch::Result<()> {
        let Some(events) = &mut self.events else {
            return Ok(());
        };
        let at = now.step as i64;
        events.scalar("loss/train", at, now.train as f32)?;
        if let Some(dev) = now.dev {
            events.scalar("loss/dev", at, dev as f32)?;
        }
        events.scalar("learning rate", at, learning_rate as f32)?;
        events.flush()
    }

    /// Prints losses as they come; a closed pipe does not end the training.
    fn print(&self, losses: Losses) {
        if self.prints {
            self.bar.suspend(|| {
                let mut results = output::results();
                let _ = writeln!(results, "{losses}").and_then(|()| results.flush());
            });
        }
    }

    fn show(&self, step: WordStep) {
        if self.bar.is_hidden() {
            return;
        }
        let made = step.number + 1;
        self.bar.set_prefix(format!("step {made}"));
        let dev = self.losses.last().and_then(|losses| losses.dev);
        let dev = dev.map_or_else(String::new, |dev| format!(", dev {dev:.4}"));
        let first = self.curve.first().map_or(made, |&(first, _)| first);
        let seconds = self.bar.elapsed().as_secs_f64();
        let rate = (made + 1 - first) as f64 / seconds;
        self.bar
            .set_message(format!("train {:.4}{dev}, {rate:.1} steps/s", step.loss));
        self.bar
            .set_position((step.done * self.bar.length().unwrap_or(0) as f64) as u64);
    }
}

fn are_finite(parameters: &BTreeMap<String, Tensor>) -> makemore_tch::Result<bool> {
    for parameter in parameters.values() {
        if !bool::try_from(parameter.f_isfinite()?.f_all()?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
