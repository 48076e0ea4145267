//! The five lectures and how to start them.

use super::excerpt::{EXAMPLES, Example};
use super::stage::{Audience, Options, Stage, Version};
use super::{backprop, batch_norm, bigram, bigram_notebook, bigram_pictures, mlp, wavenet};
use crate::data::Words;
use crate::data::words::BOUNDARY;
use crate::error::Result;

/// A lecture of the series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum Lecture {
    /// See [`bigram`] and [`bigram_notebook`].
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

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bigram => "Bigrams",
            Self::Mlp => "MLP",
            Self::BatchNorm => "Activations, gradients, BatchNorm",
            Self::Backprop => "Backpropagation by hand",
            Self::WaveNet => "WaveNet",
        }
    }

    /// The file in the repository that has it in plain `tch`: `tests/examples/lecture1.rs`.
    pub fn example(self) -> &'static str {
        self.in_plain_tch().file
    }

    fn in_plain_tch(self) -> Example {
        EXAMPLES[self as usize - 1]
    }

    /// The names of its pictures.
    pub fn pictures(self) -> &'static [&'static str] {
        match self {
            Self::Bigram => &bigram_pictures::PICTURES,
            Self::Mlp => &mlp::PICTURES,
            Self::BatchNorm => &batch_norm::PICTURES,
            Self::Backprop => &backprop::PICTURES,
            Self::WaveNet => &wavenet::PICTURES,
        }
    }
}

/// Replays a lecture.
///
/// # Errors
///
/// The audience's errors, [`Error::Interrupted`](crate::Error::Interrupted) among them;
/// [`Error::Diverged`](crate::Error::Diverged).
pub fn replay(lecture: Lecture, options: Options, audience: &mut dyn Audience) -> Result<()> {
    let words = Words::lecture(BOUNDARY)?;
    let mut stage = Stage {
        options,
        example: lecture.in_plain_tch(),
        audience,
    };
    match lecture {
        Lecture::Bigram => {
            if options.version != Some(Version::Notebook) {
                bigram::replay(&words, &mut stage)?;
            }
            match options.version {
                Some(Version::Notes) => Ok(()),
                _ => bigram_notebook::replay(&words, &mut stage),
            }
        }
        Lecture::Mlp => mlp::replay(&words, &mut stage),
        Lecture::BatchNorm => batch_norm::replay(&words, &mut stage),
        Lecture::Backprop => backprop::replay(&words, &mut stage),
        Lecture::WaveNet => wavenet::replay(&words, &mut stage),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use tch::Device;

    use super::super::stage::Section;
    use super::*;
    use crate::error::Error;
    use crate::train::Rows;

    /// Collects sections and pictures, and can interrupt a training after some steps.
    #[derive(Debug, Default)]
    pub struct Listener {
        pub sections: Vec<Section>,
        pub pictures: Vec<&'static str>,
        pub ends_after: Option<u64>,
    }

    impl Audience for Listener {
        fn section(&mut self, section: Section) -> Result<()> {
            self.sections.push(section);
            Ok(())
        }

        fn trained(&mut self, done: u64, _: u64) -> Result<()> {
            match self.ends_after {
                Some(end) if done >= end => Err(Error::Interrupted),
                _ => Ok(()),
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

    /// The options of a short replay that draws its pictures too.
    pub const SHORT: Options = Options {
        version: None,
        rows: Rows::Distinct,
        steps: 201,
        device: Device::Cpu,
        pictures: true,
    };

    #[test]
    fn the_first_steps_of_each_lecture_agree_and_its_pictures_are_drawn() {
        // The number of figures in each section.
        let sections: [(Lecture, &[usize]); 3] = [
            (Lecture::Mlp, &[3, 1, 0]),
            (Lecture::Backprop, &[5, 2, 26, 30, 2, 2]),
            (Lecture::WaveNet, &[25, 1, 1]),
        ];
        for (lecture, expected) in sections {
            let mut listener = Listener::default();
            replay(lecture, SHORT, &mut listener).unwrap();
            let figures = |section: &Section| section.figures.len();
            let counted: Vec<usize> = listener.sections.iter().map(figures).collect();
            assert_eq!(counted, expected, "{lecture:?}");
            for section in &listener.sections {
                assert!(section.agrees, "{section:#?}");
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
        let ended = replay(Lecture::WaveNet, SHORT, &mut listener);
        assert!(matches!(ended, Err(Error::Interrupted)), "{ended:?}");
        let last = listener.sections.last().unwrap();
        assert_eq!(last.training.unwrap().steps, 100);
        assert_eq!(last.figures[0].ours, "3.3167");
        assert!(listener.pictures.is_empty());
    }
}
