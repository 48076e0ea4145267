//! The lectures of the *makemore* series replayed, each figure beside the published one.
//!
//! One file is one lecture, to be read beside its notebook.
//!
//! | file | notebook | video |
//! |---|---|---|
//! | [`bigram`] | [makemore_part1_bigrams.ipynb] | [The spelled-out intro to language modeling: building makemore] |
//! | [`mlp`] | [makemore_part2_mlp.ipynb] | [Building makemore Part 2: MLP] |
//! | [`batch_norm`] | [makemore_part3_bn.ipynb] | [Building makemore Part 3: Activations & Gradients, BatchNorm] |
//! | [`backprop`] | [makemore_part4_backprop.ipynb] | [Building makemore Part 4: Becoming a Backprop Ninja] |
//! | [`wavenet`] | [makemore_part5_cnn1.ipynb] | [Building makemore Part 5: Building a WaveNet] |
//!
//! [makemore_part1_bigrams.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part1_bigrams.ipynb
//! [The spelled-out intro to language modeling: building makemore]: https://www.youtube.com/watch?v=PaCmpygFfXo
//! [makemore_part2_mlp.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part2_mlp.ipynb
//! [Building makemore Part 2: MLP]: https://www.youtube.com/watch?v=TCH_1BHY58I
//! [makemore_part3_bn.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part3_bn.ipynb
//! [Building makemore Part 3: Activations & Gradients, BatchNorm]: https://www.youtube.com/watch?v=P6sfmUTpUmc
//! [makemore_part4_backprop.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part4_backprop.ipynb
//! [Building makemore Part 4: Becoming a Backprop Ninja]: https://www.youtube.com/watch?v=q8SA3rM6ckI
//! [makemore_part5_cnn1.ipynb]: https://github.com/karpathy/nn-zero-to-hero/blob/master/lectures/makemore/makemore_part5_cnn1.ipynb
//! [Building makemore Part 5: Building a WaveNet]: https://www.youtube.com/watch?v=t3YJ5hKiMQ0
//!
//! Everything is computed by the calls that the rest of the crate offers; only the published figures
//! are written down. `data` is what lectures 2 to 5 learn from, `training` their loop, `figures` how
//! figures are compared.

pub mod backprop;
pub mod batch_norm;
pub mod bigram;
mod bit_for_bit;
mod data;
mod figures;
mod layers;
pub mod mlp;
mod names;
mod training;
pub mod wavenet;

use std::ops::ControlFlow;
use std::path::Path;

use serde::Serialize;
use tch::{Device, TchError};

use crate::data::Words;
use crate::data::words::BOUNDARY;
use crate::error::{Error, Result};
use crate::train::Rows;

pub use bigram::published_average_nll;
pub use figures::Figure;

/// How many steps the long trainings of lectures 2 to 5 have.
pub const STEPS: u64 = 200_000;

/// How many steps show that the first losses agree.
pub const QUICK_STEPS: u64 = 10_001;

/// One of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum Lecture {
    /// See [`bigram`].
    Bigram = 1,
    /// See [`mlp`].
    Mlp,
    /// See [`batch_norm`].
    BatchNorm,
    /// See [`backprop`].
    Backprop,
    /// See [`wavenet`].
    WaveNet,
}

impl Lecture {
    /// Its number, from 1.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What it is about.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bigram => "Bigrams",
            Self::Mlp => "MLP",
            Self::BatchNorm => "Activations, gradients, BatchNorm",
            Self::Backprop => "Backpropagation by hand",
            Self::WaveNet => "WaveNet",
        }
    }

    /// The names of the pictures that it draws.
    pub fn pictures(self) -> &'static [&'static str] {
        match self {
            Self::Bigram => &[],
            Self::Mlp => &mlp::PICTURES,
            Self::BatchNorm => &batch_norm::PICTURES,
            Self::Backprop => &backprop::PICTURES,
            Self::WaveNet => &wavenet::PICTURES,
        }
    }
}

/// How lectures are replayed.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How the data of the first lecture is laid out.
    pub rows: Rows,
    /// How many steps the trainings of the others have at most.
    pub steps: u64,
    /// Where the others are computed. The published figures are of the CPU, with one thread.
    pub device: Device,
    /// Whether pictures are drawn.
    pub pictures: bool,
}

/// Those who hear of the steps of a replay as it goes on; [`ControlFlow::Break`] ends it.
pub trait Audience {
    /// A step is done.
    fn step(&mut self, step: Step) -> ControlFlow<()>;

    /// So many steps of a training are done, of so many.
    fn trained(&mut self, done: u64, all: u64) -> ControlFlow<()>;

    /// A picture can be drawn; `draw` returns the contents of a file with such a name.
    ///
    /// # Errors
    ///
    /// What `draw` returns, and whatever prevents that the picture is kept.
    fn picture(
        &mut self,
        name: &'static str,
        draw: &dyn Fn(&Path) -> Result<Vec<u8>>,
    ) -> Result<()>;
}

/// One step of a lecture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// What it is about.
    pub title: &'static str,
    /// What happens in it, in a sentence or two.
    #[serde(skip)]
    pub explanation: &'static str,
    /// Whether all figures agree that can be compared.
    pub agrees: bool,
    /// The training in it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Trained>,
    /// Its figures.
    pub figures: Vec<Figure>,
}

impl Step {
    fn new(title: &'static str, explanation: &'static str, figures: Vec<Figure>) -> Self {
        Self {
            title,
            explanation,
            agrees: figures.iter().all(|figure| figure.agrees != Some(false)),
            training: None,
            figures,
        }
    }
}

/// A training that was done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trained {
    /// How many steps were made.
    pub steps: u64,
    /// How many the lecture makes.
    pub published_steps: u64,
    /// How long they took.
    pub seconds: f64,
}

/// How a replay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// At its end.
    Whole,
    /// Before it, by the [`Audience`].
    Early,
}

/// Replays a lecture.
///
/// # Errors
///
/// If libtorch fails or the device has no room; what [`Audience::picture`] returns.
pub fn replay(lecture: Lecture, options: Options, audience: &mut dyn Audience) -> Result<Ended> {
    let words = Words::lecture(BOUNDARY)?;
    let mut stage = Stage { options, audience };
    let ended = match lecture {
        Lecture::Bigram => bigram::replay(&words, &mut stage),
        Lecture::Mlp => mlp::replay(&words, &mut stage),
        Lecture::BatchNorm => batch_norm::replay(&words, &mut stage),
        Lecture::Backprop => backprop::replay(&words, &mut stage),
        Lecture::WaveNet => wavenet::replay(&words, &mut stage),
    };
    match ended {
        Ok(()) => Ok(Ended::Whole),
        Err(Stop::Ended) => Ok(Ended::Early),
        Err(Stop::Failed(error)) => Err(error),
    }
}

/// What a lecture is shown on.
struct Stage<'a> {
    options: Options,
    audience: &'a mut dyn Audience,
}

impl Stage<'_> {
    fn show(&mut self, step: Step) -> Flow {
        go_on(self.audience.step(step))
    }

    /// Shows a step with a training; one that was interrupted is the last.
    fn show_training(&mut self, step: Step, course: &training::Course) -> Flow {
        self.show(Step {
            training: Some(course.trained),
            ..step
        })?;
        match course.is_interrupted {
            true => Err(Stop::Ended),
            false => Ok(()),
        }
    }

    /// Whether the pictures of a training are drawn: those of one that was interrupted would replace
    /// better ones.
    fn draws(&self, course: &training::Course) -> bool {
        self.options.pictures && !course.is_interrupted
    }

    fn picture(&mut self, name: &'static str, drawing: &impl crate::plots::Drawing) -> Flow {
        let draw = |path: &Path| crate::plots::draw(path, PICTURE, drawing);
        Ok(self.audience.picture(name, &draw)?)
    }
}

/// The width and height of pictures, in pixels.
const PICTURE: (u32, u32) = (1500, 940);

/// The result of a part of a lecture.
type Flow<T = ()> = std::result::Result<T, Stop>;

/// Why a lecture does not go on.
#[derive(Debug)]
enum Stop {
    /// The audience has ended it.
    Ended,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<TchError> for Stop {
    fn from(error: TchError) -> Self {
        Self::Failed(error.into())
    }
}

fn go_on(flow: ControlFlow<()>) -> Flow {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Stop::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps what it is told, and ends a training after some steps.
    #[derive(Debug, Default)]
    pub(super) struct Listener {
        pub steps: Vec<Step>,
        pub pictures: Vec<&'static str>,
        pub ends_after: Option<u64>,
    }

    impl Listener {
        /// A stage for trainings of so many steps.
        pub fn stage(&mut self, steps: u64) -> Stage<'_> {
            let options = Options {
                rows: Rows::Distinct,
                steps,
                device: Device::Cpu,
                pictures: false,
            };
            Stage {
                options,
                audience: self,
            }
        }
    }

    impl Audience for Listener {
        fn step(&mut self, step: Step) -> ControlFlow<()> {
            self.steps.push(step);
            ControlFlow::Continue(())
        }

        fn trained(&mut self, done: u64, _: u64) -> ControlFlow<()> {
            match self.ends_after {
                Some(end) if done >= end => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }

        fn picture(
            &mut self,
            name: &'static str,
            draw: &dyn Fn(&Path) -> Result<Vec<u8>>,
        ) -> Result<()> {
            self.pictures.push(name);
            assert!(!draw(Path::new("picture.svg"))?.is_empty());
            Ok(())
        }
    }

    /// The options of a replay that draws its pictures too.
    const SHORT: Options = Options {
        rows: Rows::Distinct,
        steps: 201,
        device: Device::Cpu,
        pictures: true,
    };

    #[test]
    fn every_lecture_agrees_and_draws_its_pictures() {
        for lecture in [Lecture::Mlp, Lecture::Backprop, Lecture::WaveNet] {
            let mut listener = Listener::default();
            assert_eq!(replay(lecture, SHORT, &mut listener).unwrap(), Ended::Whole);
            for step in &listener.steps {
                assert!(
                    !step.figures.is_empty() || lecture == Lecture::Mlp,
                    "{step:?}"
                );
                assert!(step.agrees, "{step:#?}");
            }
            assert_eq!(listener.pictures, lecture.pictures());
        }
    }

    #[test]
    fn a_training_that_is_ended_shows_what_was_checked() {
        let mut listener = Listener {
            ends_after: Some(100),
            ..Listener::default()
        };
        let ended = replay(Lecture::WaveNet, SHORT, &mut listener).unwrap();
        assert_eq!(ended, Ended::Early);
        let last = listener.steps.last().unwrap();
        assert_eq!(last.training.unwrap().steps, 100);
        assert_eq!(last.figures[0].ours, "3.3167");
    }
}
