//! A run of a training on words: it evaluates the network, remembers the best parameters and saves the
//! run state.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tch::Tensor;

use super::run_state::{Best, Losses, RunState, copies};
use super::steps::{self, Observer, Plan, Progress, STEP, Update};
use super::word_batches::WordBatches;
use crate::data::word_list::WordList;
use crate::distributed::Processes;
use crate::error::{Error, Result};
use crate::models::{Network, Together};
use crate::score::evaluate;

/// The largest number of points in the curve of train losses.
const POINTS: f64 = 100.0;

/// The receiver of a run's results, which shows and saves them.
pub trait Report {
    /// Shows an update.
    fn update(&mut self, update: &Update);

    /// Shows the losses of an evaluation at a learning rate.
    fn losses(&mut self, losses: Losses, learning_rate: f64);

    /// Saves new best parameters, and the state. A failure to save does not end the training.
    fn best(&mut self, state: &RunState);

    /// Saves the state.
    fn state(&mut self, state: &RunState);

    /// Whether the training ends here.
    fn stops(&self) -> bool;
}

/// A run of a training: the observer of its steps.
#[derive(Debug)]
pub struct Course<'a, R> {
    network: &'a Network,
    /// Words drawn from the dev part; none if there is no such part.
    dev: &'a WordList,
    report: &'a mut R,
    /// The processes that share the training.
    processes: &'a dyn Processes,
    /// The time from one save of the state to the next.
    save_every: Duration,
    /// The time of the last save.
    saved: Instant,
    /// The run state. Its tensors are those of the last save.
    pub state: RunState,
    /// The curve of train losses: steps, each with the mean loss of the batches since the point before.
    /// A resumed run begins with the points of the evaluations before.
    pub curve: Vec<(u64, f64)>,
    /// The time of the updates, without evaluations.
    pub stepping: Duration,
    /// The sum and the number of the losses since the last point of the curve, and the share of the
    /// training that was done there.
    point: (f64, u32, f64),
}

impl<'a, R: Report> Course<'a, R> {
    /// A run that goes on from a state, new or of an interrupted run.
    pub fn new(
        network: &'a Network,
        dev: &'a WordList,
        state: RunState,
        save_every: Duration,
        report: &'a mut R,
        processes: &'a dyn Processes,
    ) -> Self {
        let before = state.losses.iter();
        let before = before.map(|losses| (losses.step, losses.train));
        Self {
            network,
            dev,
            report,
            processes,
            save_every,
            saved: Instant::now(),
            curve: before.collect(),
            state,
            stepping: Duration::ZERO,
            point: (0.0, 0, 0.0),
        }
    }

    /// Takes the network's present parameters as the best ones, before the first step.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub fn keep_first(&mut self) -> Result<()> {
        self.state.best = Some(Best {
            step: 0,
            train: 0.0,
            dev: self.dev_loss(&mut |_| Ok(()))?,
            sha256: None,
            parameters: copies(self.network)?,
        });
        Ok(())
    }

    /// Trains to the end of the options, or until the report stops it. After an error the state has the
    /// best parameters until then.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] as soon as a loss or a parameter is not finite.
    pub fn run(&mut self, learner: &mut WordBatches) -> Result<()> {
        let plan = Plan {
            save_every: Some(self.save_every),
            ..self.state.options.plan()
        };
        let begin = self.state.progress;
        self.saved = Instant::now();
        let trained =
            self.catch_up(learner, &plan)
                .and_then(|()| match self.state.lost_patience() {
                    Some(_) => Ok(()),
                    None => steps::run(learner, &plan, begin, self).map(drop),
                });
        let trained = match trained {
            Err(Error::Interrupted) => Ok(()),
            trained => trained,
        };
        // An exchange that fails in a step has changed nothing; one that fails in an evaluation leaves the
        // step before it whole, and a resumed run evaluates first.
        if matches!(trained, Ok(()) | Err(Error::Processes { .. })) {
            self.refresh(learner)?;
        }
        trained
    }

    /// Makes the evaluation that was due when the run was interrupted.
    fn catch_up(&mut self, learner: &WordBatches, plan: &Plan) -> Result<()> {
        let progress = self.state.progress;
        let fraction = plan.fraction(progress);
        let is_due = plan.evaluates(progress.steps, fraction) && progress.steps > 0;
        if !is_due || self.state.evaluated == progress.steps {
            return Ok(());
        }
        let step = progress.steps - 1;
        let before = plan.fraction(Progress {
            steps: step,
            ..progress
        });
        self.evaluate(learner, plan.learning_rate.at(step, before))
    }

    /// Copies the present parameters and optimizer state into the run state.
    fn refresh(&mut self, learner: &WordBatches) -> Result<()> {
        self.state.parameters = copies(self.network)?;
        self.state.optimizer = learner.optimizer.state()?;
        Ok(())
    }

    /// The dev loss of the present parameters, if there is a dev part. `between` is called between
    /// batches of words.
    fn dev_loss(
        &mut self,
        between: &mut dyn FnMut(&mut Self) -> Result<()>,
    ) -> Result<Option<f64>> {
        let dev = self.dev;
        if dev.is_empty() {
            return Ok(None);
        }
        let (network, processes) = (self.network, self.processes);
        let evaluation = evaluate::word_list(
            &Together {
                model: network,
                processes,
            },
            dev,
            &mut || {
                // Processes that share a training end at the same step instead.
                if processes.size() == 1 && self.report.stops() {
                    return Err(Error::Interrupted);
                }
                between(self)
            },
        )?;
        Ok(Some(evaluation.nll()))
    }

    fn add_to_curve(&mut self, update: &Update) {
        let Some(loss) = update.loss else { return };
        let (sum, number, begin) = self.point;
        let (sum, number) = (sum + loss, number + 1);
        self.point = (sum, number, begin);
        let fraction = update.fraction;
        if fraction - begin >= 1.0 / POINTS || fraction >= 1.0 || self.curve.is_empty() {
            self.curve
                .push((update.progress.steps, sum / f64::from(number)));
            self.point = (0.0, 0, fraction);
        }
    }
}

impl<R: Report> Observer<WordBatches<'_>> for Course<'_, R> {
    fn updated(&mut self, update: &Update) -> Result<()> {
        self.stepping += update.took;
        self.state.progress = update.progress;
        let (sum, batches) = self.state.since;
        self.state.since = (sum + update.loss.unwrap_or_default(), batches + 1);
        self.add_to_curve(update);
        self.report.update(update);
        Ok(())
    }

    fn evaluate(&mut self, learner: &WordBatches, learning_rate: f64) -> Result<()> {
        // A long evaluation does not delay a save. A run that is resumed from that state evaluates
        // first.
        let dev = self.dev_loss(
            &mut |course| match course.saved.elapsed() >= course.save_every {
                true => course.save(learner),
                false => Ok(()),
            },
        )?;
        let (sum, batches) = self.state.since;
        let now = Losses {
            step: self.state.progress.steps,
            train: sum / f64::from(batches),
            dev,
        };
        let parameters = copies(self.network)?;
        let loss = dev.unwrap_or(now.train);
        if !loss.is_finite() || !are_finite(&parameters)? {
            self.report.losses(now, learning_rate);
            return Err(Error::Diverged {
                stage: STEP,
                number: now.step - 1,
                learning_rate,
                regularization: 0.0,
                loss: loss as f32,
            });
        }
        self.state.evaluated = now.step;
        self.state.since = (0.0, 0);
        self.state.losses.push(now);
        self.report.losses(now, learning_rate);
        let before = self.state.best.as_ref().and_then(|best| best.dev);
        if before.is_none_or(|before| dev.is_none_or(|dev| dev < before)) {
            self.state.best = Some(Best {
                step: now.step,
                train: now.train,
                dev,
                sha256: None,
                parameters,
            });
            self.refresh(learner)?;
            self.report.best(&self.state);
        }
        Ok(())
    }

    fn save(&mut self, learner: &WordBatches) -> Result<()> {
        self.refresh(learner)?;
        self.report.state(&self.state);
        self.saved = Instant::now();
        Ok(())
    }

    fn stops(&self) -> bool {
        self.report.stops()
    }

    fn is_over(&self) -> bool {
        self.state.lost_patience().is_some()
    }
}

fn are_finite(parameters: &BTreeMap<String, Tensor>) -> Result<bool> {
    for parameter in parameters.values() {
        if !bool::try_from(parameter.f_isfinite()?.f_all()?)? {
            return Ok(false);
        }
    }
    Ok(true)
}
